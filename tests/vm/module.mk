# SPDX-License-Identifier: GPL-2.0 OR MIT
#: make vm           a shell in User Mode Linux with the NPU; SCRIPT=FILE runs that instead
#: make vm VM=x86    the same in QEMU with two CPUs
#: make check-vm     the part of check that runs the driver, in User Mode Linux
#: make check-full   check, then the suites in QEMU, other processors' modules, coverage

VM ?= um
# Options for keel-fwsim; networks are compiled for a medium NPU unless told otherwise.
SIMULATOR ?= --config medium
VM_HELPERS := $(patsubst %,$(O)/tests/vm/%,fdexec leash power_off)

# Static: whatever the host's file system lacks, these run.
$(VM_HELPERS): $(O)/tests/vm/%: tests/vm/helpers/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -static -o $@ $<

.PHONY: vm vm-programs check-vm check-vm-qemu check-vm-cross check-full
vm-programs: all $(O)/keel-fwsim $(O)/firmware/keel/keel-fw.bin $(VM_HELPERS)
	O=$(O) tests/vm/networks $(O)/vm/networks

vm: vm-programs
	scripts/setup $(if $(filter um%,$(VM)),vm,vm-full)
	O=$(O) SIMULATOR="$(SIMULATOR)" tests/vm/run --variant $(VM) $(if $(SCRIPT),$(SCRIPT),--shell)

# Where the packages can't be had, tests/vm/kernel says so and the part is skipped.
# um-debug first: what it finds says more than what the fast one stumbles over.
check-vm: vm-programs
	scripts/setup vm || true
	bad=0; \
	O=$(O) tests/vm/selftest/run um-debug um || bad=1; \
	O=$(O) tests/vm/bus/run um-debug um || bad=1; \
	O=$(O) tests/vm/check um-debug um || bad=1; \
	exit $$bad

check-vm-qemu: vm-programs
	scripts/setup vm-full || true
	bad=0; \
	O=$(O) tests/vm/selftest/run x86 x86-kcsan || bad=1; \
	O=$(O) tests/vm/bus/run x86 x86-kcsan || bad=1; \
	O=$(O) tests/vm/check x86 x86-kcsan x86-debian || bad=1; \
	exit $$bad

check-vm-cross:
	scripts/setup vm-full || true
	O=$(O) tests/vm/check --build arm64 riscv64

# Lines are counted whatever has failed before; where no guest has left counts there are none.
check-full:
	bad=0; \
	tests/check $(MAKE) vm-qemu vm-cross || bad=1; \
	tests/vm/coverage --min 90 $(O) || [ $$? -eq 77 ] || bad=1; \
	exit $$bad
