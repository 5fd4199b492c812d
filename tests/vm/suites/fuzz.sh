# SPDX-License-Identifier: GPL-2.0 OR MIT
# Random ioctls by several threads and processes. A suite that sets FUZZ_CALLS and FUZZ_SEED and
# then includes this one makes a longer run.
# variants: um-debug x86 x86-kcsan x86-debian
# timeout: 3600
ktap_program "$KEEL_OUT/tests/uapi/fuzz_ioctl" "${FUZZ_SEED:-1}" "${FUZZ_CALLS:-20000}"
note "$(sed -n 's/^# seed/seed/p' "$KEEL_SHARE/ktap")"
