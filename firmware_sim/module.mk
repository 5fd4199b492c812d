# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel-fwsim, the simulated NPU, and the firmware that it boots.

SIM_MAINS := firmware_sim/main.c firmware_sim/fwimage.c
SIM_SRC := $(call rwild,firmware_sim/,*.c)

$(O)/libkeelsim.a: $(call objs,$(filter-out $(SIM_MAINS),$(SIM_SRC)))

# Tests of the simulator; what they share is in tests/unit/sim.
SIM_TESTLIB_SRC := $(wildcard tests/unit/sim/*.c)
$(O)/tests/unit/test_sim_%: $(O)/tests/unit/test_sim_%.o $(call objs,$(SIM_TESTLIB_SRC)) \
		$(call objs,$(TESTLIB_SRC)) $(O)/libkeelsim.a $(O)/libkeeltools.a \
		$(O)/libkeelcompiler.a $(O)/libkeel.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) $(TOOLS_LIBS) \
		$(COMPILER_LIBS) $(USERLIB_LIBS)
