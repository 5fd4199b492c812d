# SPDX-License-Identifier: GPL-2.0 OR MIT
#: make fuzz         fuzz what reads foreign files, FUZZ_SECONDS (60) each; FUZZ=name for one

FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
FUZZ_PROGRAMS = $(FUZZ:%=$(O)/tests/fuzz/fuzz_%)

$(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/libkeeltools.a $(O)/libkeelcompiler.a \
		$(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(TOOLS_LIBS) $(COMPILER_LIBS) $(USERLIB_LIBS)

.PHONY: fuzz fuzz-run
fuzz:
	scripts/setup build test
	$(MAKE) --no-print-directory -j$(shell nproc) O=$(O)/fuzz CC=clang OPT=-O1 \
		SANITIZE=fuzzer-no-link,address,undefined fuzz-run
fuzz-run: $(FUZZ_PROGRAMS)
	tests/fuzz/run $(O) $(FUZZ_SECONDS) $^

#: make fuzz-validate  STORM (1000 million) damaged commands for the validator, under sanitizers
STORM ?= 1000000000
STORM_PROGRAM = $(O)/tests/fuzz/storm
STORM_SRC := $(addprefix tests/unit/,$(addsuffix .c,test_isa_storm isa_storm isa_storm_damage isa_fixture)) \
	$(wildcard tests/unit/isa_slow*.c)

$(STORM_PROGRAM): $(call objs,$(STORM_SRC)) $(O)/libkeelisa.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

.PHONY: fuzz-validate fuzz-validate-run
fuzz-validate:
	scripts/setup build test
	$(MAKE) --no-print-directory -j$(shell nproc) O=$(O)/storm CC=clang OPT=-O2 \
		SANITIZE=address,undefined fuzz-validate-run
fuzz-validate-run: $(STORM_PROGRAM)
	UBSAN_OPTIONS=print_stacktrace=1 KEEL_STORM=$(STORM) nice -n 15 $<
