#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel doctor and keel top, on made-up systems.
. "$(dirname "$0")/rig"

# finds STATE CHECK PATTERN: doctor's line about it
finds() {
	has "doctor about $2" "^$1 +$2 +.*$3" out
}

mkdir empty
fails_with() {
	"$@" >out 2>err </dev/null
	is "exit code of $*" 3 $?
	is "standard error of $*" "" "$(cat err)"
}
fails_with "$keel" doctor --root empty
for check in module firmware udev opencl; do
	finds missing $check '-> '
done
for check in kernel debugfs; do
	finds skipped $check "a system that doesn't run"
done
finds ok versions 'commands version [0-9]+'
finds skipped npu 'another system'

# Where a module may be, and how it may be packed, the kernel's own list knows. What runs here
# doesn't matter there.
modules=lib/modules/6.12.48-other
for place in updates/dkms/keel.ko.xz updates/keel.ko kernel/drivers/accel/keel/keel.ko.zst; do
	mkdir -p installed/$modules
	echo "$place: kernel/drivers/gpu/drm/drm.ko" >installed/$modules/modules.dep
	fails_with "$keel" doctor --root installed
	finds ok module 'installed for Linux 6\.12\.48-other$'
done
mkdir -p installed/lib/modules/6.1.0-old
fails_with "$keel" doctor --root installed
finds ok module 'installed for Linux 6\.12\.48-other, and not for 6\.1\.0-old$'
rmdir installed/lib/modules/6.1.0-old
echo "kernel/drivers/other/keeler.ko:" >installed/$modules/modules.dep
fails_with "$keel" doctor --root installed
finds missing module 'not installed for 6\.12\.48-other -> '
echo kernel/drivers/accel/keel/keel.ko >installed/$modules/modules.builtin
fails_with "$keel" doctor --root installed
finds ok module 'installed for Linux 6\.12\.48-other$'
mkdir -p running/sys/class
fails_with "$keel" doctor --root running
finds missing kernel '-> '
finds missing debugfs '-> '

mkdir -p full/sys/class/accel full/sys/module/keel full/lib/firmware/keel full/etc/OpenCL/vendors \
	full/usr/lib/udev/rules.d full/sys/kernel/debug/accel/0
echo libpocl.so >full/etc/OpenCL/vendors/pocl.icd
: >full/usr/lib/udev/rules.d/60-keel.rules
head -c 100 /dev/zero >full/lib/firmware/keel/keel-fw.bin
ok "$keel" doctor --root full
for check in kernel module udev debugfs opencl; do
	finds ok $check ''
done
finds missing firmware 'is damaged -> '
ok "$keel" doctor --root full --json
has "JSON" '"usable": true' out
fails 2 "$keel" doctor twice

# The machine itself has OpenCL, or this test would not have been installed.
ok "$keel" doctor
has "doctor's conclusion" '^networks can run here$' out

mkdir -p full/proc/42/fdinfo
echo camera >full/proc/42/comm
printf 'drm-driver:\tkeel\ndrm-client-id:\t7\ndrm-engine-mac:\t5 ns\ndrm-total-memory:\t2048 KiB\n' \
	>full/proc/42/fdinfo/3
printf 'jobs_done 17\nnonsense\njobs_failed\t3 jobs\n' >full/sys/kernel/debug/accel/0/counters
ok "$keel" top --root full --interval 0.01
has "the client" '^ +7 +42 .* 2 +0 +camera$' out
has "the NPU" '17 jobs done, 3 failed' out
ok "$keel" top --root full --interval 0.01 --count 2 --json
is "lines" 2 "$(wc -l <out)"
has "JSON" '^\{"seconds":.*"process":"camera".*"jobs_done":17' out
rm -r full/sys
ok "$keel" top --root full --interval 0.01
has "no debugfs" "debugfs can't be read" out
fails 1 "$keel" top --root missing
fails 2 "$keel" top --interval -1
fails 2 "$keel" top twice
finish
