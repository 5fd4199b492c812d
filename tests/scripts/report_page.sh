#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The report's page: well formed, one file that asks for nothing, the same without script, and a
# browser shows it. What only a browser can tell is left out where there is none.
. "$(dirname "$0")/rig"

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

page=$PWD/report/report.html
is "addresses of other files" "" "$(grep -oE '(src|href|url)[=(]"?[^#" )]*' "$page" |
	grep -vE '^href="(data:,)?$' | sort -u)"
if command -v xmllint >/dev/null; then
	is "xmllint" "" "$(xmllint --noout "$page" 2>&1)"
else
	echo "note: xmllint (libxml2-utils) isn't installed"
fi

browser=$(command -v chromium || true)
if [ -z "$browser" ]; then
	echo "note: chromium isn't installed, so no browser opened the page"
	finish
fi

# browse ARGUMENT ...: in a profile of its own; no host has an address
browse() {
	timeout 300 "$browser" --headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync \
		--disable-dev-shm-usage --host-resolver-rules="MAP * ~NOTFOUND" --hide-scrollbars --user-data-dir="$PWD/profile" "$@" 2>log
}

# requests FILE: what a page asks for; the browser has requests of its own, which are not for a file
requests() {
	browse --enable-logging=stderr --log-net-log="$PWD/net.json" --virtual-time-budget=2000 \
		--dump-dom "file://$1" >dom
	grep '"network_isolation_key":"file:' net.json | grep -o '"url":"[^"]*' | sort -u
}

echo '<!DOCTYPE html><img src="http://example.invalid/x.png">' >asks.html
is "requests of a page that asks for something" '"url":"http://example.invalid/x.png' \
	"$(requests "$PWD/asks.html")"
is "requests" "" "$(requests "$page")"
has "what the browser made of it" '</html>' dom
is "drawings in the browser" "$(grep -o '<svg' "$page" | wc -l)" "$(grep -o '<svg' dom | wc -l)"
has "tables can be sorted" '<button type="button">Isolated' dom
is "console" "" "$(grep -E 'CONSOLE' log)"

printf '<!DOCTYPE html><title>blank</title>' >blank.html
browse --window-size=1200,1200 --screenshot=blank.png "file://$PWD/blank.html" >/dev/null
for width in 1200 390; do
	browse --window-size=$width,1200 --screenshot=page.png "file://$page" >/dev/null
	is "screenshot of $width pixels shows something" yes \
		"$([ "$(wc -c <page.png)" -gt $((4 * $(wc -c <blank.png))) ] && echo yes)"
done
finish
