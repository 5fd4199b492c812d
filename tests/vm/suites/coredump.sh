# SPDX-License-Identifier: GPL-2.0 OR MIT
# Hangs, faults and crashes leave coredumps that say all about them.
# variants: um-debug x86
# simulator: --faults @SUITES@/coredump.faults
KEEL_SHARE=$KEEL_SHARE ktap_program "$KEEL_OUT/tests/uapi/test_coredump"

# Without memory for a copy there is no dump, and nothing else happens.
