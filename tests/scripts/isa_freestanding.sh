#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What the kernel takes from isa/ (isa/freestanding.mk) must build there: no libc headers, no
# floating point, no library calls but memcmp, memset, memcpy and div_u64 (64-bit divisions
# have no operator in a 32-bit kernel), no recursion, small frames.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A call chain may take this much of the kernel's stack, a function less.
chain_limit=2048
frame_limit=1024

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
	typedef u32 uint32_t;
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
cat >"$work/linux/math64.h" <<-'STUB'
	#include <linux/types.h>
	u64 div_u64(u64 dividend, u32 divisor);
STUB
echo '#define static_assert(cond, text) _Static_assert(cond, text)' >"$work/linux/build_bug.h"

# shellcheck disable=SC2016
objects=$(make -s -f isa/freestanding.mk --eval 'list: ; @echo $(keel-isa-objs)' list)

fail() {
	echo "$*"
	exit 1
}

# Who calls whom.
calls() {
	awk -F'"' '/^edge:/ { print $2, $4 }' "$1"/*.ci
}

# Bytes of the deepest chain of calls from keel_validate().
deepest_chain() {
	{
		awk -F'"' '/^node:/ && match($4, /[0-9]+ bytes/) {
			print "own", $2, substr($4, RSTART) + 0 }' "$1"/*.ci
		calls "$1"
	} | awk '
		$1 == "own" { own[$2] = $3; next }
		{ called[$1] = called[$1] " " $2 }
		function depth(f,  list, n, i, d, most) {
			if (f in known)
				return known[f]
			n = split(called[f], list, " ")
			for (i = 1; i <= n; i++) {
				d = depth(list[i])
				most = d > most ? d : most
			}
			return known[f] = own[f] + most
		}
		END { print depth("keel_validate") + 0 }'
}

check_stack() {
	local chain

	! calls "$1" | grep -m1 ' __indirect_call' || fail "a call through a pointer"
	calls "$1" | tsort >/dev/null 2>"$1/loops" || fail "recursion: $(tr '\n' ' ' <"$1/loops")"
	chain=$(deepest_chain "$1")
	[ "$chain" -gt 0 ] || fail "no call graph in $1"
	[ "$chain" -le $chain_limit ] || fail "keel_validate() takes $chain bytes of stack"
	echo "keel_validate() takes $chain bytes of stack on ${1##*/}"
}

build() {
	local cc=$1 bits=$2 level=$3 out=$work/$1-m$2$3 object calls allowed defined
	local graph=

	mkdir -p "$out"
	[ "$cc" = gcc ] && graph=-fcallgraph-info=su
	for object in $objects; do
		# shellcheck disable=SC2086
		"$cc" "-m$bits" -std=gnu11 "$level" -Wall -Wextra -Werror -Wundef -Wvla -Wmissing-prototypes -funsigned-char \
			-Wno-sign-compare -Wframe-larger-than=$frame_limit -mgeneral-regs-only \
			-nostdinc -ffreestanding -fno-pic $graph -D__KERNEL__ \
			-I"$work" -Iisa -c "isa/${object%.o}.c" -o "$out/$object"
	done
	defined=$(nm --defined-only "$out"/*.o | awk '$2 ~ /[A-Z]/ { print $3 }')
	allowed=$(printf '%s\n' "$defined" memcmp memset memcpy div_u64)
	calls=$(nm -u "$out"/*.o | awk '$1 == "U" { print $2 }' | sort -u |
		grep -vxF "$allowed" || true)
	[ -z "$calls" ] || fail "$cc -m$bits $level: the kernel has no ${calls//$'\n'/ }"
	[ -z "$graph" ] || check_stack "$out"
}

built=0
for cc in gcc clang; do
	command -v "$cc" >/dev/null || continue
	echo 'int x;' >"$work/probe.c"
	for bits in 64 32; do
		"$cc" "-m$bits" -c "$work/probe.c" -o "$work/probe.o" 2>/dev/null || continue
		for level in -O2 -Os; do
			build "$cc" "$bits" "$level"
			built=$((built + 1))
		done
	done
done
[ $built -gt 0 ] || { echo "no compiler for freestanding code"; exit 77; }
echo "freestanding: $built builds"
