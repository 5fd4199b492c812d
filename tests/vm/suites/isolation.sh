# SPDX-License-Identifier: GPL-2.0 OR MIT
# What one client had is never seen by another.
# variants: um um-debug x86 x86-kcsan
# simulator: --faults @SUITES@/isolation.faults
ktap_program "$KEEL_OUT/tests/uapi/test_isolation"
