# SPDX-License-Identifier: GPL-2.0 OR MIT
# The same with an MMU, which has fewer contexts than there are clients.
# variants: um um-debug x86 x86-kcsan
# simulator: --mmu 2 --faults @SUITES@/isolation.faults
ktap_program "$KEEL_OUT/tests/uapi/test_isolation"
