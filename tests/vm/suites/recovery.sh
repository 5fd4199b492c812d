# SPDX-License-Identifier: GPL-2.0 OR MIT
# Each fault under load: innocent jobs finish, the guilty one reports, the device goes on.
# variants: um um-debug x86
# simulator: --faults @SUITES@/recovery.faults
ktap_program "$KEEL_OUT/tests/uapi/test_recovery"
grep -E 'timeouts|resets|boots|bad_records|replayed|lost|spurious|banned|faults|in_flight' \
	"$(keel_debugfs)/counters" | sed 's/^/# /'
