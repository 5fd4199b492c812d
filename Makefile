# SPDX-License-Identifier: GPL-2.0 OR MIT
# Keel: user-space parts.
#: make              the keel command and libkeel, into O (default: build)
#: make demo         compile, measure and run a network; installs what it needs
#: make install      tool, library, headers, pages; DESTDIR, PREFIX
#: make clean        remove O

O ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
VERSION := 0.1.0
PREFIX ?= /usr

OPT ?= -O2
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter \
	-Wno-sign-compare -Wno-missing-field-initializers
WERROR ?= -Werror
CFLAGS ?= $(OPT) -g
ROOMS := -Iisa -Icompiler -Icompiler/graph -Icompiler/import -Icompiler/float -Icompiler/passes \
	-Icompiler/quant -Icompiler/schedule -Icompiler/emit -Icompiler/report -Iuserlib -Iuapi -Itools \
	-isystem /usr/include/libdrm
# Headers of the same name: in quotes, the importer's before the firmware's; the system's memory.h in
# angle brackets. No object knows where it was built, and no product and sum are rounded together,
# which only some processors can.
ALL_CFLAGS = -std=gnu11 -iquote compiler/import -iquote firmware_sim -ffile-prefix-map=$(CURDIR)=. \
	$(CFLAGS) -ffp-contract=off $(WARN) $(WERROR) -fPIC -pthread -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-DKEEL_VERSION='"$(VERSION)"' -DCL_TARGET_OPENCL_VERSION=120 $(SAN) $(ROOMS) -I$(O)/gen
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_LDFLAGS = -pthread $(SAN) $(LDFLAGS)

rwild = $(foreach d,$(wildcard $(1)*),$(call rwild,$(d)/,$(2)) $(filter $(subst *,%,$(2)),$(d)))
objs = $(patsubst %.c,$(O)/%.o,$(1))

ISA_SRC := $(call rwild,isa/,*.c)
COMPILER_SRC := $(call rwild,compiler/,*.c)
USERLIB_SRC := $(call rwild,userlib/,*.c)
TOOLS_SRC := $(call rwild,tools/,*.c)
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
TESTLIB_SRC := $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))

USERLIB_LIBS := -lOpenCL -ldrm -lm -ldl
COMPILER_LIBS := -lprotobuf-c -ldnnl -lgomp -ljansson -lm
TOOLS_LIBS := -ljpeg -lpng -lz

.PHONY: all
all: $(O)/keel $(O)/libkeel.so

$(O)/libkeelisa.a: $(call objs,$(ISA_SRC))
$(O)/libkeelcompiler.a: $(call objs,$(COMPILER_SRC)) $(O)/gen/onnx.pb-c.o
$(O)/libkeel.a: $(call objs,$(USERLIB_SRC)) $(call objs,$(ISA_SRC))
$(O)/libkeeltools.a: $(call objs,$(filter-out tools/keel.c,$(TOOLS_SRC)))
$(O)/lib%.a:
	@rm -f $@
	$(AR) rcsD $@ $^

include userlib/module.mk
-include compiler/report/module.mk
-include firmware_sim/module.mk

$(O)/keel: $(O)/tools/keel.o $(O)/libkeeltools.a $(O)/libkeelcompiler.a $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TOOLS_LIBS) $(COMPILER_LIBS) $(USERLIB_LIBS)

# ONNX's schema comes from Debian's libonnx-dev; only the generated code is compiled.
ONNX_PROTO ?= /usr/include/onnx/onnx.proto
$(O)/gen/onnx.pb-c.c: $(ONNX_PROTO)
	@mkdir -p $(@D)
	protoc-c -I$(dir $(ONNX_PROTO)) --c_out=$(@D) $(ONNX_PROTO)
$(O)/gen/onnx.pb-c.h: $(O)/gen/onnx.pb-c.c
$(O)/gen/onnx.pb-c.o: $(O)/gen/onnx.pb-c.c
	$(CC) $(ALL_CFLAGS) -w -c -o $@ $<
$(call objs,$(call rwild,compiler/import/,*.c) $(wildcard compiler/emit/qdq*.c)): | $(O)/gen/onnx.pb-c.h

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(FILE_CFLAGS) -MMD -MP -c -o $@ $<

# The integer executor is the simulator's and the tests' workhorse.
$(O)/isa/keel_execute%.o: FILE_CFLAGS := -O3
# Conversion of inputs and outputs is on the path of every inference.
$(O)/isa/keel_value.o $(O)/isa/keel_quantize.o $(O)/isa/keel_host_dot.o: FILE_CFLAGS := -O3 -fno-trapping-math
# Its loops are written for the vectorizer.
$(O)/compiler/float/%.o: FILE_CFLAGS := -O3
$(O)/compiler/quant/diagnose_layer.o $(O)/compiler/quant/slots.o $(O)/compiler/quant/pixel_sums.o $(O)/compiler/quant/weight_row.o: FILE_CFLAGS := -O3

# Tests: each test_*.c is a program of its own; exit 77 means skipped.
.PHONY: tests
tests: $(UNIT:%=$(O)/tests/unit/%)
$(O)/tests/unit/test_%: $(O)/tests/unit/test_%.o $(call objs,$(TESTLIB_SRC)) $(O)/libkeeltools.a \
		$(O)/libkeelcompiler.a $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) $(TOOLS_LIBS) $(COMPILER_LIBS) $(USERLIB_LIBS)

-include tests/module.mk tests/models/module.mk tests/conformance/module.mk tests/fuzz/module.mk docs/module.mk
-include packaging/module.mk

# The main job: from a trained network to accuracy, classes and latency.
.PHONY: demo
demo:
	scripts/setup demo
	$(MAKE) --no-print-directory -s -j$(shell nproc) O=$(O) $(O)/keel
	scripts/demo $(O)/keel

.PHONY: help
help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

.PHONY: clean
clean:
	rm -rf $(O)

-include $(shell find $(O) -type f -name '*.d' 2>/dev/null)
