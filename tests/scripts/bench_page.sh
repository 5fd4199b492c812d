#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel bench: its tables add up in every form, names from a file do no harm, and its page stands by
# itself.
. "$(dirname "$0")/rig"
. "$scripts/page_rig"

# json EXPRESSION: of what "out" holds, as $j
json() {
	perl -MJSON::PP -MList::Util=sum -0777 -e '
		my $j = decode_json(do { open my $f, "<", "out" or die; <$f> });
		print eval($ARGV[0]) // die $@;' "$1"
}

net=$models/fashion_mbv2s.onnx
ok "$keel" compile "$net" --ranges batchnorm --bias-correction none --quiet -o fashion.keel \
	--preprocess "$models/preprocess/fashion_mbv2s.preprocess"

# The sum is that of the layers, and of the kinds; what is known about a program doesn't change.
bench=("$keel" bench fashion.keel --iterations 3 --warmup 0)
for rows in layers kinds; do
	ok "${bench[@]}" --json
	for key in macs commands bytes_read bytes_written bytes_weights; do
		is "sum of $key of $rows" "$(json "\$j->{total}{$key}")" \
			"$(json "sum map { \$_->{$key} } @{\$j->{$rows}}")"
	done
	is "sum of times of $rows" 1 \
		"$(json "abs(\$j->{total}{ms} - sum map { \$_->{ms} } @{\$j->{$rows}}) < 1e-3 ? 1 : 0")"
done
is "what the fastest run took beyond them" 1 \
	"$(json 'abs($j->{latency_ms}{min} - $j->{total}{ms} - $j->{outside_ms}) < 1e-3 ? 1 : 0')"
is "peak" 1 "$(json '(grep { $j->{peak}{$_} > 0 } qw(gmacs_per_thread gmacs gbytes bytes_streamed)) == 4 ? 1 : 0')"
is "shares of the peak" 0 \
	"$(json 'scalar grep { abs($_->{peak_share} * $j->{peak}{gmacs} - $_->{gmacs}) > 1e-6 * $_->{gmacs} } @{$j->{layers}}')"
is "bounds" 0 "$(json 'scalar grep { $_->{bound} !~ /^(compute|memory|overhead)$/ } @{$j->{layers}}')"
layers=$(json 'scalar @{$j->{layers}}')
kinds=$(json 'scalar @{$j->{kinds}}')
macs=$(json '$j->{total}{macs}')
ok "$keel" inspect fashion.keel --json
has "MACs of the network" "\"macs\": $macs\b" out

ok "${bench[@]}" --csv
is "rows of CSV" "$((1 + layers + kinds + 1))" "$(wc -l <out)"
is "columns of CSV" 12 "$(awk -F, '{ print NF }' out | sort -u)"
is "kinds of rows" "$layers $kinds 1" "$(grep -c '^layer,' out) $(grep -c '^kind,' out) $(grep -c '^total,' out)"

ok "${bench[@]}"
has "peak in the text" '^peak  .* GMAC/s a thread, .*GB/s reading' out
has "kinds in the text" '^ .* CONV2D$' out
is "last line" PASSED "$(tail -n 1 out)"

# Plain C has no peak, and says nothing of it.
ok "${bench[@]}" --backend reference --json
is "peak of plain C" "" "$(grep -E 'peak|bound' out)"
is "layers of plain C" "$layers" "$(json 'scalar @{$j->{layers}}')"
ok "${bench[@]}" --backend reference --report reference.html
is "plots without a peak" 0 "$(grep -c '<title>Roofline' reference.html)"

# Hostile names: neither the terminal, nor a spreadsheet, nor a browser sees more than a text.
"$odd_onnx" names >names.onnx
printf abcd >four.u8
ok "$keel" compile names.onnx --calibrate four.u8 --quiet
for form in "" --csv --json; do
	# shellcheck disable=SC2086
	ok "$keel" bench names.keel --iterations 1 --backend reference --report names.html $form
	is "control characters with '$form'" 0 "$(tr -d '\n' <out | LC_ALL=C grep -c '[[:cntrl:]]')"
done
is "control characters in the page" 0 "$(tr -d '\n\t' <names.html | LC_ALL=C grep -c '[[:cntrl:]]')"

fails 2 "${bench[@]}" --csv --json
fails 1 "${bench[@]}" --csv --report no/such/folder/page.html
fails 1 "${bench[@]}" --csv --report fashion.keel

ok "${bench[@]}" --report page.html
is "rows of the page" "$layers" "$(grep -c '<tr id="layer-' page.html)"
is "circles lead to rows" "" "$(comm -13 <(grep -o '<tr id="layer-[0-9]*' page.html | grep -o '[0-9]*$' | sort) \
	<(grep -o 'href="#layer-[0-9]*' page.html | grep -o '[0-9]*$' | sort))"
page_stands "$PWD/page.html" GMAC/s
finish
