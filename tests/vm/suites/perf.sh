# SPDX-License-Identifier: GPL-2.0 OR MIT
# Counter sets, the counter table, fdinfo and debugfs agree with the result records.
# variants: um um-debug x86 x86-kcsan x86-debian
# simulator: --config medium
ktap_program "$KEEL_OUT/tests/uapi/test_perf"
# A network keeps all engines busy, and has them wait for each other.
ktap_program "$KEEL_OUT/tests/uapi/test_network" "$KEEL_OUT/vm/networks/fashion.keel" 3

# All files are closed by now: what they counted stays, what they had is gone.
records_agree "$KEEL_SHARE/ktap"
counters() { cat "$(keel_debugfs)/counters"; }
value() { counters | awk -v name="$1" '$1 == name { print $2; exit }'; }
is() { [ "$(value "$1")" = "$2" ]; }
check "13 jobs were done" is jobs_done 13
for gauge in clients queues command_buffers command_bytes buffers buffer_bytes jobs_in_flight; do
	check "no $gauge are left" is $gauge 0
done
check "no client is shown any more" eval '! counters | grep -q "^client "'
