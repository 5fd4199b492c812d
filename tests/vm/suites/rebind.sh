# SPDX-License-Identifier: GPL-2.0 OR MIT
# The driver is unbound while it is busy, bound again, and again.
# variants: um um-debug x86 x86-kcsan
program=$KEEL_OUT/tests/uapi/test_removal
driver=/sys/bus/pci/drivers/keel

unbind() { echo "$1" >$driver/unbind; }
bind() { echo "$1" >$driver/bind; }

for round in 1 2 3; do
	device=$(basename "$(keel_sysfs)")
	log=$KEEL_SHARE/removal.$round
	$program >"$log" &
	check "it gets busy" wait_for 60 grep -q busy "$log"
	check "unbind" unbind "$device"
	check "the program ends well" wait $!
	cat "$log"
	check "bind" bind "$device"
	check "the device appears" wait_for 10 keel_node
	ktap_program "$KEEL_OUT/tests/uapi/test_jobs"
done
