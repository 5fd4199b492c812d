# SPDX-License-Identifier: GPL-2.0 OR MIT
# An NPU without int16 activations refuses commands with them, and runs all others.
# variants: um um-debug x86
# simulator: --config @SUITES@/narrow.target
ktap_program "$KEEL_OUT/tests/uapi/test_int16" none
ktap_program "$KEEL_OUT/tests/uapi/test_jobs"
