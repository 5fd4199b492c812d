# SPDX-License-Identifier: MIT
# What the kernel module compiles of this folder: the validator, the work of commands, the cycles
# that they take. Objects without their folder, so that Kbuild and make can both include this:
#
#	include $(src)/isa/freestanding.mk
#	keel-y += $(addprefix isa/,$(keel-isa-objs))
#	ccflags-y += -I$(src)/isa
#
# tests/scripts/isa_freestanding.sh compiles exactly these and includes what the kernel must have.

keel-isa-objs := keel_command.o keel_rules.o keel_validate.o keel_crc32.o keel_cost.o \
	keel_target_limits.o keel_target_cycles.o
