#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What the kernel takes from isa/ must build there: no libc headers, no library calls but
# memcmp, memset and memcpy, no 64-bit division helpers on 32-bit machines, small stacks.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/linux"
cat >"$work/linux/types.h" <<-'STUB'
	typedef signed char s8;
	typedef unsigned char u8;
	typedef short s16;
	typedef unsigned short u16;
	typedef int s32;
	typedef unsigned int u32;
	typedef long long s64;
	typedef unsigned long long u64;
STUB
cat >"$work/linux/stddef.h" <<-'STUB'
	#define NULL ((void *)0)
	#define offsetof(type, member) __builtin_offsetof(type, member)
STUB
cat >"$work/linux/string.h" <<-'STUB'
	int memcmp(const void *, const void *, __SIZE_TYPE__);
	void *memset(void *, int, __SIZE_TYPE__);
	void *memcpy(void *, const void *, __SIZE_TYPE__);
STUB
echo '#define static_assert(cond, text) _Static_assert(cond, text)' >"$work/linux/build_bug.h"

build() {
	local cc=$1 bits=$2 file object calls
	for file in command validate rules cost crc32; do
		object=$work/$file.o
		"$cc" "-m$bits" -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-sign-compare -Wvla \
			-Wframe-larger-than=1024 -nostdinc -ffreestanding -fno-pic -D__KERNEL__ \
			-I"$work" -Iisa -c "isa/keel_$file.c" -o "$object"
		calls=$(nm -u "$object" | awk '{ print $2 }' | grep -vE '^(keel_|memcmp$|memset$|memcpy$)' || true)
		[ -z "$calls" ] || { echo "$cc -m$bits: keel_$file.c calls $calls"; exit 1; }
	done
}

built=0
for cc in gcc clang; do
	command -v "$cc" >/dev/null || continue
	echo 'int x;' >"$work/probe.c"
	for bits in 64 32; do
		"$cc" "-m$bits" -c "$work/probe.c" -o "$work/probe.o" 2>/dev/null || continue
		build "$cc" "$bits"
		built=$((built + 1))
	done
done
[ $built -gt 0 ] || { echo "no compiler for freestanding code"; exit 77; }
echo "freestanding: $built builds"
