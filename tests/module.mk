# SPDX-License-Identifier: GPL-2.0 OR MIT
# make check: everything that must pass before a change lands.

TESTS_BIN = $(UNIT:%=$(1)/tests/unit/%)
# Programs that start threads also run under ThreadSanitizer.
TSAN_UNIT := $(filter test_float test_libkeel% test_data_dataset% test_opencl_threads% \
	test_calibrate%,$(UNIT))
VALGRIND_UNIT := $(filter test_graph test_import test_model test_weights test_isa_asm \
	test_passes test_preprocess%,$(UNIT))

export KEEL_SHARED ?= $(abspath ../shared)

.PHONY: check check-setup check-plain check-asan check-tsan check-clang check-valgrind check-tools
check-setup:
	scripts/setup test

check: check-setup
	tests/check $(MAKE)

check-plain: all tests
	tests/run gcc $(call TESTS_BIN,$(O))
	tests/run gcc $(wildcard tests/scripts/*.sh)

check-asan:
	$(MAKE) O=$(O)/asan SANITIZE=address,undefined OPT=-O1 tests
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 KEEL_TEST_LIGHT=1 \
		tests/run asan $(call TESTS_BIN,$(O)/asan)

check-tsan:
	$(MAKE) O=$(O)/tsan SANITIZE=thread OPT=-O1 $(call TESTS_BIN,$(O)/tsan)
	TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp halt_on_error=1" KEEL_TEST_LIGHT=1 \
		tests/run tsan $(TSAN_UNIT:%=$(O)/tsan/tests/unit/%)

check-clang:
	$(MAKE) O=$(O)/clang CC=clang all tests
	KEEL_TEST_LIGHT=1 tests/run clang $(call TESTS_BIN,$(O)/clang)

check-valgrind: tests
	CK_FORK=no KEEL_TEST_LIGHT=1 \
		KEEL_TEST_WRAPPER="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect" \
		tests/run valgrind $(VALGRIND_UNIT:%=$(O)/tests/unit/%)
