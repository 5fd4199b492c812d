# SPDX-License-Identifier: GPL-2.0 OR MIT
# Random faults under load from clients with different priorities: no job is lost, none wrongly
# successful. KEEL_SOAK_JOBS: jobs of each of four clients.
# variants: um um-debug x86 x86-kcsan
# simulator: --faults @SUITES@/soak.faults
# timeout: 1200
echo 100 >"$(keel_debugfs)/hang_ms"
ktap_program "$KEEL_OUT/tests/uapi/test_soak" "${KEEL_SOAK_JOBS:-1000}" 4
grep -vE "^client" "$(keel_debugfs)/counters" | sed 's/^/# /'
ktap_program "$KEEL_OUT/tests/uapi/test_soak" 10 1
