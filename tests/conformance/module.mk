# SPDX-License-Identifier: GPL-2.0 OR MIT
# The ONNX project's vectors (Debian package libonnx-testdata), in float and compiled; exit 77
# without them.

CONFORMANCE := conformance compile_conformance
CONFORMANCE_SRC := $(wildcard tests/conformance/*.c)
CONFORMANCE_LIB := $(filter-out $(CONFORMANCE:%=tests/conformance/%.c),$(CONFORMANCE_SRC))

$(call objs,$(CONFORMANCE_SRC)): | $(O)/gen/onnx.pb-c.h
$(CONFORMANCE:%=$(O)/tests/conformance/%): %: %.o $(call objs,$(CONFORMANCE_LIB)) \
		$(O)/libkeelcompiler.a $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(COMPILER_LIBS) $(USERLIB_LIBS)

.PHONY: check-conformance
check-conformance: $(CONFORMANCE:%=$(O)/tests/conformance/%)
	tests/run conformance $^
