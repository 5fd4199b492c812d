#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What the tool says when all goes well: keys that scripts rely on, the same answer however an
# input is stored, the same bytes however many threads work.
. "$(dirname "$0")/rig"

# keys PATH ...: "out" is JSON and has these; a number in a path is an index
keys() {
	local lacks
	checks=$((checks + 1))
	lacks=$(perl -MJSON::PP -0777 -e '
		my $json = decode_json(do { open my $f, "<", "out" or die; <$f> });
		PATH: for my $path (@ARGV) {
			my $at = $json;
			for my $key (split /\./, $path) {
				my $there = ref $at eq "ARRAY" ? $key < @$at : ref $at && exists $at->{$key};
				$there or print("$path ") and next PATH;
				$at = ref $at eq "ARRAY" ? $at->[$key] : $at->{$key};
			}
		}' "$@" 2>&1)
	[ -z "$lacks" ] || bad "JSON lacks $lacks"
}

# Noise of 28x28 in every form; sample N begins N bytes further on.
noise() { tail -c +$((4096 + $1 * 100)) "$odd_onnx" | head -c 784; }
net=$models/fashion_mbv2s.onnx
cp "$models/preprocess/fashion_mbv2s.preprocess" .
mkdir samples
for i in 0 1 2 3 4 5 6 7; do
	noise $i >samples/$i.u8
done

# Bytes don't depend on threads, nor on paths or names.
compile=("$keel" compile "$net" --calibrate samples --calibrate "$models/pictures" --quiet
	--preprocess fashion_mbv2s.preprocess)
for options in "--granularity per-tensor" "--granularity per-channel --ranges percentile" \
	"--granularity per-tensor --ranges mse --factorize one-step --bias-correction none" \
	"--granularity per-tensor --optimize 3" "--ranges auto" \
	"--granularity per-tensor --ranges batchnorm" \
	"--rounding compensated --weight-scales mse --compress-weights always" \
	"--rounding stochastic --rounding-seed 7 --power-of-two"; do
	for n in 1 2 3; do
		# shellcheck disable=SC2086
		ok "${compile[@]}" $options --threads $n -o $n.keel
	done
	is "models with $options" "" "$(cmp 1.keel 2.keel; cmp 1.keel 3.keel)"
done
# What isn't measured is the same network.
for bias in none iterative; do
	ok "${compile[@]}" --bias-correction $bias -o 1.keel
	ok "${compile[@]}" --bias-correction $bias -o 2.keel --no-measure --json out
	is "models that aren't measured, bias correction $bias" "" "$(cmp 1.keel 2.keel)"
	has "figures that weren't measured" '"sqnr_db": null' out
done
# Without samples the network says what it knows.
free=("$keel" compile "$net" --ranges batchnorm --bias-correction none --quiet
	--preprocess fashion_mbv2s.preprocess)
ok "${free[@]}" -o 1.keel --json out
keys tensors.0.range note
ok "${free[@]}" -o 2.keel --threads 1 --input-range -1,1
ok "$keel" verify 2.keel
ok "${free[@]}" -o 3.keel --calibrate samples
ok "${free[@]}" -o 2.keel --input-range -1e-3,5
is "networks of another input range" differ "$(cmp -s 1.keel 2.keel || echo differ)"
ok "${free[@]}" -o 2.keel --bias-correction analytic --json out
keys bias_correction.told dead_channels.channels
is "networks with biases corrected without samples" differ "$(cmp -s 1.keel 2.keel || echo differ)"
ok "${free[@]}" -o 2.keel --absorb-bias batchnorm

ok "${compile[@]}" -o 1.keel --json out --ranges auto
keys range_trial.kept range_trial.gain tensors.0.range tensors.0.why tensors.0.minmax_error

cp "$net" renamed.onnx
ok "$keel" compile renamed.onnx --quiet -o 1.keel --calibrate samples --calibrate "$models/pictures" \
	--preprocess fashion_mbv2s.preprocess
ok "${compile[@]}" -o fashion.keel
is "models of the same network with another name" "" "$(cmp 1.keel fashion.keel)"

ok "${compile[@]}" -o 1.keel --json out --optimize 2
keys optimize tried.0.option tried.0.before_db tried.0.after_db tried.0.kept
ok "${compile[@]}" -o 1.keel --json figures.json --report report
cp figures.json out
figures="nodes npu host unsupported folded macs seconds peak_rss_mib"
# shellcheck disable=SC2086
keys $figures dead_channels.channels absorbed.layers predicted_db factorization.layers bias_correction.channels tensors.0.scale options.granularity \
	options.rounding options.rounding_seed options.weight_scales options.power_of_two \
	options.compress_weights weights.0.node weights.0.bits_per_weight weights.0.encoded_bytes
cp report/report.json out
# shellcheck disable=SC2086
keys $figures
has "text report" '^Tensors: range' report/report.txt
has "text report" '^Weights: ' report/report.txt

top() { sed -n 's/.*"score": //p' | head -n 5 | tr '\n' ' '; }

# Coded weights mean the same; so does what is exported.
ok "${compile[@]}" -o coded.keel --compress-weights always
ok "$keel" verify coded.keel
for net_file in fashion coded; do
	ok "$keel" run $net_file.keel --input samples/0.u8 --json
	cp out $net_file.scores
	ok "$keel" inspect $net_file.keel --qdq-onnx $net_file.onnx
done
is "scores with coded weights" "$(top <fashion.scores)" "$(top <coded.scores)"
is "exports with coded weights" "" "$(cmp fashion.onnx coded.onnx)"

ok "${compile[@]}" -o 1.keel --json -
# shellcheck disable=SC2086
keys $figures
ok "$keel" compile "$net" --check --json -
# shellcheck disable=SC2086
keys $figures verdicts.0.node verdicts.0.op verdicts.0.verdict verdicts.0.reason \
	verdicts.0.suggestion verdicts.0.step

# The same answer for the same pixels.
noise 0 >pixels
{ printf 'P5 28 28 255\n' && cat pixels; } >p.pgm
{ printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (28, 28), }" &&
	cat pixels; } >n.npy
{ printf '\10\1\10\1\10\34\10\34\20\2\112\220\6' && cat pixels; } >t.pb
{ printf '\0\0\10\3\0\0\0\2\0\0\0\34\0\0\0\34' && cat pixels && noise 1; } >i.idx
cp pixels r.u8
ok "$keel" run fashion.keel --input p.pgm --json
keys outputs.0.name outputs.0.shape.0 outputs.0.top.0.index outputs.0.top.0.label \
	outputs.0.top.0.score outputs.0.top.4 ms input backend
wanted=$(top <out)
for file in n.npy t.pb i.idx r.u8; do
	ok "$keel" run fashion.keel --input $file --json
	is "scores of $file" "$wanted" "$(top <out)"
done
ok "$keel" run fashion.keel --input p.pgm n.npy t.pb i.idx samples --json
keys runs.12.outputs.0.top.0.score runs.12.ms
ok "$keel" run fashion.keel --top 3 --input p.pgm n.npy
is "lines" 11 "$(wc -l <out)"
has "label" '#[0-9]+ +(T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot)$' out

for name in ankle-boot:9 coat:4 pullover:2 sandal:5 trouser:1; do
	ok "$keel" run fashion.keel --top 1 --input "$models/pictures/${name%:*}.png"
	has "class of ${name%:*}" "#${name#*:} " out
done

# What --output writes can be read: outputs of a network that keeps its input's shape.
"$odd_onnx" log >log.onnx
printf '\1\2\3\4' >four.u8
"$odd_onnx" names >relu.onnx
ok "$keel" compile relu.onnx --calibrate four.u8 --quiet
ok "$keel" run relu.keel --input four.u8 --output first --json
wanted=$(top <out)
ok "$keel" run relu.keel --input first --output second --json
is "scores of what was written" "$wanted" "$(top <out)"
is "files" 1 "$(find second -name '*.npy' | wc -l)"
is "magic" "$(printf '\223NUMPY')" "$(head -c 6 second/*.npy)"

# Infinity has no place in JSON.
ok "$keel" compile log.onnx --calibrate four.u8 --quiet
head -c 4 /dev/zero >zeros.u8
ok "$keel" run log.keel --input zeros.u8 --json
keys outputs.0.top.0.score

# A timeline has a row for each engine, and every command of every sample once.
ok "$keel" run fashion.keel --input p.pgm n.npy --profile trace.json
mv trace.json out
keys displayTimeUnit traceEvents.0.args.name
commands=$("$keel" inspect fashion.keel --json | perl -MJSON::PP -0777 -ne 'print decode_json($_)->{commands}')
is "rows and events" "6 $((2 * commands))" "$(perl -MJSON::PP -0777 -e '
	my $t = decode_json(do { open my $f, "<", "out"; <$f> })->{traceEvents};
	my $events = grep { $_->{ph} eq "X" && exists $_->{args}{opcode} && $_->{dur} >= 0 && $_->{ts} >= 0 } @$t;
	print scalar(grep { $_->{name} eq "thread_name" } @$t), " $events"')"

ok "$keel" verify fashion.keel --backend opencl --against reference --input samples --json
keys equal tensors first_difference
has "verify" '"equal": true' out
ok "$keel" verify fashion.keel --backend opencl --exact --random 2
has "verify" '^equal: [0-9]+ tensors, opencl and reference' out
ok "$keel" bench fashion.keel --iterations 3 --warmup 0 --json
keys backend device threads latency_ms.min latency_ms.mean latency_ms.median latency_ms.p90 \
	latency_ms.p95 latency_ms.p99 latency_ms.max throughput layers.0.name layers.0.op \
	layers.0.ms layers.0.gmacs
ok "$keel" bench fashion.keel --duration 0.05
is "last line of bench" PASSED "$(tail -n 1 out)"
printf '0\n1\n2\n3\n4\n5\n6\n7\n' >labels
ok "$keel" eval fashion.keel --data samples --labels labels --float "$net" --json
keys images top1 top5 agreement sqnr_db outputs.0.sqnr_db float_top1 float_top5
cp out one
ok "$keel" eval fashion.keel --data samples --labels labels --float "$net" --json --threads 1
is "eval with one thread" "" "$(diff one out)"
ok "$keel" eval fashion.keel --data samples --labels labels --json --shard 1/2
keys images top1 top5
has "shard" '"images": 4' out
# Labels may be one of two IDX files, and may begin with a byte order mark.
{ printf '\0\0\10\1\0\0\0\2\1\2'; } >labels.idx
ok "$keel" eval fashion.keel --data i.idx --labels labels.idx
cp out one
ok "$keel" eval fashion.keel --data i.idx --data labels.idx
is "eval with labels among the data" "" "$(diff one out)"
{ printf '\0\0\10\1\0\0\0\2\1\12'; } >beyond.idx
for how in --data --labels; do
	fails 1 "$keel" eval fashion.keel --data i.idx $how beyond.idx
	has "the label" 'label 10 is|label 1 is' err
done
fails 1 "$keel" eval fashion.keel --data i.idx --data r.u8
has "nothing to compare with" 'nothing to compare' err
printf '\357\273\277p.pgm,2\r\n' >labels.csv
ok "$keel" eval fashion.keel --data p.pgm --labels labels.csv
has "labelled" '1 labelled' out
printf '\357\273\277scale = 1/255\nlabels = names\n' >bom.preprocess
printf '\357\273\277zero\none\n' >names
for i in 2 3 4 5 6 7 8 9; do echo $i; done >>names
ok "$keel" run fashion.keel --input p.pgm --preprocess bom.preprocess --top 10
has "class name behind a byte order mark" '#0 +zero$' out

# Nothing is known about noise when the float network gives NaN.
{ printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (28, 28), }" &&
	for _ in $(seq 784); do printf '\0\0\300\177'; done; } >nan.npy
ok "$keel" eval fashion.keel --data nan.npy --float "$net" --json
has "SQNR of NaN" '"sqnr_db": null' out
ok "$keel" eval fashion.keel --data nan.npy --float "$net"
has "SQNR of NaN" '^SQNR +none: NaN' out

# Links that lead nowhere are no inputs, like other files.
mkdir links
ln -s nowhere links/a.png
ln -s ../p.pgm links/b.pgm
"$keel" run fashion.keel --input links >out 2>err
is "exit code with a broken link" 0 $?
has "broken link" '1 of 2 files is no input and was skipped \(a.png\)' err

# Any number of threads, more than there are cores among them; and a home that can't be written to.
ok "$keel" run fashion.keel --input p.pgm --json
wanted=$(top <out)
for n in 0 1 3 40; do
	ok "$keel" run fashion.keel --input p.pgm --threads $n --json
	is "scores with $n threads" "$wanted" "$(top <out)"
done
for home in /dev/null /nowhere/at/all ""; do
	ok env -u XDG_CACHE_HOME -u POCL_CACHE_DIR HOME=$home TMPDIR="$work" \
		"$keel" run fashion.keel --input p.pgm --backend opencl --json
	is "scores with the home '$home'" "$wanted" "$(top <out)"
done
ok "$keel" compile "$net" --calibrate samples --quiet --preprocess fashion_mbv2s.preprocess \
	-o float.keel --host auto --max-host 2 --json float.json
cp float.json out
keys options.host.mode options.host.most options.host.budget_db options.host.names host_float.nodes \
	host_float.tried host_float.round_trips
ok "$keel" inspect float.keel
has "options in the file" '"host":\{"budget_db":0.0,"mode":"auto","most":2,"names":\[\]\}' out
has "round trips" '^work .* [1-9][0-9]* host steps, [0-9]+ round trips$' out
ok "$keel" inspect float.keel --json
keys round_trips host_steps
ok "$keel" verify float.keel --backend opencl --against reference --random 1

ok "$keel" inspect fashion.keel --json --disassemble
keys target inputs.0.scale outputs.0.name commands macs layers.0.cycles disassembly.0 \
	options.granularity
ok "$keel" inspect fashion.keel --layers
has "layers" 'Gemm' out
ok "$keel" inspect fashion.keel --disassemble
has "commands" 'CONV2D|conv2d' out
ok "$keel" inspect fashion.keel --dot -
has "graph" '^digraph' out
finish
