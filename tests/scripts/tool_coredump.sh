#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel coredump: what it says of a sound dump, and what of everything else.
odd_core=$(realpath "${KEEL_ODD_CORE:-build/tests/scripts/odd_core}")
. "$(dirname "$0")/rig"

"$odd_core" core
model

ok "$keel" coredump core
has "the reason" 'a job hung' out
has "the process" 'process [0-9]+\)' out
has "the bad command" '^-> +[0-9]+' out
ok "$keel" coredump --all core
has "registers" '0x000 +[0-9a-f]{8} +ID$' out
ok "$keel" coredump --json core
has "JSON" '"reason": "a job hung"' out

# A process may be called anything, and a dump come from anywhere: the terminal isn't told what to do.
ok "$keel" coredump --all core
lines=$(wc -l <out)
"$odd_core" rude $'a\e[2J\nb'
ok "$keel" coredump --all rude
is "lines although names have some" "$lines" "$(wc -l <out)"
is "control characters" 0 "$(tr -d '\n' <out | tr -cd '[:cntrl:]' | wc -c)"
has "the name, all the same" '\(a\?\[2J\?b, process' out

head -c 200 core >short
fails 1 "$keel" coredump short
has "what to do" 'copied completely' err
{ head -c 300 core; printf x; tail -c +302 core; } >flipped
fails 1 "$keel" coredump flipped
has "what is wrong" 'checksum|damaged' err
: >empty
fails 1 "$keel" coredump empty
fails 1 "$keel" coredump net.keel
has "what it isn't" 'not a Keel coredump' err
fails 1 "$keel" coredump missing
fails 1 "$keel" coredump .
fails 1 "$keel" coredump core --model net.keel
has "which model" 'is not what was running' err
fails 2 "$keel" coredump
fails 2 "$keel" coredump core core
fails 1 "$keel" coredump /dev/zero
has "a limit" 'more than 64 MiB' err
finish
