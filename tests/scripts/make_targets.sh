#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Targets of the Makefile that check something themselves: generated pages are up to date, and
# the installed library works from outside.
set -u
o=$(dirname "${KEEL:-build/keel}")
bad=0
unset MAKEFLAGS MFLAGS MAKELEVEL
for target in docs-check check-libkeel; do
	make --no-print-directory -s O="$o" $target || bad=1
done
exit $bad
