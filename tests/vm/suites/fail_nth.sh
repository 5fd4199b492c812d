# SPDX-License-Identifier: GPL-2.0 OR MIT
# Each allocation of open, of the ioctls and of probe fails in turn: clean errors, no leaks.
# variants: um-debug x86
# allow: failures
# timeout: 600
program=$KEEL_OUT/tests/uapi/test_fail_nth
device=$(basename "$(keel_sysfs)")
for kind in failslab fail_page_alloc fail_usercopy; do
	folder=/sys/kernel/debug/$kind
	echo 0 >"$folder/verbose"
	for wait in ignore-gfp-wait ignore-gfp-highmem; do
		[ ! -e "$folder/$wait" ] || echo N >"$folder/$wait"
	done
	[ ! -e "$folder/min-order" ] || echo 0 >"$folder/min-order"
done
ktap_program "$program"
# Linux 6.12 itself crashes when a minor of DRM can't have a device (drm_minor_alloc_release), and
# when a devfreq device can't be registered (devfreq_dev_release); these allocations are left out.
# Their numbers are those of one kernel. The step is 1 in a run that takes a minute.
if [ "$KEEL_VARIANT" = um-debug ]; then
	ktap_program "$program" bind "$device" "${FAIL_STEP:-13}" 45-75 590-790
	check "the device appears" wait_for 10 keel_node
else
	skip "failing probes" "the kernel's own crashes are at other numbers here"
fi
ktap_program "$KEEL_OUT/tests/uapi/test_jobs"
note "$(grep -o "[A-Z_a-z]*: each of [0-9]*\|bind: [0-9]* allocations up to the [0-9]*" "$KEEL_SHARE/ktap" | sed 's/each of //' | tr '\n' ',')"
