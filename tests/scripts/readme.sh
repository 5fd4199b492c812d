#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The program in README.md compiles and runs as shown.
here=$PWD
o=$(realpath "$(dirname "${KEEL:-build/keel}")")
. "$(dirname "$0")/rig"

sed -n '/^```c$/,/^```$/{/^```/d;p}' "$here/README.md" >classify.c
head -c 784 "$odd_onnx" >in.u8
ok "$keel" compile "$models/fashion_mbv2s.onnx" --calibrate in.u8 --quiet -o net.keel
ok cc -Wall -Wextra -Werror -Wno-unused-parameter -I"$here/userlib" classify.c -L"$o" -lkeel
ok env LD_LIBRARY_PATH="$o" ./a.out net.keel
has "its output" '^class 0: -?[0-9.]+$' out
env LD_LIBRARY_PATH="$o" ./a.out missing.keel 2>err
is "exit code without a model" 1 $?
env LD_LIBRARY_PATH="$o" ./a.out
is "exit code without an argument" 2 $?
has "its sentence" 'missing.keel' err
for file in $(grep -o '](\([^)]*\))' "$here/README.md" | tr -d ']()'); do
	is "file that README.md points at" "$here/$file" "$(ls -d "$here/$file" 2>&1)"
done
finish
