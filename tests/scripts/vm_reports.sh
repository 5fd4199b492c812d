#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What the rig takes for a complaint of a guest's kernel, and whose data race one is
# (tests/vm/reports.awk).
vm=$PWD/tests/vm
. "$(dirname "$0")/rig"

# The line of the console that comes next, with its time and QEMU's carriage return.
say() { printf '[   12.345678] %s\r\n' "$@" >>console; }

# race FUNCTIONS FRAME ... -- FRAME ...: a report with two stacks
race() {
	: >console
	say "==================================================================" \
		"BUG: KCSAN: data-race in $1" "" "write to 0xffff8880 of 4 bytes by task 101 on cpu 0:"
	shift
	while [ $# -gt 0 ]; do
		if [ "$1" = -- ]; then
			say "" "read to 0xffff8880 of 4 bytes by interrupt on cpu 1:"
		else
			say " ${1% \[*}+0x12/0x340${1#"${1% \[*}"}"
		fi
		shift
	done
	say "" "value changed: 0x00000001 -> 0x00000002" "" \
		"Reported by Kernel Concurrency Sanitizer on:" "CPU: 1 UID: 0 PID: 101 Comm: keel" \
		"=================================================================="
}

# heard [ALLOW_FILE]: what the rig makes of the console, on one line
heard() { awk -v allow="${1:-/dev/null}" -v tags=rig -v module=keel -f "$vm/reports.awk" console | paste -sd '|'; }

printf '%s\n' 'private wake_up_[a-z]+' 'rig BUG: KCSAN: data-race in expected' >allow

race "vfs_read / vfs_write" vfs_read -- vfs_write
is "a race inside the kernel" "" "$(heard allow)"
race "f [keel] / vfs_write" "f [keel]" drm_ioctl -- vfs_write
is "a race that the module is at" "BUG: KCSAN: data-race in f [keel] / vfs_write" "$(heard allow)"
race "sg_next / sg_next" sg_next vfs_read -- sg_next dma_map "g [keel]" "h [keel]" drm_ioctl
is "one where the kernel is at the module's data" \
	"BUG: KCSAN: data-race in sg_next / sg_next by way of g" "$(heard allow)"
race "sg_next / sg_next" sg_next "f [keel]" -- sg_next "g [keel]"
is "both sides are named" "BUG: KCSAN: data-race in sg_next / sg_next by way of f g" "$(heard allow)"
race "sg_next / sg_next" sg_next "f [other]" -- sg_next "g [other]"
is "another module's" "" "$(heard allow)"
race "ttwu / vfs_read" ttwu wake_up_all "f [keel]" drm_ioctl -- vfs_read
is "one of the kernel's own data" "" "$(heard allow)"
race "ttwu / vfs_read" ttwu sys_wake_up_all "f [keel]" drm_ioctl -- vfs_read
is "whole names are private" "BUG: KCSAN: data-race in ttwu / vfs_read by way of f" "$(heard allow)"
race "ttwu / vfs_read" ttwu "f [keel]" wake_up_all -- vfs_read
is "private functions that call the module" \
	"BUG: KCSAN: data-race in ttwu / vfs_read by way of f" "$(heard allow)"
race "ttwu / f [keel]" ttwu wake_up_all -- "f [keel]" kthread
is "the module at data that is private to the kernel" \
	"BUG: KCSAN: data-race in ttwu / f [keel]" "$(heard allow)"
race "expected / sg_next" expected -- sg_next "g [keel]"
is "a title that is allowed" "" "$(heard allow)"
race "sg_next / sg_next" sg_next -- sg_next "g [keel]"
head -n 11 console >cut && mv cut console
is "a report that breaks off" "BUG: KCSAN: data-race in sg_next / sg_next by way of g" "$(heard)"
say "WARNING: CPU: 0 PID: 1 at driver/keel_ring.c:1 f+0x1/0x2 [keel]" " g+0x1/0x2 [keel]"
is "another report behind it" \
	"WARNING: CPU: 0 PID: 1 at driver/keel_ring.c:1 f+0x1/0x2 [keel]|BUG: KCSAN: data-race in sg_next / sg_next by way of g" \
	"$(heard)"
is "the allow file of the rig has only tags that something turns on" "" \
	"$(sed '/^#/d; /^$/d; s/ .*//' "$vm/allow" | grep -vxE 'rig|private|removal|failures')"
finish
