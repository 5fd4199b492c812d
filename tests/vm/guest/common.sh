# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What a suite may use inside the guest; tests/vm/README.md describes it.

ktap_count=0

# ktap_result ok|"not ok" NAME: one result line
ktap_result() {
	ktap_count=$((ktap_count + 1))
	echo "$1 $ktap_count ${*:2}"
}

# The plan, after the results; starts counting again.
ktap_finish() {
	[ $ktap_count -eq 0 ] || echo "1..$ktap_count"
	ktap_count=0
}

# note TEXT: shown to whoever runs the suite, for figures
note() { echo "# note: $*"; }

skip() { ktap_result ok "$1 # SKIP ${*:2}"; }

# check NAME COMMAND ...: the command must succeed; its output goes before the result.
check() {
	local name=$1 code
	shift
	"$@" > >(sed 's/^/# /') 2>&1
	code=$?
	wait $!
	if [ $code -eq 0 ]; then
		ktap_result ok "$name"
	elif [ $code -eq 77 ]; then
		skip "$name" "said so"
	else
		ktap_result "not ok" "$name (exit $code)"
	fi
	return $code
}

# refuse NAME COMMAND ...: the command must fail, and not by a signal.
refuse() {
	local name=$1 code
	shift
	"$@" > >(sed 's/^/# /') 2>&1
	code=$?
	wait $!
	if [ $code -ne 0 ] && [ $code -lt 128 ]; then
		ktap_result ok "$name"
	else
		ktap_result "not ok" "$name (exit $code)"
	fi
}

# ktap_program COMMAND ...: a program that prints results and a plan itself
ktap_program() {
	local code
	"$@"
	code=$?
	[ $code -eq 0 ] || ktap_result "not ok" "$(basename "$1") (exit $code)"
	return $code
}

# wait_for SECONDS COMMAND ...: until the command succeeds. SECONDS are an idle machine's; on a
# busy one, and in emulated guests, it may take many times as long.
wait_for() {
	local end=$((SECONDS + 10 * $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# keel_node: the device file
keel_node() { find /dev/accel -type c 2>/dev/null | sort | sed -n '1p' | grep .; }

# keel_debugfs: the device's folder in debugfs
keel_debugfs() { echo "/sys/kernel/debug/accel/$(basename "$(readlink -f "$(keel_sysfs)")")"; }

# keel_sysfs: the device's folder in sysfs
keel_sysfs() { readlink -f "/sys/class/accel/$(basename "$(keel_node)")/device"; }

# Where the kernel's own parts are modules, too, they come along, also those that it asks for.
insert_module() {
	local root=${KEEL_MODULE%/*}/install
	if ! [ -d "$root" ]; then
		insmod "$KEEL_MODULE" "$@"
		return
	fi
	printf '#!/bin/sh\nexec /sbin/modprobe -d "%s" "$@"\n' "$root" >/run/modprobe
	chmod +x /run/modprobe
	echo /run/modprobe >/proc/sys/kernel/modprobe
	/run/modprobe "$KEEL_MODULE_NAME" "$@"
}

# keel_load [PARAMETER=VALUE ...], keel_unload: one result each
keel_load() {
	check "the module loads" insert_module "$@" &&
		check "the device appears" wait_for 30 keel_node
}

keel_unload() { check "the module unloads" rmmod "$KEEL_MODULE_NAME"; }

# kunit_results: results of the module's own unit tests, one line for each case
kunit_results() {
	local file line
	for file in /sys/kernel/debug/kunit/*/results; do
		[ -r "$file" ] || continue
		while read -r line; do
			case $line in
			"ok "*) ktap_result ok "kunit ${line#ok * }" ;;
			"not ok "*) ktap_result "not ok" "kunit ${line#not ok * }" ;;
			esac
		done < <(grep -E '^ {4}(not )?ok ' "$file")
	done
}

# records_agree FILE: one result for each counter of debugfs that tests/uapi/records.c has printed
# sums of; a program may have printed several times, but nobody else has had jobs.
records_agree() {
	local name sum is
	while read -r name sum; do
		is=$(awk -v name="$name" '$1 == name { print $2; exit }' "$(keel_debugfs)/counters")
		check "debugfs: $name $sum, as in the result records" test "$is" = "$sum"
	done < <(awk '$2 == "record" { sums[$3] += $4 }
		END { for (name in sums) printf "%s %.0f\n", name, sums[name] }' "$1" | sort)
}

# host REQUEST: ask the host for kill-simulator, stop-simulator, continue-simulator
# or start-simulator; returns when it has been done.
host() {
	echo "$1" >"$KEEL_SHARE/request.part"
	mv "$KEEL_SHARE/request.part" "$KEEL_SHARE/request"
	wait_for 20 test -e "$KEEL_SHARE/request.done" || return 1
	rm -f "$KEEL_SHARE/request.done"
}
