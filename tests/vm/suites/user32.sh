# SPDX-License-Identifier: GPL-2.0 OR MIT
# 32-bit programs on the 64-bit kernel: the same refusals, the same jobs, the same bytes.
# variants: um x86 x86-debian
# simulator: --config medium
# timeout: 600
if [ "$KEEL_VARIANT" = um ]; then
	skip "32-bit programs" "User Mode Linux has no 32-bit system calls; they run in x86 and x86-debian"
	return
fi
if [ ! -x "$KEEL_OUT/user32/tests/uapi/test_jobs" ]; then
	skip "32-bit programs" "there was no i686-linux-gnu-gcc; scripts/setup vm-full installs it"
	return
fi

# quietly FILE COMMAND ...: the output goes to a file; failures are shown
quietly() {
	local file=$1
	shift
	"$@" >"$file" 2>&1 || { grep -v '^ok' "$file" && return 1; }
}

# both NAME ARGUMENT ...: a program as 64-bit and as 32-bit one; @ in arguments is 64 or 32
both() {
	local name=$1 bits folder=$KEEL_OUT
	shift
	for bits in 64 32; do
		check "$name, $bits bits" quietly "/tmp/$name.$bits" \
			"$folder/tests/uapi/$name" "${@//@/$bits}"
		# What was measured may differ, what was found may not.
		grep -v '^#' "/tmp/$name.$bits" >"/tmp/$name.results.$bits"
		folder=$KEEL_OUT/user32
	done
	check "$name: $(grep -c '^ok' "/tmp/$name.results.64") results, the same" \
		diff "/tmp/$name.results.64" "/tmp/$name.results.32"
}

is_elf32() { [ "$(od -An -tx1 -j4 -N1 "$KEEL_OUT/user32/tests/uapi/test_jobs")" = " 01" ]; }
check "those are 32-bit programs" is_elf32
for program in "$KEEL_OUT"/tests/uapi/test_refuse_*; do
	name=$(basename "$program")
	case $name in *.o | *.d) continue ;; esac
	# Its jobs wait for a software fence.
	if [ $name = test_refuse_jobs ] && [ ! -e /sys/kernel/debug/sync/sw_sync ]; then
		skip $name "the kernel has no CONFIG_SW_SYNC"
		continue
	fi
	both $name
done
for name in jobs buffers perf clients; do
	both test_$name
done
for net in fashion mobilenet_v2_1.0_224_moderation; do
	[ -e "$KEEL_OUT/vm/networks/$net.keel" ] || continue
	both test_network "$KEEL_OUT/vm/networks/$net.keel" 1 /tmp/$net.@
	check "$net: $(stat -c %s /tmp/$net.64) bytes, the same" cmp /tmp/$net.64 /tmp/$net.32
done
