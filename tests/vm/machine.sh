# shellcheck shell=bash disable=SC2034,SC2054,SC2154
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The two machines and the simulator next to them; sourced by tests/vm/run, which
# sets: tree (the guest kernel's), work (a short-lived folder for sockets), share
# (the folder that the guest may write), kicks, memory, cpus, limit, append,
# simulator_args, fwsim (array: the simulator's command).

simulator_pid=
guest_pid=

machine_kind() {
	case $1 in
	um*) echo um ;;
	x86*) echo qemu ;;
	*) return 1 ;;
	esac
}

# simulator_start: returns when it listens
simulator_start() {
	local args=(--uml "$work/npu.sock") i
	[ "$machine" = um ] || args=(--qemu "$work/npu.sock" --qtest "$work/qtest.sock")
	[ "$kicks" = inband ] || args+=(--evfd)
	rm -f "$work/npu.sock"
	# shellcheck disable=SC2086
	"${fwsim[@]}" "${args[@]}" --log "$share/simulator.log" $simulator_args \
		>>"$share/simulator.out" 2>&1 &
	simulator_pid=$!
	for ((i = 0; i < 200; i++)); do
		[ ! -S "$work/npu.sock" ] || return 0
		kill -0 $simulator_pid 2>/dev/null || break
		sleep 0.05
	done
	echo "the simulator did not start: $(tail -n 1 "$share/simulator.out")" >&2
	return 1
}

# simulator_stop: its exit status; 0 too when the request to end is what ended it
simulator_stop() {
	local code i
	[ -n "$simulator_pid" ] || return 0
	kill "$simulator_pid" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 "$simulator_pid" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$simulator_pid" 2>/dev/null
	wait "$simulator_pid" 2>/dev/null
	code=$?
	simulator_pid=
	[ $code -ne 143 ] || code=0
	return $code
}

simulator_kill() {
	kill -KILL "$simulator_pid"
	wait "$simulator_pid" 2>/dev/null
	simulator_pid=
}

# What a guest asks for while it runs; guest/common.sh has the other side.
serve_request() {
	local request
	[ -e "$share/request" ] || return 0
	request=$(cat "$share/request")
	rm -f "$share/request"
	case $request in
	kill-simulator) simulator_kill ;;
	stop-simulator) kill -STOP "$simulator_pid" ;;
	continue-simulator) kill -CONT "$simulator_pid" ;;
	start-simulator) simulator_start ;;
	*) echo "the guest asked for '$request', which nobody knows" >&2 ;;
	esac
	: >"$share/request.done"
}

# Sets the array `guest` to the command of a User Mode Linux. On a busy machine the simulator may
# take longer to answer than the 40 ms after which the kernel gives an access up with a warning.
um_command() {
	local console=${1:+fd:0,fd:1}
	guest=("$tree/image" "mem=$memory" root=/dev/root rootfstype=hostfs rootflags=/ ro
		"init=$here/guest/init" con=null "con0=${console:-null,fd:1}"
		"uml_dir=$work/" umid=npu "virtio_uml.device=$work/npu.sock:1234"
		virt_pci.max_delay_us=10000000
		"${common_args[@]}" KEEL_MACHINE=um)
}

# QEMU drops an access to the NPU that is made while another waits, unless the CPUs
# take turns (thread=single). With KASAN, _PRT of the older machine, pc, takes longer than
# ACPI allows; acpi=noirq, the other way out, takes the APIC away from kernels without MPPARSE.
# On a busy host the TSC's frequency is measured wrongly, by a factor of 20 and more: notsc. There
# too few ticks of the timer may come while the kernel counts them, and it would panic ("IO-APIC +
# timer doesn't work"): no_timer_check, which Linux chooses by itself in guests of KVM.
qemu_command() {
	local serial=${1:+mon:}stdio
	local root9p="trans=virtio,version=9p2000.L,cache=loose,msize=262144"
	guest=("$helpers/fdexec" "$work/npu.sock" 20 qemu-system-x86_64 -machine q35
		-accel tcg,thread=single -cpu max -smp "$cpus" -m "$memory"
		-object "memory-backend-memfd,id=ram,size=$memory,share=on"
		-machine memory-backend=ram -nodefaults -display none -serial "$serial" -no-reboot
		-qtest "unix:$work/qtest.sock,server=on,wait=off" -qtest-log /dev/null
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
		-device virtio-9p-pci,fsdev=root,mount_tag=root
		-fsdev "local,id=share,path=$share,security_model=none,multidevs=remap"
		-device virtio-9p-pci,fsdev=share,mount_tag=share
		-device x-pci-proxy-dev,id=npu,fd=20
		-kernel "$tree/image" -append "console=ttyS0 root=root rootfstype=9p rootflags=$root9p ro
		init=$here/guest/init notsc clocksource=hpet no_timer_check reboot=t ${common_args[*]}
		KEEL_MACHINE=qemu KEEL_INIT=$here/guest/init KEEL_ROOTFLAGS=$root9p")
	# Then helpers/initrd.c does what root=, rootflags= and init= ask for.
	[ ! -e "$tree/initrd" ] || guest+=(-initrd "$tree/initrd")
}

# machine_command [console]: how to start the guest, in the array `guest`
machine_command() {
	common_args=(panic=-1 kasan_multi_shot kunit.enable=1 "firmware_class.path=$firmware"
		"KEEL_SHARE=$share")
	# shellcheck disable=SC2206
	common_args+=($append)
	"${machine}_command" "$@"
}

# machine_run: boots and returns when the guest is off or its time is over
machine_run() {
	# A pipe, because User Mode Linux can't wait for a file.
	"$helpers/leash" "$limit" "${guest[@]}" </dev/null > >(exec cat >"$share/console.log") 2>&1 &
	guest_pid=$!
	while kill -0 $guest_pid 2>/dev/null; do
		serve_request
		sleep 0.1
	done
	wait $guest_pid
	guest_code=$?
	guest_pid=
}

machine_cleanup() {
	[ -z "$guest_pid" ] || kill -TERM "$guest_pid" 2>/dev/null
	[ -z "$simulator_pid" ] || kill -KILL "$simulator_pid" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$work"
}
