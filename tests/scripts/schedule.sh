#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The schedule of the OpenCL backend's one-launch mode, checked in all its orders by spin
# (tests/spin/run.pml); and mistakes in it, each of which must be found.
set -eu

model=$(pwd)/tests/spin/run.pml
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
bad=0

command -v spin >/dev/null || { echo "spin isn't installed" && exit 77; }

# search OPTION ...: what spin has found is in $out/found
search() {
	(cd "$out" && timeout 60 spin -a "$@" "$model" &&
		gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=1024 -o pan pan.c &&
		timeout 120 ./pan -m100000) >"$out/found" 2>&1 || true
	grep -q 'errors: [0-9]' "$out/found" || { cat "$out/found" && exit 1; }
}

correct() {
	search "$@"
	if grep -q 'errors: 0' "$out/found" && ! grep -q 'search depth too small\|Search not completed' "$out/found"; then
		echo "note: $*: $(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$out/found") states"
	else
		echo "$*: $(cat "$out/found")"
		bad=1
	fi
}

# mistake WORDS OPTION ...: spin says WORDS
mistake() {
	search "${@:2}"
	grep -q "$1" "$out/found" || { echo "${*:2}: spin doesn't say '$1'" && bad=1; }
}

correct -DGROUPS=2
correct -DGROUPS=2 -DSTOP
correct -DGROUPS=2 -DROOM=1
correct -DGROUPS=3 -DROOM=1
mistake 'invalid end state' -DGROUPS=2 -DROOM=1 -DSELFISH
mistake 'assertion violated' -DGROUPS=2 -DEARLY
mistake 'assertion violated' -DGROUPS=2 -DLAZY
exit $bad
