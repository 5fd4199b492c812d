# SPDX-License-Identifier: GPL-2.0 OR MIT
# Prints the titles of what a guest kernel complained about, read from its console:
# awk -v allow=FILE -v tags="rig ..." -v module=keel -f reports.awk console.log
# Lines of the allow file: a tag, then a regular expression; other titles that an
# active tag's expression matches are the rig's own noise.
#
# Of a data race the title names only the two functions that touched the data. What belongs to the
# module may be touched by the kernel on its behalf, so the module's races are those that it is on a
# stack of; unless the kernel was at its own data there, which the tag "private" knows by functions.

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
		if (tag == "private")
			secret[++secrets] = "^(" line ")$"
		else if (tag in active)
			allowed[++count] = line
	}
}

function is_noise(title, i)
{
	for (i = 1; i <= count; i++)
		if (title ~ allowed[i])
			return 1
	return 0
}

function is_private(name, i)
{
	for (i = 1; i <= secrets; i++)
		if (name ~ secret[i])
			return 1
	return 0
}

function tell(title)
{
	if (!is_noise(title))
		print title
}

# Frames come innermost first; what the module was called by says nothing of the data.
function race_frame(name, ours)
{
	sub(/^ +/, "", name)
	sub(/\+0x.*/, "", name)
	if (ours && !hidden && ways !~ (" " name "( |$)"))
		ways = ways " " name
	if (ours || is_private(name))
		hidden = 1
}

function race_end()
{
	if (race != "" && ways != "")
		tell(index(race, "[" module "]") ? race : race " by way of" ways)
	race = ""
}

{
	sub(/\r$/, "")
	sub(/^\[[^]]*\] /, "")
}

/BUG: KCSAN: / {
	race_end()
	race = $0
	ways = ""
	next
}

race != "" && / bytes by .* on cpu [0-9]+:$/ { hidden = 0 }

race != "" && /^ [^ ]+\+0x[0-9a-f]+\/0x[0-9a-f]+/ { race_frame($0, index($0, "[" module "]")) }

race != "" && /^(Reported by Kernel Concurrency|=====)/ { race_end() }

$0 ~ start { tell($0) }

END { race_end() }
