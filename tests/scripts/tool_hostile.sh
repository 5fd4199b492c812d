#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Hostile and unfit inputs: one clear sentence, exit code 1, nothing left behind.
. "$(dirname "$0")/rig"

# refused KIND WORD: such an ONNX file is refused with a sentence that has this word
refused() {
	"$odd_onnx" "$1" >"$1.onnx"
	fails 1 "$keel" compile "$1.onnx" --calibrate in.u8 -o x.keel
	has "sentence about $1" "$2" err
	fails 1 "$keel" compile "$1.onnx" --check --quiet
	has "sentence about $1" "$2" err
}

model

# A limit turns a runaway allocation into a failure that can be seen. (Sanitizers need more.)
limit=unlimited
(ulimit -v 4000000 && "$keel" --version) >/dev/null 2>&1 && limit=4000000
ulimit -Sv $limit
refused nested 'nested too deeply.*limit is 32'
refused nested-types 'nested too deeply.*limit is 32'
refused truncated 'damaged at byte'
refused claim 'claims the shape 1024x1024x1024'
refused claim-length 'ends before the data that it announces'
refused claim-made 'more than 2147483647 elements'
refused claim-expanded 'more than 2147483647 elements'
refused claim-input 'more than 2147483647 elements'
refused nan 'not a number'
refused nan-bound 'no number lies between'
refused nan-maximum 'not a number'
refused inf 'infinite'
refused zero-input 'without elements'
refused zero-weight 'without elements'
refused zero-between 'without elements'
refused zero-output 'no elements'
"$odd_onnx" integers >integers.onnx
fails 1 "$keel" compile integers.onnx --calibrate in.u8
has "arithmetic on integers" '8-bit integers, which wrap around' err
fails 1 "$keel" compile integers.onnx --check
has "list of nodes" '^unsupported +Add .*8-bit integers' out
"$odd_onnx" unknown >unknown.onnx
fails 1 "$keel" compile unknown.onnx --calibrate in.u8
has "operator that is not known" 'Einsum.*not supported' err
fails 1 "$keel" compile unknown.onnx --check
has "list of nodes" '^unsupported +Einsum' out
"$odd_onnx" two-inputs >two.onnx
fails 1 "$keel" compile two.onnx --calibrate in.u8
has "two inputs" 'has 2 inputs' err
: >empty.onnx
fails 1 "$keel" compile empty.onnx --check
head -c 5000 /dev/zero >zeros.onnx
fails 1 "$keel" compile zeros.onnx --check
fails 1 "$keel" compile /dev/zero --check
fails 1 "$keel" compile . --check
fails 1 "$keel" compile missing.onnx --check
ulimit -Sv unlimited

# Every byte of a model file is either checked or can't do harm.
size=$(stat -c %s net.keel)
for at in 0 8 12 16 24 32 40 63 64 80 100 200 $((size / 2)) $((size - 1)); do
	cp net.keel bent.keel
	old=$(od -An -tu1 -j "$at" -N 1 bent.keel)
	printf "\\x$(printf %x $((old ^ 0x55)))" | dd of=bent.keel bs=1 seek="$at" conv=notrunc status=none
	fails 1 "$keel" inspect bent.keel
	fails 1 "$keel" run bent.keel --backend reference --input in.u8
done
for n in 0 1 63 64 500 $((size - 1)); do
	head -c "$n" net.keel >short.keel
	fails 1 "$keel" inspect short.keel
	fails 1 "$keel" verify short.keel --backend reference
done
cat net.keel - >long.keel <<<"more"
fails 1 "$keel" bench long.keel --backend reference
fails 1 "$keel" inspect net.onnx
has "what it is not" 'not a .keel model' err
fails 1 "$keel" inspect /dev/null
fails 1 "$keel" inspect .
fails 1 "$keel" run missing.keel --backend reference --input in.u8

# Inputs
fails 1 "$keel" run net.keel --backend reference --input missing.png
head -c 100 in.u8 >short.u8
fails 1 "$keel" run net.keel --backend reference --input short.u8
has "size" 'has 100 bytes' err
printf '\x89PNG\r\n\x1a\n' >broken.png
fails 1 "$keel" run net.keel --backend reference --input broken.png
mkdir -p empty
fails 1 "$keel" run net.keel --backend reference --input empty
has "empty folder" 'no picture or tensor' err
fails 1 "$keel" compile net.onnx --calibrate missing-folder -o x.keel
has "missing folder" 'missing-folder' err
fails 1 "$keel" compile net.onnx --calibrate empty -o x.keel

# Names from files reach neither the terminal nor other folders as they are.
"$odd_onnx" names >names.onnx
head -c 4 /dev/zero >four.u8
ok "$keel" compile names.onnx --calibrate four.u8 --quiet
ok "$keel" inspect names.keel
is "escape characters in the text" 0 "$(grep -c $'\033' out)"
ok "$keel" inspect names.keel --json
has "name in JSON" 'u001[bB]\[31m' out
mkdir -p sub
ok "$keel" run names.keel --backend reference --input four.u8 --output sub/deep
is "files outside" "" "$(find . -name '*.npy' ! -path './sub/deep/*')"
is "files inside" 1 "$(find sub/deep -name '*.npy' | wc -l)"
finish
