#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The report's page: well formed, one file that asks for nothing, the same without script, and a
# browser shows it. What only a browser can tell is left out where there is none.
. "$(dirname "$0")/rig"
. "$scripts/page_rig"

net=$models/fashion_mbv2s.onnx
mkdir samples
for i in 0 1 2 3 4 5 6 7; do
	tail -c +$((4096 + i * 100)) "$odd_onnx" | head -c 784 >samples/$i.u8
done
compile=("$keel" compile "$net" --calibrate samples --quiet --report report
	--preprocess "$models/preprocess/fashion_mbv2s.preprocess")

# The model doesn't depend on how closely it is looked at, figures don't depend on threads.
ok "${compile[@]}" -o none.keel --diagnose none --granularity per-tensor
has "page without diagnosis" '</html>' report/report.html
is "worst layer without diagnosis" 0 "$(grep -c 'Worst layer' report/report.html)"
for n in 1 2 3; do
	ok "${compile[@]}" -o sweep.keel --diagnose sweep --granularity per-tensor --threads $n
	is "model with a sweep" "" "$(cmp none.keel sweep.keel)"
	# What took how long is another matter.
	grep -vE '"(seconds|peak_rss_mib)"' report/report.json >$n.json
	grep -vE '^took ' report/report.txt >$n.txt
	sed '/Compilation/d' report/report.html >$n.html
done
is "JSON of other threads" "" "$(cmp 1.json 2.json; cmp 1.json 3.json)"
is "text of other threads" "" "$(cmp 1.txt 2.txt; cmp 1.txt 3.txt)"
is "page of other threads" "" "$(cmp 1.html 2.html; cmp 1.html 3.html)"
has "advice" '^Advice: ' report/report.txt
is "depth in the JSON" 1 "$(grep -c '"diagnose": "sweep"' 1.json)"
has "sweep" '^Samples to calibrate with' report/report.txt
fails 2 "$keel" compile "$net" --calibrate samples --diagnose sweep
fails 2 "${compile[@]}" --diagnose deeply

page_stands "$PWD/report/report.html" Isolated
finish
