#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What quantization may cost the network families, per-tensor and on all 10,000 test
# pictures. Thresholds are the project's promises; "note:" lines show the figures.
#
# KEEL_FAMILIES names some families instead of all; KEEL_FAMILIES_OUT keeps what was measured.
set -eu

out=${KEEL_FAMILIES_OUT:-$(mktemp -d)}
[ -n "${KEEL_FAMILIES_OUT:-}" ] || trap 'rm -rf "$out"' EXIT
bad=0

# from FILE KEY: one figure a line in our own JSON
from() { sed -n "s/^  \"$2\": \([-0-9.e]*\),*$/\1/p" "$1"; }
# figure FAMILY.WHAT KEY: of what was measured
figure() { from "$out/$1.json" "$2"; }

# at_most WHAT FIGURE THRESHOLD
at_most() {
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a <= b) }'; then
		echo "note: $1 $2 (<= $3)"
	else
		echo "$1 is $2, more than $3"
		bad=1
	fi
}

# loss FAMILY: points of accuracy of the default below the float network
loss() {
	awk -v f="$(figure "$1.default" float_top1)" -v q="$(figure "$1.default" top1)" \
		'BEGIN { printf "%.2f", 100 * (f - q) }'
}

# pictures FAMILY: by how many two float executors differ, which round differently
pictures() {
	awk -v a="$(figure "$1.default" float_top1)" -v b="$(from "tests/models/fashion_$1.json" float_top1)" \
		'BEGIN { d = 10000 * (a - b); printf "%.0f", d < 0 ? -d : d }'
}

# planted FAMILY: rounding alone makes nothing of it, the default the same model as without factors
planted() {
	local code=0
	PICTURES=500 tests/models/measure "$1" "$out" planted-naive planted-default || code=$?
	[ $code -ne 77 ] || { echo "note: $1's planted variant is left out" && return; }
	[ $code -eq 0 ] || { echo "$1's planted variant could not be measured" && bad=1 && return; }
	at_most "$1 planted, naive top-1 of 500 pictures" "$(figure "$1.planted-naive" top1)" 0.5
	cmp "$out/$1.default.keel" "$out/$1.planted-default.keel" ||
		{ echo "$1: the default depends on what was planted" && bad=1; }
}

# judge FAMILY LOSS: points that the default may cost
judge() {
	local code=0
	[ -z "${KEEL_FAMILIES:-}" ] || [[ " $KEEL_FAMILIES " == *" $1 "* ]] || return 0
	tests/models/measure "$1" "$out" default || code=$?
	[ $code -ne 77 ] || exit 77
	[ $code -eq 0 ] || { echo "$1 could not be measured" && bad=1 && return; }
	at_most "$1 float, pictures more or less than in ONNX Runtime" "$(pictures "$1")" 3
	at_most "$1 loss of the default" "$(loss "$1")" "$2"
	planted "$1"
}

judge resnet18 0.25
judge resnet50 0.25
judge inception_v1 0.25
judge inception_v3 0.25
judge densenet121 0.25
judge mobilenet_v1 0.40
judge mobilenet_v2 0.40
judge mobilenet_v3 0.40
judge mobilefacenet 0.40
judge efficientnet 0.40
exit $bad
