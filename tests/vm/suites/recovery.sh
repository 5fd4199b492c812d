# SPDX-License-Identifier: GPL-2.0 OR MIT
# Each fault under load: innocent jobs finish, the guilty one reports, the device goes on.
# variants: um um-debug x86 x86-kcsan x86-debian
# simulator: --faults @SUITES@/recovery.faults
ktap_program "$KEEL_OUT/tests/uapi/test_recovery"

# Looked at so early that the last beat of the heart is no old news yet.
hang_ms=$(cat "$(keel_debugfs)/hang_ms")
echo 300 >"$(keel_debugfs)/hang_ms"
check "firmware that has stopped isn't taken for a hang" \
	"$KEEL_OUT/tests/uapi/test_load" 0.01 4 -5
echo "$hang_ms" >"$(keel_debugfs)/hang_ms"
check "the NPU works again" "$KEEL_OUT/tests/uapi/test_load" 0.1

# Nobody else's interrupt comes to the rescue.
lost() { awk '$1 == "lost_interrupts" { print $2; exit }' "$(keel_debugfs)/counters"; }
before=$(lost)
check "a lost interrupt delays a job that is alone" "$KEEL_OUT/tests/uapi/test_load" 0.01
check "lost_interrupts were counted" test "$(lost)" -gt "$before"
grep -E 'timeouts|resets|boots|bad_records|replayed|lost|spurious|banned|faults|in_flight' \
	"$(keel_debugfs)/counters" | sed 's/^/# /'
