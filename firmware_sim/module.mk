# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel-fwsim, the simulated NPU, and the firmware that it boots.

SIM_MAINS := firmware_sim/main.c firmware_sim/fwimage.c
SIM_SRC := $(call rwild,firmware_sim/,*.c)
SIM_FIRMWARE := $(O)/firmware/keel/keel-fw.bin

$(O)/libkeelsim.a: $(call objs,$(filter-out $(SIM_MAINS),$(SIM_SRC)))

$(O)/keel-fwsim: $(O)/firmware_sim/main.o $(O)/libkeelsim.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm
$(O)/keel-fwimage: $(O)/firmware_sim/fwimage.o $(O)/libkeelsim.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm
$(SIM_FIRMWARE): $(O)/keel-fwimage
	@mkdir -p $(@D)
	$< $@

# Tests of the simulator; what they share is in tests/unit/sim. From the archives each takes what it
# needs.
$(O)/libsimrig.a: $(call objs,$(wildcard tests/unit/sim/*.c))
$(O)/libtestrig.a: $(call objs,$(TESTLIB_SRC))
$(O)/tests/unit/test_sim_%: $(O)/tests/unit/test_sim_%.o $(O)/libsimrig.a $(O)/libtestrig.a \
		$(O)/libkeelsim.a $(O)/libkeeltools.a $(O)/libkeelcompiler.a $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) $(TOOLS_LIBS) \
		$(COMPILER_LIBS) $(USERLIB_LIBS)

all: $(O)/keel-fwsim $(O)/keel-fwimage $(SIM_FIRMWARE)

.PHONY: install-fwsim
install: install-fwsim
install-fwsim: $(O)/keel-fwsim $(O)/keel-fwimage $(SIM_FIRMWARE)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)/lib/firmware/keel
	install -m 755 $(O)/keel-fwsim $(O)/keel-fwimage $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(SIM_FIRMWARE) $(DESTDIR)/lib/firmware/keel/keel-fw.bin

# Not part of any test: speed of the simulator on compiled networks.
SIM_SPEED := tests/bench/sim/sim_speed
$(O)/$(SIM_SPEED): $(O)/$(SIM_SPEED).o $(call objs,tests/unit/sim/npu_rig.c tests/unit/isa_fixture.c) \
		$(O)/libkeelsim.a $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) $(USERLIB_LIBS)

# Fuzzers of what a guest can send.
$(O)/tests/fuzz/fuzz_bus_%: $(O)/tests/fuzz/fuzz_bus_%.o $(O)/tests/fuzz/bus_guest.o \
		$(O)/libkeelsim.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ -lm
