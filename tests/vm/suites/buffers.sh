# SPDX-License-Identifier: GPL-2.0 OR MIT
# Buffer objects and what is bound, with and without an MMU.
ktap_program "$KEEL_OUT/tests/uapi/test_buffers"
