#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Full topologies of well-known networks (KEEL_SHARED/models/light_*.onnx: constants instead of
# weights) with seeded random weights: they compile, or are refused with a sentence, and both
# backends agree on every tensor.
shared=$(realpath "${KEEL_SHARED:-../shared}")
. "$(dirname "$0")/rig"

nets=("$shared"/models/light_*.onnx)
if [ ! -e "${nets[0]}" ] || [ ! -d "$shared/images" ]; then
	echo "KEEL_SHARED/models/light_*.onnx or KEEL_SHARED/images are not there"
	exit 77
fi

# Most of their weights, some 100 million, are those of dense layers that others have, too.
heavy() { [[ $1 == *alexnet* || $1 == *vgg* || $1 == *zfnet* ]]; }

# agree NET OPTION ...: it compiles with these, and OpenCL and reference give the same tensors
agree() {
	local net=$1 tensors
	shift
	"$keel" compile "$net" --seed 7 --calibrate "$shared/images" --limit 1 --quiet -o x.keel "$@" \
		>out 2>err </dev/null
	case $? in
	0) ;;
	1)
		is "lines on the standard error for $net" 1 "$(wc -l <err)"
		has "reason to refuse $net" 'target|memory|limit' err
		echo "note: $(basename "$net") is refused: $(cat err)"
		return
		;;
	*) bad "$net: $(cat err)" ;;
	esac
	ok "$keel" verify x.keel --backend opencl --against reference --random 1 --json
	has "$net with $*" '"equal": true' out
	tensors=$(sed -n 's/.*"tensors": \([0-9]*\).*/\1/p' out)
	[ "${tensors:-0}" -gt 10 ] || bad "$net with $*: only ${tensors:-no} tensors were compared"
	compiled=$((compiled + 1))
}

compiled=0
for net in "${nets[@]}"; do
	if [ -n "${KEEL_TEST_LIGHT:-}" ] && heavy "$net"; then
		echo "note: $(basename "$net") is left out with KEEL_TEST_LIGHT"
		continue
	fi
	agree "$net" --granularity per-channel
	heavy "$net" || agree "$net" --granularity per-tensor --target small
done
[ $compiled -gt 0 ] || bad "every network is refused"
finish
