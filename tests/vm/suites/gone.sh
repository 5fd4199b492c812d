# SPDX-License-Identifier: GPL-2.0 OR MIT
# The device leaves the bus by itself, under load from several clients.
# variants: um um-debug
# allow: removal
# simulator: --faults @SUITES@/gone.faults
program=$KEEL_OUT/tests/uapi/test_removal

for i in 1 2 3; do
	$program >"/tmp/gone.$i" &
	pids[i]=$!
done
for i in 1 2 3; do
	check "program $i ends well" wait "${pids[i]}"
done
cat /tmp/gone.*
check "the device file is gone" wait_for 10 eval '! keel_node'
