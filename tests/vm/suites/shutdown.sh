# SPDX-License-Identifier: GPL-2.0 OR MIT
# The machine goes down while the NPU works and the driver has it.
# variants: um um-debug x86
# module: manual
keel_load
"$KEEL_OUT/tests/uapi/test_load" 600 64 >"$KEEL_SHARE/load" &
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$(keel_debugfs)/counters"; }
busy() { [ "$(value jobs_done)" -gt 3 ]; }
check "it is busy when the power goes" wait_for 60 busy
