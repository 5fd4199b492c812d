# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# A guest that dies takes its suite with it.
# variants: um x86
# module: manual
# expect: Kernel panic
# expect: ended before the suite
# expect: 1 results, but 0 were planned
check "before" true
echo 1 >/proc/sys/kernel/panic_on_warn
insmod "$KEEL_MODULE" bug=warn
