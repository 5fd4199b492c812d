# SPDX-License-Identifier: GPL-2.0 OR MIT
# Prints the titles of what a guest kernel complained about, read from its console:
# awk -v allow=FILE -v tags="rig ..." -v module=keel -f reports.awk console.log
# Lines of the allow file: a tag, then a regular expression; other titles that an
# active tag's expression matches are the rig's own noise.

BEGIN {
	start = "WARNING: |BUG: |UBSAN: |Kernel panic|Oops|general protection|[Uu]nable to handle" \
		"|INFO: (task|rcu|trying)|DMA-API: debugging out of memory|kmemleak: .*disabled" \
		"|turning off the locking|Blocked re-entrant|ODEBUG: .*(out of memory|disabled)"
	n = split(tags, list, " ")
	for (i = 1; i <= n; i++)
		active[list[i]] = 1
	while ((getline line < allow) > 0) {
		if (line ~ /^(#|$)/)
			continue
		tag = line
		sub(/[ \t].*/, "", tag)
		sub(/^[^ \t]+[ \t]+/, "", line)
		if (tag in active)
			allowed[++count] = line
	}
}

function is_noise(title, i)
{
	# Races inside the kernel itself are not ours to judge.
	if (title ~ /BUG: KCSAN/ && index(title, "[" module "]") == 0)
		return 1
	for (i = 1; i <= count; i++)
		if (title ~ allowed[i])
			return 1
	return 0
}

$0 ~ start {
	sub(/\r$/, "")
	sub(/^\[[^]]*\] /, "")
	if (!is_noise($0))
		print
}
