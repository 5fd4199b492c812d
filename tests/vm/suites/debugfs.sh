# SPDX-License-Identifier: GPL-2.0 OR MIT
# Every file of debugfs, asleep and busy; tracepoints in pairs; failures on request.
# variants: um um-debug x86 x86-kcsan
d=$(keel_debugfs)
load() { "$KEEL_OUT/tests/uapi/test_load" "$@"; }
value() { awk -v name="$1" '$1 == name { print $2; exit }' "$d/counters"; }
asleep() { grep -q suspended "$(keel_sysfs)/power/runtime_status"; }
files="counters queues jobs fw_log fw_info regs clock bo"

read_all() {
	local file
	for file in $files; do
		cat "$d/$file" >"/tmp/$file" || return 1
	done
}

# shows FILE PATTERN: what was read last has such a line
shows() { grep -Eq "$2" "/tmp/$1" || { cat "/tmp/$1"; return 1; }; }

check "the NPU falls asleep" wait_for 10 asleep
check "all files are read while it sleeps" read_all
check "it sleeps on" asleep
check "no registers without power" shows regs "^no power"
check "the firmware is off" shows fw_info "^state: off"
check "no buffers yet" shows bo "^total 0$"

"$KEEL_OUT/tests/uapi/test_load" 200 >/tmp/load.1 &
first=$!
"$KEEL_OUT/tests/uapi/test_load" 200 >/tmp/load.2 &
second=$!
both_busy() { [ "$(grep -c "^client .* jobs_done [1-9]" "$d/counters")" = 2 ]; }
check "two clients get to work" wait_for 20 both_busy
for i in 1 2 3 4 5; do
	check "all files are read under load, round $i" read_all
done
check "the firmware runs" shows fw_info "^state: ready"
check "its heart beats" shows fw_info "^heartbeat: [1-9]"
check "the identification is read" shows regs "^000 ID 4c45454b"
check "two clients have queues" test "$(grep -c "^client .* priority normal state open" /tmp/queues)" = 2
check "clients are shown with their process" shows jobs "^client [0-9]+ process [0-9]+ test_load "
check "four buffers" shows bo "^total 262144$"
check "buffers have pages" shows bo "^bytes 65536 handles 1 references [0-9]+ resident"
check "clients have counters" shows counters "^client [0-9]+ jobs_done [0-9]+ jobs"
check "the firmware's log is readable" shows fw_log "^[0-9]+ (info|debug|warning|error) seq=[0-9]+ [ -~]+$"
check "the clock is known" shows clock "^now: [1-9][0-9]* kHz"
check "both are still there" both_busy
kill $first $second
wait $first $second
check "nothing went wrong meanwhile" eval '! grep -q "^not ok" /tmp/load.1 /tmp/load.2'
check "what they had is gone" wait_for 10 grep -q "^total 0$" "$d/bo"

rude=$'/tmp/a\nclient 1 b'
cp "$KEEL_OUT/tests/uapi/test_load" "$rude"
"$rude" 200 >/tmp/load.1 &
first=$!
named() { read_all && shows jobs '^client [0-9]+ process [0-9]+ a\\012client\\0401\\040b in_flight'; }
check "a process may have any name" wait_for 20 named
check "it is one word of one line" test "$(grep -c "^client [0-9]* process " /tmp/jobs)" = 1
check "and nobody else's" eval '! grep -q "^client 1 b" /tmp/jobs'
kill $first
wait $first

trace=/sys/kernel/tracing
traced() { grep -c ": keel_$1: " /tmp/trace; }
pair() { [ "$(traced "$1")" -gt 0 ] && [ "$(traced "$1")" = "$(traced "$2")" ]; }
echo 1 >$trace/events/keel/enable
wait_for 10 asleep
echo >$trace/trace
load 0.01 >/tmp/load.1
wait_for 10 asleep
cat $trace/trace >/tmp/trace
echo 0 >$trace/events/keel/enable
check "jobs are traced from the queue" pair job_queued job_start
check "to their end" pair job_start job_done
check "power is traced up" pair resume_start resume_done
check "and down" pair suspend_start suspend_done
check "boots are traced" pair boot_start boot_done
check "interrupts are traced" test "$(traced irq)" -gt 0
note "$(traced job_done) jobs traced"

# inject FAULT TIMES
inject() {
	echo 100 >"$d/fault_inject/$1/probability"
	echo 0 >"$d/fault_inject/$1/verbose"
	echo "$2" >"$d/fault_inject/$1/times"
}
calm() { echo 0 >"$d/fault_inject/$1/probability"; }
fail_on_request() {
	local hang_ms before fault
	hang_ms=$(cat "$d/hang_ms")
	echo 300 >"$d/hang_ms"

	before=$(value lost_interrupts)
	inject interrupt 3
	check "jobs survive lost interrupts" load 1.5
	check "they are counted" test "$(value lost_interrupts)" -gt "$before"
	calm interrupt

	inject submit_alloc 1
	refuse "a submit without memory is refused" load 0.1
	calm submit_alloc
	check "the next is not" load 0.1

	before=$(value full_resets)
	inject doorbell 1
	check "a doorbell that isn't heard costs a reset, and no job" load 0.1 4
	check "the reset is counted" test "$(value full_resets)" -gt "$before"
	check "the job was replayed" test "$(value jobs_replayed)" -ge 1
	calm doorbell

	for fault in completion record; do
		before=$(value bad_records)
		inject $fault 1
		check "a bad $fault fails its job with -EIO" load 0 4 -5
		check "a bad $fault is counted" test "$(value bad_records)" -gt "$before"
		calm $fault
		check "after a bad $fault the NPU works" load 0.1
	done

	wait_for 10 asleep
	inject boot 2
	check "two boots that fail cost no job" load 0.1
	calm boot
	wait_for 10 asleep
	inject boot 3
	refuse "without a boot there is no job" load 0.1
	calm boot
	check "with one there is" load 0.1
	echo "$hang_ms" >"$d/hang_ms"
}

if [ -d "$d/fault_inject" ] && [ -e "$d/fault_inject/boot/probability" ]; then
	fail_on_request
else
	skip "failures on request" "this kernel has no fault injection"
fi
