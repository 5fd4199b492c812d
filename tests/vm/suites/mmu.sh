# SPDX-License-Identifier: GPL-2.0 OR MIT
# Jobs and their addresses when the NPU has an MMU of its own, with fewer contexts than files.
# simulator: --mmu 2 --real-time
ktap_program "$KEEL_OUT/tests/uapi/test_jobs"
ktap_program "$KEEL_OUT/tests/uapi/test_buffers"
ktap_program "$KEEL_OUT/tests/uapi/test_clients"
