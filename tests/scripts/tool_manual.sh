#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Every option that --help names is in the manual page, and the other way round; pages are sound.
here=$PWD
. "$(dirname "$0")/rig"

for sub in compile run eval bench verify inspect top doctor coredump; do
	page=$here/docs/man/keel-$sub.1
	ok "$keel" "$sub" --help
	sed -n 's/^ \{2,6\}\(-., \)\?--\([a-z-]*\).*/\2/p' out | sort >options
	sed -n '/^\.It Fl/s/.*Fl -\([a-z-]*\).*/\1/p' "$page" | sort >described
	is "options of $sub and of its page" "" "$(diff options described)"
	has "keel(1) about $sub" "Xr keel-$sub 1" "$here/docs/man/keel.1"
	has "page of $sub" '^\.Sh EXIT STATUS' "$page"
done
if command -v mandoc >/dev/null; then
	is "mandoc" "" "$(mandoc -Tlint -W warning "$here"/docs/man/*.[15])"
fi
finish
