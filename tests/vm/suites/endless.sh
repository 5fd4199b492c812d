# SPDX-License-Identifier: GPL-2.0 OR MIT
# Firmware that counts its progress up for ever and hears no cancellation doesn't keep its client.
# variants: um um-debug x86
# simulator: --faults @SUITES@/endless.faults
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$(keel_debugfs)/counters"; }
gone() { [ ! -e "/proc/$1" ]; }
got_on() { [ "$(value jobs_done)" = "$1" ]; }

for round in 1 2; do
	"$KEEL_OUT/tests/uapi/test_load" 1000 >/tmp/load &
	load=$!
	check "the job that doesn't end begins" wait_for 60 got_on $((39 * round))
	sleep 3
	check "it counts as alive" test "$(value engine_resets)$(value full_resets)" = "$((round - 1))0"
	kill -9 $load
	check "a program that is killed goes" wait_for 10 gone $load
	check "nothing is in flight" test "$(value jobs_in_flight)" = 0
done
ktap_program "$KEEL_OUT/tests/uapi/test_jobs"
