# SPDX-License-Identifier: GPL-2.0 OR MIT
# An NPU that doesn't come up again: jobs end with -EIO, none hangs; binding the driver again helps.
# variants: um um-debug x86 x86-kcsan
# simulator: --faults @SUITES@/wedged.faults
program=$KEEL_OUT/tests/uapi
driver=/sys/bus/pci/drivers/keel
device=$(basename "$(keel_sysfs)")
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$(keel_debugfs)/counters"; }

check "the NPU falls asleep" wait_for 10 grep -q suspended "$(keel_sysfs)/power/runtime_status"
# The two boots before the crash are behind it.
echo on >"$(keel_sysfs)/power/control"

# Until the crash, then everything ends with -EIO.
ends_badly() {
	"$program/test_storm" 2000 >/tmp/storm
	grep -q "last error -5" /tmp/storm
}
check "jobs and submits end with -EIO" ends_badly
check "none of them hangs" grep -q "^1\.\." /tmp/storm
check "none succeeded wrongly" grep -q "^ok .*: wrong is 0" /tmp/storm
check "no jobs_in_flight are left" test "$(value jobs_in_flight)" = 0
check "no buffers are left" test "$(value buffers)" = 0
refuse "a new client fares no better" "$program/test_load" 0.1
check "unbind" eval "echo $device >$driver/unbind"
check "bind" eval "echo $device >$driver/bind"
check "the device appears" wait_for 10 keel_node
ktap_program "$program/test_jobs"
