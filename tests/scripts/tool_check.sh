#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel compile --check: every node of the file has its verdict, and the counts add up.
shared=$(realpath "${KEEL_SHARED:-../shared}")
. "$(dirname "$0")/rig"

# adds_up WHAT: in "out", JSON of --check or of a compilation, the list and the counts agree
adds_up() {
	is "sum of $1" "fine" "$(perl -MJSON::PP -0777 -ne '
		my $j = decode_json($_);
		my (%count, $bad);
		$count{$_->{verdict}}++ for @{$j->{verdicts}};
		for (qw(npu host unsupported folded)) {
			$bad .= "$_ $j->{$_} " if $j->{$_} != ($count{$_} // 0);
		}
		for (@{$j->{verdicts}}) {
			$bad .= "$_->{node}: no reason " if $_->{verdict} ne "npu" && !length $_->{reason};
			$bad .= "$_->{node}: no step " if $_->{verdict} ne "folded" && !length $_->{step};
			$bad .= "$_->{node}: no help " if $_->{verdict} eq "unsupported" && !length $_->{suggestion};
		}
		$bad .= "nodes $j->{nodes}" if $j->{nodes} != @{$j->{verdicts}};
		print $bad // "fine"' out)"
}

# nodes FILE NUMBER
nodes() { has "number of nodes of $1" "^  \"nodes\": $2," out; }

# row FATE OPERATOR NAME REST: a line of the list
row() { has "$3" "^$1 +$2 +$3$4" out; }

"$odd_onnx" leftovers >net.onnx
small in
ok "$keel" compile net.onnx --check
row folded Constant c ': it is a constant$'
row folded Identity i ': it changes nothing'
row npu Conv conv '$'
row npu Relu relu ' \(done by conv\)$'
row folded Dropout drop ': it changes nothing'
row folded Shape shape ": its result doesn't depend on the input$"
row folded Reshape same ': it changes nothing'
row folded Sin unused ': no output of the network depends on it$'
row folded Transpose there ': simplification'
row folded Transpose back ': simplification'
row folded Exp e ": its result doesn't depend on the input$"
row npu Mul y '$'
is "sum" "12 nodes: 3 npu, 0 host, 0 unsupported, 9 folded" "$(tail -n 1 out)"
ok "$keel" compile net.onnx --check --json -
adds_up "what is left over"
nodes net.onnx 12
ok "$keel" compile net.onnx --calibrate in.u8 --json -
adds_up "a compiled network"
nodes net.onnx 12
ok "$keel" compile net.onnx --calibrate in.u8
has "summary" '^nodes +3 npu, 0 host, 9 folded$' out

ok "$keel" compile "$models/fashion_mbv2s.onnx" --check
row npu Conv '.*' '$'
row npu BatchNormalization '.*' ' \(done by .*\)$'
has "sum" '^[0-9]+ nodes: [0-9]+ npu, 0 host, 0 unsupported, [0-9]+ folded$' out
ok "$keel" compile "$models/fashion_mbv2s.onnx" --check --json -
adds_up "fashion_mbv2s"

# What no node of the file stands for is listed, too.
"$odd_onnx" copy >copy.onnx
ok "$keel" compile copy.onnx --check --json -
adds_up "a copy"
nodes copy.onnx 2

"$odd_onnx" log >log.onnx
ok "$keel" compile log.onnx --check
row host Log y ': .+'
ok "$keel" compile log.onnx --check --json -
adds_up "a host step"

# Nodes that the user wants there; in the middle nothing else is said about the round trip.
first=$("$keel" compile "$models/fashion_mbv2s.onnx" --check | awk '$2 == "Add" { sub(":", "", $3); print $3; exit }')
ok "$keel" compile "$models/fashion_mbv2s.onnx" --check --host "$first"
row host Add "$first" '.*chosen to run in float$'
ok "$keel" compile "$models/fashion_mbv2s.onnx" --check --host "$first" --json -
adds_up "a node in float"
fails 1 "$keel" compile "$models/fashion_mbv2s.onnx" --check --host nothing
has "name" "there is no node 'nothing'" err

"$odd_onnx" unknown >unknown.onnx
fails 1 "$keel" compile unknown.onnx --check
row unsupported Einsum '.*' 'not supported'

# limit FILE NODE VERDICT LIMIT: in "out"; "-" for none
limit() {
	is "limit of $1" "$3 $4" "$(perl -MJSON::PP -0777 -ne '
		my ($row) = grep { $_->{node} eq "'"$2"'" } @{decode_json($_)->{verdicts}};
		print "$row->{verdict} ", $row->{limit} // "-"' out)"
}
for case in "large-window pool unsupported 255" "large-batch y unsupported 1" \
	"large-extent y host 65535" "unknown y unsupported -" "log y host -" "conv y npu -"; do
	read -r kind node verdict limit <<<"$case"
	"$odd_onnx" "$kind" >limit.onnx
	"$keel" compile limit.onnx --check --json - >out 2>err
	limit "$kind" "$node" "$verdict" "$limit"
	# The number is the one in the sentence.
	[ "$limit" = - ] || has "reason of $kind" "\"reason\": .*$limit" out
done

"$odd_onnx" names >names.onnx
ok "$keel" compile names.onnx --check
is "escape characters" 0 "$(grep -c $'\033' out)"
ok "$keel" compile names.onnx --check --json -
adds_up "odd names"

# Every file of other people's networks that there is.
for net in "$shared"/models/*.onnx; do
	[ -e "$net" ] || break
	ok "$keel" compile "$net" --check --json -
	adds_up "$net"
done
finish
