#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel-fwsim and keel-fwimage as programs: usage, manual page, sockets, signals, images.
here=$PWD
. "$(dirname "$0")/rig"
sim=$(dirname "$keel")/keel-fwsim
image=$(dirname "$keel")/keel-fwimage

# usage WORD COMMAND ...
usage() {
	local word=$1
	shift
	fails 2 "$@"
	has "sentence of $*" "$word" err
}

# refuses WORD COMMAND ...
refuses() {
	local word=$1
	shift
	fails 1 "$@"
	has "sentence of $*" "$word" err
}

for program in "$sim" "$image"; do
	ok "$program" --help
	has "help" "^Usage: $(basename "$program") \[OPTION" out
	ok "$program" --version
	has "version" "^$(basename "$program") [0-9]" out
	usage "unrecognized option '--no-such'" "$program" --no-such
done
for program in "$sim" "$image"; do
	page=$here/docs/man/$(basename "$program").1
	"$program" --help | sed -n 's/^ \{2,6\}\(-., \)\?--\([a-z-]*\).*/\2/p' | sort >options
	sed -n '/^\.It Fl/s/.*Fl -\([a-z-]*\).*/\1/p' "$page" | sort >described
	is "options of $program and page" "" "$(diff options described)"
	has "page of $program" '^\.Sh EXIT STATUS' "$page"
done
sed -n 's/^	F([A-Z_]*, "\([a-z-]*\)".*/\1/p' "$here/firmware_sim/faults.h" | sort >faults
sed -n 's/^\.It Cm \([a-z-]*\)$/\1/p' "$here/docs/man/keel-fwsim.1" | sort >described
is "there are faults" 0 "$([ -s faults ]; echo $?)"
is "faults and page" "" "$(diff faults described)"
sed -n 's/^	D([A-Z_]*, "\([a-z-]*\)".*/\1/p' "$here/firmware_sim/image.h" | sort >defects
sed -n 's/^\.It Cm \([a-z-]*\)$/\1/p' "$here/docs/man/keel-fwimage.1" | sort >described
is "there are defects" 0 "$([ -s defects ]; echo $?)"
is "defects and page" "" "$(diff defects described)"

usage 'name one bus: --uml or --qemu' "$sim"
usage 'name one bus' "$sim" --uml a --qemu b --qtest c
usage '--qemu and --qtest go together' "$sim" --qemu a
usage '--qemu and --qtest go together' "$sim" --uml a --qtest b
usage '--evfd goes with --uml' "$sim" --qemu a --qtest b --evfd
usage "'b' is no option" "$sim" --uml a b
usage '--mmu takes a whole number from 0' "$sim" --uml a --mmu -1
usage '--threads takes a whole number from 1' "$sim" --uml a --threads 0
usage '--race takes a whole number' "$sim" --uml a --race x
usage 'name the file to write' "$image"
usage "name one file, not 'b' too" "$image" a b
usage '--defect takes one of none, magic' "$image" --defect no-such a

refuses 'huge' "$sim" --uml a --config huge
refuses "can't open the fault script" "$sim" --uml a --faults no-such
echo 'hang job=0' >bad.faults
refuses 'bad.faults:1: job takes' "$sim" --uml a --faults bad.faults
refuses "can't write the log" "$sim" --uml a --log no/such
refuses "can't listen at 'no/such'" "$sim" --uml no/such
refuses 'has 200 characters; 1 to 107' "$sim" --uml "$(printf 'x%.0s' {1..200})"
echo kept >file
refuses "'file' exists and is no socket" "$sim" --uml file
is "the file" kept "$(cat file)"

# start ARG ...: in the background, listening
start() {
	"$sim" "$@" 2>said &
	pid=$!
	for _ in {1..200}; do
		[ ! -S npu.sock ] || return
		sleep 0.05
	done
	bad "$* does not listen: $(cat said)"
}

# ended SIGNAL CODE
ended() {
	kill "-$1" $pid
	wait $pid 2>/dev/null
	is "exit code after $1" "$2" $?
	is "socket after $1" gone "$([ -e npu.sock ] && echo there || echo gone)"
	is "words after $1" "" "$(cat said)"
}

start --uml npu.sock --log log
refuses 'another process listens' "$sim" --uml npu.sock
has "log" "keel-fwsim .*: small on npu.sock" log
ended TERM 143
start --uml npu.sock --config large --mmu 4 --threads 2 --keep
ended HUP 129
start --qemu npu.sock --qtest qtest.sock
{ kill -KILL $pid && wait $pid; } 2>/dev/null
is "socket after KILL" there "$([ -S npu.sock ] && echo there)"
# A dead one is replaced.
mv npu.sock dead.sock
"$sim" --uml dead.sock --log log 2>said &
pid=$!
for _ in {1..200}; do
	! grep -q 'on dead.sock' log || break
	sleep 0.05
done
ended TERM 143
is "a dead socket that was replaced" gone "$([ -e dead.sock ] && echo there || echo gone)"

ok "$image" a.bin
ok "$image" b.bin
ok cmp a.bin b.bin
ok cmp a.bin "$(dirname "$keel")/firmware/keel/keel-fw.bin"
for defect in magic length truncated table checksum header-checksum hardware abi isa engine; do
	ok "$image" --defect $defect c.bin
	is "$defect differs" 1 "$(cmp -s a.bin c.bin; echo $?)"
done
refuses "can't write" "$image" no/such
[ ! -c /dev/full ] || refuses "can't write" "$image" /dev/full
[ ! -c /dev/full ] || is "/dev/full" there "$([ -c /dev/full ] && echo there)"
finish
