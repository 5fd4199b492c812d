# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# KCSAN sees a data race in a module.
# variants: x86-kcsan
# module: manual
# expect: KCSAN: data-race in count_unlocked
check "race" insmod "$KEEL_MODULE" bug=race
