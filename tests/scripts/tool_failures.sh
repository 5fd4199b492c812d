#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Things go wrong: no device, full disk, interrupts. What was promised is there whole or not at all.
. "$(dirname "$0")/rig"

model

# No device: 3. The ICD loader looks in this folder instead of the system's.
mkdir none
for sub in "run --input in.u8" bench verify "eval --data in.u8 --float net.onnx"; do
	set -- $sub
	fails 3 env OCL_ICD_VENDORS="$work/none" "$keel" "$1" net.keel --backend opencl "${@:2}"
	fails 3 env OCL_ICD_VENDORS="$work/none" "$keel" "$1" net.keel "${@:2}"
	has "no device" 'device|platform' err
	fails 3 "$keel" "$1" net.keel --backend drm "${@:2}"
	[ "$1" = bench ] && has "last line" '^FAILED$' out
done
fails 3 "$keel" verify net.keel --backend reference --against drm

# Outputs that can't be written, told before the work.
compile=("$keel" compile net.onnx --calibrate in.u8 --quiet)
fails 1 "${compile[@]}" -o missing/x.keel
has "the file's name" 'missing/x.keel' err
fails 1 "${compile[@]}" -o .
fails 1 "${compile[@]}" -o x.keel --json missing/x.json
fails 1 "${compile[@]}" -o x.keel --report in.u8/report
# Before the work: the sample of the wrong size is not complained about.
printf 'too short' >short.u8
for where in "--json missing/x.json" "--report missing/report" "-o missing/x.keel"; do
	# shellcheck disable=SC2086
	fails 1 "$keel" compile net.onnx --calibrate short.u8 $where
	has "the file's name" missing err
done
fails 1 "$keel" compile net.onnx --calibrate short.u8 -o x.keel --report report
has "the sample" short.u8 err
if [ "$(id -u)" -ne 0 ]; then
	mkdir locked && chmod 555 locked
	fails 1 "${compile[@]}" -o locked/x.keel
fi
fails 1 "${compile[@]}" -o /dev/full
fails 1 "${compile[@]}" -o x.keel --json /dev/full
fails 1 "$keel" run net.keel --backend reference --input in.u8 --output in.u8/folder

# What is read is never replaced, whatever it is called, nor are two outputs written into one.
spared() {
	cp "$1" before
	fails 1 "${@:2}"
	has "that it is read" 'is read here' err
	cmp -s "$1" before || bad "$1 was changed by ${*:2}"
	rm before
}
printf 'scale = 1\n' >net.preprocess
ln -s net.onnx link.onnx
ln net.onnx hard.onnx
for name in net.onnx ./net.onnx "$PWD/net.onnx" link.onnx hard.onnx; do
	spared net.onnx "${compile[@]}" -o "$name"
	spared net.onnx "${compile[@]}" -o x.keel --json "$name"
	spared net.onnx "$keel" compile net.onnx --check --json "$name"
done
spared in.u8 "${compile[@]}" -o in.u8
spared net.preprocess "${compile[@]}" -o net.preprocess
cp net.preprocess other.preprocess
spared other.preprocess "${compile[@]}" --preprocess other.preprocess -o other.preprocess
spared net.keel "$keel" inspect net.keel --dot net.keel
spared net.keel "$keel" inspect net.keel --qdq-onnx ./net.keel
for name in x.keel ./x.keel ../"${work##*/}"/x.keel; do
	fails 1 "${compile[@]}" -o x.keel --json "$name"
	has "two in one" 'two outputs' err
done
rm link.onnx hard.onnx net.preprocess other.preprocess

# Closed standard streams: an output file must not get their numbers.
ok "${compile[@]}" -o want.keel
"$keel" compile net.onnx --calibrate in.u8 -o have.keel <&- >&- 2>&-
is "exit code without standard streams" 1 $?
cmp want.keel have.keel || bad "closed standard streams change the model"
fails 1 bash -c 'exec "$@" >&-' - "$keel" inspect net.keel
rm -f want.keel have.keel

# A full disk: files may have one block.
"$odd_onnx" conv >big.onnx
fails 1 bash -c 'ulimit -f 1; exec "$@"' - "${compile[@]}" -o x.keel
has "full disk" 'nothing was left behind' err
cp net.keel before.keel
fails 1 bash -c 'ulimit -f 1; exec "$@"' - "${compile[@]}" -o net.keel
cmp -s net.keel before.keel || bad "a failed compile changed the old file"
head -c 784 "$odd_onnx" >pixels.u8
ok "$keel" compile "$models/fashion_mbv2s.onnx" --calibrate pixels.u8 --quiet -o fashion.keel
fails 1 bash -c 'ulimit -f 1; exec "$@"' - "$keel" inspect fashion.keel --dot x.dot

# The standard output is a file like others.
for sub in "inspect" "inspect --json" "inspect --disassemble" "bench --backend reference" \
	"bench --backend reference --json" "verify --backend reference" \
	"run --backend reference --input in.u8" "run --backend reference --input in.u8 --json" \
	"eval --backend reference --data in.u8 --float net.onnx"; do
	set -- $sub
	fails 1 bash -c 'exec "$@" >/dev/full' - "$keel" "$1" net.keel "${@:2}"
done
fails 1 bash -c 'exec "$@" >/dev/full' - "$keel" compile net.onnx --check
fails 1 bash -c 'exec "$@" >/dev/full' - "$keel" --help

# interrupted SIGNAL CODE: in the middle of the work
interrupted() {
	local before after=0.02 code
	before=$(find . | sort)
	# A signal may come before or after the work: try until it hits.
	for _ in $(seq 20); do
		timeout -s "$1" "$after" "${long[@]}" >out 2>err
		code=$?
		is "files after SIG$1" "$before" "$(find . -name rm-me.keel -prune -o -print | sort)"
		rm -f rm-me.keel
		[ -s err ] && break
		after=$(awk -v a="$after" 'BEGIN { print a * 1.5 }')
	done
	is "exit code after SIG$1" 124 $code
	is "sentence after SIG$1" "keel: interrupted" "$(cat err)"
}
if [ -r /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]; then
	long=("$keel" compile "$models/fashion_mbv2s.onnx" -o rm-me.keel --quiet --limit 30000
		--calibrate /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
		--preprocess "$models/preprocess/fashion_mbv2s.preprocess")
	for signal in INT TERM HUP; do
		interrupted $signal
	done
else
	echo "note: dataset-fashion-mnist isn't installed, interrupts are not tried"
fi

# A reader that goes away is no failure of ours to tell about.
"$keel" inspect net.keel --json 2>err | head -c 1 >/dev/null
is "standard error with a broken pipe" "" "$(cat err)"

# Wrong preprocessing
printf 'resize = sideways\n' >wrong.preprocess
fails 1 "${compile[@]}" -o x.keel --preprocess wrong.preprocess
has "line and key" 'wrong.preprocess:1' err
fails 1 "$keel" run net.keel --backend reference --input in.u8 --preprocess wrong.preprocess
fails 1 "${compile[@]}" -o x.keel --preprocess missing.preprocess
cp wrong.preprocess net.preprocess
fails 1 "${compile[@]}" -o x.keel
has "the file that was found" 'net.preprocess:1' err
rm net.preprocess

fails 1 "${compile[@]}" -o x.keel --target gigantic
has "target" 'gigantic' err
: >labels
fails 1 "$keel" eval net.keel --backend reference --data in.u8 --labels labels
fails 1 "$keel" eval net.keel --backend reference --data in.u8 --labels missing
"$odd_onnx" log >log.onnx
fails 1 "$keel" eval net.keel --backend reference --data in.u8 --float log.onnx
has "another network" 'log.onnx' err
finish
