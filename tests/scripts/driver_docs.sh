#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# docs/driver.md against the driver: its messages, its files in debugfs, its tracepoints, the
# device tree of the binding. Neither may have what the other hasn't.
here=$PWD
. "$(dirname "$0")/rig"
page=$here/docs/driver.md

# Every message of the sources, "..." for what differs.
perl -0777 -ne '
	while (/\b(?:dev|drm|pr|pci)_(?:emerg|alert|crit|err|warn|notice|info)\w*\s*\([^;"]*((?:"(?:[^"\\]|\\.)*"\s*)+)/g) {
		my $text = $1;
		$text =~ s/"\s*"//g;
		$text =~ s/^"|"\s*$//g;
		$text =~ s/\\n$//;
		$text =~ s/\\"/"/g;
		$text =~ s/%[-#0-9.l]*[a-z]+/.../g;
		print "$text\n";
	}' "$here"/driver/*.[ch] | sort -u >messages
# What stands between backquotes in the first column under "Messages".
sed -n '/^## Messages/,/^## Symptoms/p' "$page" | sed -n 's/^| \(`[^|]*\) |.*/\1/p' |
	grep -o '`[^`]*`' | tr -d '`' >rows
is "there are messages and rows" yes "$([ -s messages ] && [ -s rows ] && echo yes)"

# Both ways: a row is the beginning of a message; a number may stand for what differs.
unmatched() {
	perl -e '
		my ($what, @names) = @ARGV;
		my @lists = map { open my $f, "<", $_ or die; chomp(my @l = <$f>); \@l } @names;
		my ($messages, $rows) = @lists;
		sub fits {
			my ($row, $message) = @_;
			my $re = join ".*", map { quotemeta } split /(?:\.\.\.)+|(?<=\()-\d+(?=\))/, $row, -1;
			return $message =~ /^$re/;
		}
		for my $m ($what eq "messages" ? @$messages : ()) {
			print "$m\n" if !grep { fits($_, $m) } @$rows;
		}
		for my $r ($what eq "rows" ? @$rows : ()) {
			print "$r\n" if !grep { fits($r, $_) } @$messages;
		}' "$1" messages rows
}
is "messages without a row" "" "$(unmatched messages)"
is "rows without a message" "" "$(unmatched rows)"
# A row that fits everything would make the test blind.
is "rows without words" "" "$(grep -vE '[a-z]{4}' rows)"

# table NAME: first column of the table with this head
table() { sed -n "/^| $1 |/,/^\$/p" "$page" | sed -n 's/^| `\([^`]*\)`.*/\1/p'; }
{
	sed -n 's/^\t{ "\([a-z_]*\)", [a-z_]*, 0 },$/\1/p; s/.*debugfs_create_[a-z0-9]*("\([a-z_]*\)".*/\1/p' "$here"/driver/keel_debugfs*.c
	sed -n 's|.*debugfs_create_dir("\([a-z_]*\)".*|\1/|p' "$here"/driver/keel_fault.c
} | sort -u >files
table file | sort >described
is "files in debugfs" "" "$(diff files described)"
sed -n 's/.*{ "\([a-z_]*\)", FAULT_ATTR_INITIALIZER.*/\1/p' "$here/driver/keel_fault.c" >faults
while read -r fault; do
	has "fault $fault" "^\| \`fault_inject/\`.*\`$fault\`" "$page"
done <faults
sed -n 's/^\(TRACE_EVENT\|DEFINE_EVENT\)(\(keel_begin, \|keel_end, \)\?\(keel_[a-z_]*\).*/\3/p' "$here/driver/keel_trace.h" >events
is "there are tracepoints" yes "$([ -s events ] && echo yes)"
while read -r event; do
	case $event in
	*_start | *_done) ! grep -q "\`${event%_*}_\`" "$page" || continue ;;
	esac
	has "tracepoint $event" "\`$event\`" "$page"
done <events

# node FILE: the first npu@ node, without its indentation
node() { sed -n '/^[ \t]*npu@fde40000/,/^\(    \|\t\)};/p' "$1" | sed 's/^[ \t]*//'; }
node "$here/driver/bindings/keel,npu.yaml" >example
is "there is an example" yes "$([ -s example ] && echo yes)"
is "example of the binding and of the page" "" "$(diff example <(node "$page"))"
sed -n '/^properties:/,/^required:/s/^  "\?\(#\?[a-z0-9-]*\)"\?:.*/\1/p' "$here/driver/bindings/keel,npu.yaml" >properties
while read -r property; do
	[ "$property" = opp-table ] || has "property $property" "\`$property\`" "$here/docs/porting.md"
done <properties
finish
