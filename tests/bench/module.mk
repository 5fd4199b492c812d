# SPDX-License-Identifier: GPL-2.0 OR MIT
#: make bench        speed: against ONNX Runtime, of the compiler, of the parts; BENCH="--json"
# ONNX Runtime is found through $KEEL_PYTHON, else python3. No part of `make check`.

BENCH_SRC := $(wildcard tests/bench/*.c)

$(O)/tests/bench/bench: $(call objs,$(BENCH_SRC)) $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -ljansson $(USERLIB_LIBS)

.PHONY: bench
bench: $(O)/tests/bench/bench $(O)/keel
	$< --keel $(O)/keel --shared $(KEEL_SHARED) --scripts tests/bench \
		--preprocess tests/models/preprocess --work $(O)/bench $(BENCH)
