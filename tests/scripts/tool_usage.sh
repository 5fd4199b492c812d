#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Wrong usage: exit code 2 and one sentence, before anything is read or written.
. "$(dirname "$0")/rig"

subcommands="compile run eval bench verify inspect"

# usage WORD COMMAND ...: wrong usage, and the sentence has this word
usage() {
	local word=$1
	shift
	fails 2 "$keel" "$@"
	has "sentence of $*" "$word" err
}

usage 'name a command'
usage 'no command' no-such-command
usage 'no command' compil
for sub in $subcommands; do
	usage 'name the' "$sub"
	usage "unrecognized option '--no-such'" "$sub" --no-such
	usage 'one (model|network) at a time|put --input' "$sub" a b
	ok "$keel" "$sub" --help
	has "help of $sub" "^Usage: keel $sub" out
	ok "$keel" help "$sub"
	has "help of $sub" "^Usage: keel $sub" out
done

usage 'requires an argument' compile net.onnx --calibrate
usage 'calibrate DIR is needed' compile net.onnx
usage '--granularity takes one of per-tensor, per-channel' compile a --check --granularity channel
usage '--factorize takes one of' compile a --check --factorize three-step
usage '--ranges takes one of' compile a --check --ranges max
usage '--bias-correction takes one of' compile a --check --bias-correction yes
usage '--percentile takes a number above 50' compile a --check --percentile 12
usage '--percentile needs --ranges percentile' compile a --check --percentile 99
usage '--input-range needs --ranges batchnorm' compile a --check --input-range 0,1
for range in 1 1,0 1,1 0,1x 0,inf nan,1 0,1e39 ''; do
	usage '--input-range takes two numbers' compile a --ranges batchnorm --input-range "$range"
done
usage 'bias correction needs samples' compile a --ranges batchnorm
usage 'bias correction needs samples' compile a --ranges batchnorm --optimize 0 \
	--bias-correction iterative
usage 'bias correction needs samples' compile a --ranges batchnorm --bias-correction auto
usage '--swap needs --split' compile a --check --swap
usage '--threads takes a whole number' compile a --check --threads -1
usage '--threads takes a whole number' compile a --check --threads 1e3
usage '--limit takes a whole number' compile a --check --limit ''
usage '--seed takes a whole number' compile a --check --seed 99999999999999999999
usage "can't both go" compile a --check -o - --json -
usage '--rounding-seed needs --rounding stochastic' compile a --check --rounding-seed 1
usage '--rounding-seed takes a whole number' compile a --check --rounding-seed -1
usage '--rounding takes one of' compile a --check --rounding up
usage '--weight-scales takes one of' compile a --check --weight-scales min
usage '--max-int16 needs --int16 auto' compile a --check --max-int16 1
usage '--max-host needs --host auto' compile a --check --max-host 1
usage '--max-host needs --host auto' compile a --check --host b --max-host 1
usage '--max-host takes a whole number' compile a --check --host auto --max-host 65
usage '--budget needs --int16 auto or --host auto' compile a --check --budget 30
usage '--host needs none, auto, or names' compile a --check --host ,
usage 'nothing to judge bias correction by' compile a --check --no-measure
usage 'nothing to judge bias correction by' compile a --check --no-measure --bias-correction auto
for option in '--optimize 2' '--ranges auto' '--int16 auto' '--host auto'; do
	# shellcheck disable=SC2086
	usage '--no-measure leaves nothing to judge by' compile a --check --no-measure $option \
		--bias-correction none
done
usage '--report measures' compile a --check --no-measure --optimize 0 --report b
usage '--compress-weights takes one of' compile a --check --compress-weights yes
usage '--top takes a whole number' run a --input b --top 101
usage 'name the model and an input' run a
usage 'put --input in front' run a b
usage '--backend takes one of auto, drm, opencl, reference' run a --input b --backend gpu
usage 'shard' eval a --data b --labels c --shard 3/2
usage 'shard' eval a --data b --labels c --shard 1
usage 'shard' eval a --data b --labels c --shard 1/-2
usage 'shard' eval a --data b --labels c --shard 1/+2
usage 'shard' eval a --data b --labels c --shard '1/ 2'
usage 'only one of' inspect a --dot - --json
usage 'only one of' inspect a --dot - --qdq-onnx -
usage 'only one of' inspect a --qdq-onnx - --layers
usage "can't both write" inspect a --dot b --qdq-onnx b
usage 'no command .\?' $'\033[31m'
usage 'one model at a time, not also .\?' inspect a $'\033[31m'
usage '--swap needs --split' eval a --data b --labels c --swap
usage 'nothing to compare with' eval a --data b
usage 'name the model and data' eval a --labels b
usage '--iterations takes a whole number' bench a --iterations 0
usage '--duration takes a number above 0' bench a --duration 0
usage '--duration takes a number above 0' bench a --duration nan
usage 'json or --csv, not both' bench a --json --csv
usage '--against takes one of' verify a --against auto
usage '--qdq-activations takes one of' inspect a --qdq-activations float
usage 'needs --qdq-onnx' inspect a --qdq-activations int8
usage '--random takes a whole number' verify a --random 0

for option in --help -h help; do
	ok "$keel" $option
	for sub in $subcommands; do
		has "keel $option" "^  $sub " out
	done
done
ok "$keel" --version
has "version" '^keel [0-9]+\.[0-9]+\.[0-9]+$' out
finish
