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
