# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Whether a suite passed: its own results, and everything that must not have
# happened meanwhile. Sourced by tests/vm/run; reads the files in $share.

# objection SENTENCE: counts as one failure
objection() { echo "$*" >>"$share/objections"; }

# Results and plans in the suite's output; sets passed, failed, skipped, planned.
count_results() {
	read -r passed failed skipped planned < <(awk '
		/^ok [0-9]+.*# SKIP/ { s++; next }
		/^ok [0-9]+/ { p++ }
		/^not ok [0-9]+/ { f++ }
		/^1\.\.0.*# SKIP/ { s++; n++; next }
		/^1\.\.[0-9]+/ { sub(/^1\.\./, ""); n += $1 }
		END { print p + 0, f + 0, s + 0, n + 0 }' "$share/ktap" 2>/dev/null || echo 0 0 0 0)
}

judge_results() {
	local results=$((passed + failed + skipped)) status
	status=$(cat "$share/status" 2>/dev/null)
	if [ "$guest_code" = 124 ]; then
		objection "the guest was stopped after its time limit of $limit s"
	elif [ -z "$status" ]; then
		objection "the guest ended before the suite did"
	elif [ "$status" -ne 0 ]; then
		objection "the suite ended with exit status $status"
	fi
	[ "$results" -eq "$planned" ] || objection "$results results, but $planned were planned"
	[ "$results" -gt 0 ] || objection "no results"
}

judge_kernel() {
	awk -v allow="$here/allow" -v tags="rig $1" -v module="$module_name" \
		-f "$here/reports.awk" "$share/console.log" >"$share/reports"
	while read -r line; do
		objection "kernel: $line"
	done < <(sort "$share/reports" | uniq -c | sed 's/^ *1 //' | head -n 20)
	# A transport whose peer was killed keeps its messages; unbinding shows the driver's own leaks.
	[[ ! -s "$share/kmemleak" || " $1 " == *" removal "* ]] ||
		objection "$(grep -c '^unreferenced object' "$share/kmemleak") leaks, see $share/kmemleak"
}

# verdict SIMULATOR_STATUS TAGS
verdict() {
	local line
	: >>"$share/console.log"
	: >>"$share/ktap"
	count_results
	judge_results
	judge_kernel "$2"
	[ "$1" -eq 0 ] || objection "the simulator ended with exit status $1, see $share/simulator.out"
	while read -r line; do
		objection "$line"
	done <"$share/trouble"
	[ ! -e "$share/objections" ] || failed=$((failed + $(wc -l <"$share/objections")))
}

# report LABEL SECONDS: what was seen, on the terminal and in the counts
report() {
	if [ "$failed" -eq 0 ]; then
		echo "ok   $1 ($passed checks, $skipped skipped, $2 s)"
	else
		bad=1
		echo "FAIL $1 ($failed of $((passed + failed)) checks, $2 s)"
		grep -B 6 '^not ok' "$share/ktap" | tail -n 60 | sed 's/^/     /'
		[ ! -e "$share/objections" ] || sed 's/^/     /' "$share/objections"
		grep -q . "$share/ktap" || tail -n 15 "$share/console.log" | sed 's/^/     | /'
		echo "     everything is in $share"
	fi
	sed -n 's/^# note: /     note: /p' "$share/ktap"
	echo "$passed $failed $skipped" >>"$counts"
}
