# SPDX-License-Identifier: GPL-2.0 OR MIT
# The faults of recovery.sh with an MMU that has no context to spare.
# variants: um um-debug x86
# simulator: --mmu 1 --faults @SUITES@/recovery.faults
ktap_program "$KEEL_OUT/tests/uapi/test_recovery"
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$(keel_debugfs)/counters"; }
# Those of the script; others would be the driver's doubts in itself.
check "three records made no sense" test "$(value bad_records)" = 3
note "$(value full_resets) full resets, $(value jobs_replayed) replays"
