# SPDX-License-Identifier: GPL-2.0 OR MIT
# Random faults: no job is lost, none is wrongly successful. A suite that sets STORM_JOBS and then
# includes this one makes a longer run.
# variants: um um-debug x86 x86-kcsan
# simulator: --faults @SUITES@/storm.faults
d=$(keel_debugfs)
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$d/counters"; }
echo 150 >"$d/hang_ms"
ktap_program "$KEEL_OUT/tests/uapi/test_storm" "${STORM_JOBS:-3000}"
for gauge in clients queues command_buffers buffers jobs_in_flight; do
	check "no $gauge are left" test "$(value $gauge)" = 0
done
check "every job that was queued is counted once" test "$(value jobs_queued)" = \
	$(($(value jobs_done) + $(value jobs_failed) + $(value jobs_cancelled)))
note "$(sed -n 's/^# storm: //p' "$KEEL_SHARE/ktap" | tr '\n' ' '), $(value full_resets) full resets, $(value engine_resets) engine resets"
