# SPDX-License-Identifier: GPL-2.0 OR MIT
# The way of a job through the ioctls, from QUERY to its result.
# variants: um um-debug x86 x86-kcsan x86-debian
# kicks: inband evfd
ktap_program "$KEEL_OUT/tests/uapi/test_jobs"
ktap_program "$KEEL_OUT/tests/uapi/test_int16"
