# SPDX-License-Identifier: GPL-2.0 OR MIT
# The NPU sleeps and wakes: by itself, with the system, while busy; the clock follows the load.
# variants: um um-debug x86 x86-kcsan
# also: awake
# kernel: suspend.pm_test_delay=1
# timeout: 400
case $KEEL_VARIANT in
x86*) check "files stay awake" insmod "$KEEL_OUT/vm/$KEEL_VARIANT/awake/keel_awake.ko" ;;
esac
d=$(keel_debugfs)
s=$(keel_sysfs)
f=/sys/class/devfreq/$(basename "$s")
trace=/sys/kernel/tracing
load() { "$KEEL_OUT/tests/uapi/test_load" "$@"; }
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$d/counters"; }
asleep() { grep -q suspended "$s/power/runtime_status"; }

cycles() {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		load 0.01 >/tmp/load || return 1
		wait_for 10 asleep || return 1
	done
}

# freeze LEVEL: suspend the system as far as LEVEL says, and come back
freeze() {
	echo "$1" >/sys/power/pm_test
	echo freeze >/sys/power/state
}

# A load of SECONDS in the background, and system sleep meanwhile
freeze_busy() {
	local first second err
	load "$1" 64 >/tmp/busy.1 &
	first=$!
	load "$1" 4 >/tmp/busy.2 &
	second=$!
	sleep 0.5
	freeze devices && sleep 0.3 && freeze devices
	err=$?
	wait $first $second
	cat /tmp/busy.1 /tmp/busy.2
	[ $err -eq 0 ] && ! grep -q "^not ok" /tmp/busy.1 /tmp/busy.2
}

polls() {
	echo >"$trace/trace"
	wait_for 1 grep -q devfreq_monitor "$trace/trace"
}

# Linux 6.12 never polls the load again once system sleep has cancelled a poll that came due when
# work was frozen already, which is so once in a few times.
freeze_polling() {
	# Not the function, whose shell would be killed instead of the program.
	"$KEEL_OUT/tests/uapi/test_load" 60 64 >/tmp/load &
	local busy=$! err=0 i
	for ((i = 0; i < 12 && !err; i++)); do
		freeze devices && polls || err=1
	done
	kill $busy
	wait $busy
	return $err
}

# A job that the NPU hasn't heard of, and that nobody would miss for an hour
freeze_stuck() {
	local doorbell=$d/fault_inject/doorbell
	local stuck err
	echo 3600000 >"$d/hang_ms"
	echo 0 >"$doorbell/verbose"
	echo 1 >"$doorbell/times"
	echo 100 >"$doorbell/probability"
	load 0.01 >/tmp/stuck &
	stuck=$!
	wait_for 10 grep -qx 0 "$doorbell/times"
	freeze devices
	err=$?
	echo 0 >"$doorbell/probability"
	wait $stuck || err=1
	echo 1000 >"$d/hang_ms"
	cat /tmp/stuck
	return $err
}

before=$(value resumes)
done_before=$(value jobs_done)
check "eight jobs and more, with sleep in between" cycles
note "resumes $before to $(value resumes), jobs $done_before to $(value jobs_done)"
check "eight times it was woken" test "$(value resumes)" -ge $((before + 8))
check "jobs are counted across boots" test "$(value jobs_done)" -ge $((done_before + 8))
cycles_before=$(value cycles)
load 0.05 >/tmp/load
check "the firmware's counters go on after a boot" test "$(value cycles)" -gt "$cycles_before"

if [ -e /sys/power/pm_test ] && grep -q freeze /sys/power/state; then
	wait_for 10 asleep
	check "system sleep while the NPU sleeps" freeze devices
	check "it still works" load 0.1
	check "system sleep under load" freeze_busy 6
	echo 1 >$trace/events/devfreq/enable
	check "afterwards the clock follows the load again" freeze_polling
	echo 0 >$trace/events/devfreq/enable
	check "nothing hung" test "$(value timeouts)" = 0
	if [ -e "$d/fault_inject/doorbell/probability" ]; then
		check "system sleep doesn't wait for ever, and no job is lost" freeze_stuck
		check "the job was started again" test "$(value jobs_replayed)" -gt 0
	fi
else
	skip "system sleep" "this kernel can't"
fi

highest() { awk '{ for (i = 1; i <= NF; i++) if ($i > m) m = $i } END { print m }' "$f/available_frequencies"; }
lowest() { awk '{ m = $1; for (i = 1; i <= NF; i++) if ($i < m) m = $i } END { print m }' "$f/available_frequencies"; }
clock_is() { [ "$(cat "$f/cur_freq")" = "$1" ] && grep -q "^now: $(($1 / 1000)) kHz" "$d/clock"; }

# Asleep, the clock stays what it was.
slow() { asleep || clock_is "$(lowest)"; }
check "the clock is slow without work" wait_for 10 slow
# With checkers programs take longer than the NPU, so there one job that waits for a reset is the load.
slow_job() {
	echo 8000 >"$d/hang_ms"
	echo 0 >"$d/fault_inject/doorbell/verbose"
	echo 1 >"$d/fault_inject/doorbell/times"
	echo 100 >"$d/fault_inject/doorbell/probability"
}
[ ! -e "$d/fault_inject/doorbell/probability" ] || slow_job
load 10 256 >/tmp/load &
if [ "$KEEL_VARIANT" = x86-kcsan ]; then
	skip "and fast with" "programs are slower than the NPU, and no job waits on request"
else
	check "and fast with" wait_for 12 clock_is "$(highest)"
fi
wait
echo 1000 >"$d/hang_ms"
check "slow again afterwards" wait_for 10 slow
note "$(wc -w <"$f/available_frequencies") operating points, $(awk '/Total/ { print $NF }' "$f/trans_stat") transitions"

check "a user may choose" eval 'echo userspace >$f/governor && echo $(highest) >$f/userspace/set_freq'
load 0.1 >/tmp/load
check "the choice is kept" clock_is "$(highest)"
wait_for 10 asleep
load 0.1 >/tmp/load
check "and after a sleep" clock_is "$(highest)"
echo simple_ondemand >"$f/governor"
check "a lower limit is kept" eval 'echo $(lowest) >$f/max_freq; load 1 256 >/tmp/load; clock_is $(lowest)'
echo "$(highest)" >"$f/max_freq"

unbind_and_bind() {
	local name driver
	name=$(basename "$s")
	driver=$(readlink -f "$s/driver")
	echo "$name" >"$driver/unbind" && echo "$name" >"$driver/bind"
}
for i in 1 2 3; do
	check "unbind and bind, round $i" unbind_and_bind
	check "works after round $i" load 0.1
done

# An NPU that doesn't come back from system sleep costs its jobs, not the system.
awake() { grep -qx active "$s/power/runtime_status"; }
lose_it_asleep() {
	local boot=$d/fault_inject/boot
	echo 0 >$boot/verbose
	load 20 64 >/tmp/load &
	local busy=$!
	wait_for 10 awake || return 1
	echo -1 >$boot/times
	echo 100 >$boot/probability
	freeze devices
	echo 0 >$boot/probability
	wait $busy
	grep -q "last status" /tmp/load
}
if [ -e "$d/fault_inject/boot/probability" ] && [ -e /sys/power/pm_test ]; then
	check "the system comes back without it" lose_it_asleep
	check "it says so" grep -q "^state: wedged" "$d/fw_info"
	refuse "jobs are refused" load 0.1
	check "unbind and bind" unbind_and_bind
	check "it works again" load 0.1
else
	skip "no way back from system sleep" "this kernel has no fault injection"
fi
