#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What quantization may cost, on real networks and data, executed by the OpenCL
# backend. Thresholds are the project's promises; "note:" lines show the figures.
set -eu

keel=${KEEL:-build/keel}
shared=${KEEL_SHARED:-../shared}
data=/usr/share/datasets/fashion-mnist
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
bad=0

# at_least WHAT FIGURE THRESHOLD
at_least() {
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a >= b) }'; then
		echo "note: $1 $2 (>= $3)"
	else
		echo "$1 is $2, less than $3"
		bad=1
	fi
}

# figure FILE KEY: one figure a line in our own JSON
figure() { sed -n "s/^  \"$2\": \([-0-9.e]*\),*$/\1/p" "$1"; }

# fashion NAME OPTION ...
fashion() { datafree "$1" --limit 256 --calibrate "$data/train-images-idx3-ubyte.gz" "${@:2}"; }

datafree() {
	"$keel" compile tests/models/fashion_mbv2s.onnx --quiet -o "$out/f.keel" \
		--preprocess tests/models/preprocess/fashion_mbv2s.preprocess "${@:2}"
	"$keel" eval "$out/f.keel" --data "$data/t10k-images-idx3-ubyte.gz" --backend opencl --json \
		--labels "$data/t10k-labels-idx1-ubyte.gz" >"$out/$1.json"
}

if [ -r "$data/t10k-images-idx3-ubyte.gz" ]; then
	fashion naive --granularity per-tensor --optimize 0
	fashion two --granularity per-tensor --factorize two-step --bias-correction none
	fashion corrected --granularity per-tensor --factorize two-step
	fashion least --granularity per-tensor --factorize least-noise
	fashion channel --granularity per-channel
	datafree none --ranges batchnorm --bias-correction none
	naive=$(figure "$out/naive.json" top1)
	two=$(figure "$out/two.json" top1)
	corrected=$(figure "$out/corrected.json" top1)
	echo "note: fashion_mbv2s naive per-tensor $naive"
	at_least "fashion_mbv2s two-step over naive" "$two" "$naive"
	at_least "fashion_mbv2s two-step with bias correction over two-step" "$corrected" "$two"
	at_least "fashion_mbv2s two-step with bias correction" "$corrected" 0.895
	at_least "fashion_mbv2s least-noise with bias correction" "$(figure "$out/least.json" top1)" 0.898
	at_least "fashion_mbv2s per-channel" "$(figure "$out/channel.json" top1)" 0.901
	at_least "fashion_mbv2s without samples" "$(figure "$out/none.json" top1)" 0.89
else
	echo "note: dataset-fashion-mnist isn't installed, its figures are left out"
fi

# Every picture is judged by a network that was calibrated without it.
# moderation NETWORK GRANULARITY SQNR AGREEMENT
moderation() {
	local net=$1 granularity=$2 swap agree=0 worst=1000
	for swap in "" --swap; do
		"$keel" compile "$shared/models/$net.onnx" --calibrate "$shared/images" --split 2 $swap \
			--granularity "$granularity" --quiet -o "$out/m.keel" \
			--preprocess "tests/models/preprocess/$net.preprocess" 2>/dev/null
		"$keel" eval "$out/m.keel" --data "$shared/images" --split 2 $swap --json --backend opencl \
			--float "$shared/models/$net.onnx" >"$out/m.json" 2>/dev/null
		agree=$(awk -v a="$agree" -v b="$(figure "$out/m.json" agreement)" 'BEGIN { print a + b / 2 }')
		worst=$(awk -v a="$worst" -v b="$(figure "$out/m.json" sqnr_db)" 'BEGIN { print a < b ? a : b }')
	done
	at_least "$net $granularity SQNR" "$worst" "$3"
	at_least "$net $granularity agreement" "$agree" "$4"
}

if [ -d "$shared/models" ]; then
	moderation mobilenet_v2_1.0_224_moderation per-tensor 26 0.98
	moderation mobilenet_v2_1.0_224_moderation per-channel 30 0.98
	moderation inception_v3_299_moderation per-tensor 35 0.98
else
	echo "note: the networks of the shared folder are not here (KEEL_SHARED), their figures are left out"
fi
exit $bad
