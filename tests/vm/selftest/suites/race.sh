# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# KCSAN sees data races in a module, also where the kernel touches the module's data.
# variants: x86-kcsan
# module: manual
# expect: KCSAN: data-race in count
# expect: KCSAN: data-race in prandom_u32_state .*by way of draw
for bug in race race_in_kernel; do
	check "$bug" insmod "$KEEL_MODULE" "bug=$bug"
	rmmod keel_bugs
done
