# SPDX-License-Identifier: GPL-2.0 OR MIT
# Memory of another driver when the NPU has an MMU of its own, with fewer contexts than files.
# variants: um um-debug x86
# simulator: --mmu 2
ktap_program "$KEEL_OUT/tests/uapi/test_prime"
