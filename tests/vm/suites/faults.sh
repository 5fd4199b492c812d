# SPDX-License-Identifier: GPL-2.0 OR MIT
# Every fault under load from four clients: the innocent finish, the guilty report, nothing leaks.
# variants: um um-debug x86 x86-kcsan x86-debian
# simulator: --faults @SUITES@/faults.faults
power=$(keel_sysfs)/power
check "the NPU falls asleep" wait_for 10 grep -q suspended "$power/runtime_status"
# From here on, only faults make it boot.
echo on >"$power/control"
ktap_program "$KEEL_OUT/tests/uapi/test_faults"
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$(keel_debugfs)/counters"; }
for gauge in clients queues command_buffers buffers jobs_in_flight; do
	check "no $gauge are left" test "$(value $gauge)" = 0
done
# Not lost_interrupts: under load the next job's interrupt comes before anybody notices.
for counter in timeouts engine_resets full_resets boots bad_records spurious_interrupts \
	queues_banned faults; do
	check "$counter were counted" test "$(value $counter)" -gt 0
done
note "$(value jobs_done) jobs, $(value jobs_replayed) replays, $(value full_resets) full resets, $(value boots) boots"
