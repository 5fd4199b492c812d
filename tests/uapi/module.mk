# SPDX-License-Identifier: GPL-2.0 OR MIT
# Programs that test the driver's ioctls from inside a guest: tests/uapi/{test,fuzz,bench}_*.c, one
# each, static, so that they run whatever the guest's file system lacks. They print KTAP.

UAPI_PROGRAM_SRC := $(wildcard tests/uapi/test_*.c tests/uapi/fuzz_*.c tests/uapi/bench_*.c)
UAPI_PROGRAMS := $(patsubst tests/uapi/%.c,$(O)/tests/uapi/%,$(UAPI_PROGRAM_SRC))
UAPI_RIG := $(call objs,$(filter-out $(UAPI_PROGRAM_SRC),$(wildcard tests/uapi/*.c)))

$(UAPI_PROGRAMS): $(O)/tests/uapi/%: $(O)/tests/uapi/%.o $(UAPI_RIG) $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -static -o $@ $^

# Once more for 32-bit user space, and libkeel, which must compile there; the suite user32.sh runs
# both and says so where the compiler isn't installed. Its note on atomics concerns old compilers.
CC32 ?= i686-linux-gnu-gcc

.PHONY: uapi-programs uapi-programs-32
uapi-programs: $(UAPI_PROGRAMS)
uapi-programs-32:
	! command -v $(CC32) >/dev/null || \
		$(MAKE) O=$(O)/user32 CC=$(CC32) SANITIZE= OPT="$(OPT) -Wno-psabi" uapi-programs $(O)/user32/libkeel.a

vm-programs: uapi-programs uapi-programs-32
