#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# A network with planted factors computes what it computed without them: a quantized network is
# compared with either as float network, and all figures are the same to the last digit. And what
# factorization makes of either is one model file.
set -eu

keel=${KEEL:-build/keel}
data=/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
models=tests/models
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
bad=0

[ -r "$data" ] || { echo "dataset-fashion-mnist isn't installed" && exit 77; }

# against FAMILY FLOAT
against() {
	"$keel" eval "$out/$1.keel" --data "$data" --limit 64 --json --backend opencl --float "$2" \
		--preprocess "$models/preprocess/fashion_$1.preprocess"
}

# compile FAMILY NETWORK FILE OPTION ...
compile() {
	"$keel" compile "$2" --quiet -o "$out/$3.keel" --limit 2 --calibrate "$data" \
		--preprocess "$models/preprocess/fashion_$1.preprocess" --bias-correction none "${@:4}"
}

# same_model FAMILY NETWORK PLANTED HOW
same_model() {
	compile "$1" "$2" plain --granularity per-tensor --factorize "$4"
	compile "$1" "$3" planted --granularity per-tensor --factorize "$4"
	cmp "$out/plain.keel" "$out/planted.keel" || { echo "$1: $4 depends on what was planted" && bad=1; }
}

for network in "$models"/fashion_*.onnx; do
	family=$(basename "$network" .onnx)
	family=${family#fashion_}
	code=0
	planted=$("$models/planted" "$family" 2>"$out/why") || code=$?
	[ $code -eq 0 ] || { cat "$out/why" && exit $code; }
	compile "$family" "$network" "$family" --granularity per-channel --factorize none
	against "$family" "$network" >"$out/a.json"
	against "$family" "$planted" >"$out/b.json"
	grep -q '"sqnr_db": [0-9]' "$out/a.json" || { echo "$family: no figures" && bad=1; }
	cmp "$network" "$planted" >/dev/null && echo "$family: nothing was planted" && bad=1
	diff "$out/a.json" "$out/b.json" || { echo "$family: planting has changed the network" && bad=1; }
	for how in two-step least-noise; do
		same_model "$family" "$network" "$planted" $how
	done
done
exit $bad
