# SPDX-License-Identifier: GPL-2.0 OR MIT
# keel-fwsim, the simulated NPU, and the firmware that it boots.

SIM_MAINS := firmware_sim/keel_fwsim.c firmware_sim/keel_fwimage.c
SIM_SRC := $(call rwild,firmware_sim/,*.c)

$(O)/libkeelsim.a: $(call objs,$(filter-out $(SIM_MAINS),$(SIM_SRC)))
