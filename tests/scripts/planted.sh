#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# A network with planted factors computes what it computed without them: a quantized network is
# compared with either as float network, and all figures are the same to the last digit.
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

for network in "$models"/fashion_*.onnx; do
	family=$(basename "$network" .onnx)
	family=${family#fashion_}
	code=0
	planted=$("$models/planted" "$family" 2>"$out/why") || code=$?
	[ $code -eq 0 ] || { cat "$out/why" && exit $code; }
	"$keel" compile "$network" --quiet -o "$out/$family.keel" --limit 2 --calibrate "$data" \
		--preprocess "$models/preprocess/fashion_$family.preprocess" \
		--granularity per-channel --factorize none --bias-correction none
	against "$family" "$network" >"$out/a.json"
	against "$family" "$planted" >"$out/b.json"
	grep -q '"sqnr_db": [0-9]' "$out/a.json" || { echo "$family: no figures" && bad=1; }
	cmp "$network" "$planted" >/dev/null && echo "$family: nothing was planted" && bad=1
	diff "$out/a.json" "$out/b.json" || { echo "$family: planting has changed the network" && bad=1; }
done
exit $bad
