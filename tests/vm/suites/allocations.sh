# SPDX-License-Identifier: GPL-2.0 OR MIT
# Every allocation of the ioctls fails in turn; nothing leaks.
# variants: um-debug x86
# allow: failures
# timeout: 600
for attr in failslab fail_page_alloc; do
	[ -d /sys/kernel/debug/$attr ] || continue
	echo N >/sys/kernel/debug/$attr/ignore-gfp-wait
	echo 0 >/sys/kernel/debug/$attr/verbose
done
# Asleep, and not to be woken with a failing allocation: that is the bus's business.
echo on >"$(keel_sysfs)/power/control"
ktap_program "$KEEL_OUT/tests/uapi/test_allocations"
