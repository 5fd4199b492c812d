# SPDX-License-Identifier: GPL-2.0 OR MIT
# The ONNX project's vectors (Debian package libonnx-testdata), in float; exits 77 without them.

CONFORMANCE_SRC := $(wildcard tests/conformance/*.c)

$(call objs,$(CONFORMANCE_SRC)): | $(O)/gen/onnx.pb-c.h
$(O)/tests/conformance/conformance: $(call objs,$(CONFORMANCE_SRC)) $(O)/libkeelcompiler.a $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(COMPILER_LIBS)

.PHONY: check-conformance
check-conformance: $(O)/tests/conformance/conformance
	tests/run conformance $<
