# SPDX-License-Identifier: GPL-2.0 OR MIT
# Memory of another driver, udmabuf, in jobs; while they run, and while the device goes.
# variants: um um-debug x86
# kicks: inband evfd
driver=/sys/bus/pci/drivers/keel
ktap_program "$KEEL_OUT/tests/uapi/test_prime"

for round in 1 2; do
	device=$(basename "$(keel_sysfs)")
	log=$KEEL_SHARE/hold.$round
	"$KEEL_OUT/tests/uapi/test_prime" hold >"$log" &
	check "jobs on foreign memory" wait_for 60 grep -q busy "$log"
	check "unbind" eval "echo $device >$driver/unbind"
	check "the program ends well" wait $!
	cat "$log"
	check "bind" eval "echo $device >$driver/bind"
	check "the device appears" wait_for 10 keel_node
done
ktap_program "$KEEL_OUT/tests/uapi/test_prime"
