# SPDX-License-Identifier: GPL-2.0 OR MIT
#: make check        everything that must pass before a change lands
#: make check-plain  its first part: unit tests and tests of the tool

TESTS_BIN = $(UNIT:%=$(1)/tests/unit/%)
# Programs that start threads also run under ThreadSanitizer.
TSAN_UNIT := $(filter test_float test_libkeel% test_data_dataset% test_opencl_threads% \
	test_calibrate% test_sim_%,$(UNIT))
# Those that are done in bearable time under valgrind.
VALGRIND_UNIT := $(filter test_graph test_import% test_model% test_weights test_isa_text \
	test_isa_validate test_isa_refuse test_passes test_match test_ranges test_target \
	test_data_% test_calibrate test_libkeel test_sim_pci test_sim_fault_script,$(UNIT))

export KEEL_SHARED ?= $(abspath ../shared)

.PHONY: check check-setup check-plain check-asan check-tsan check-clang check-valgrind
check-setup:
	scripts/setup test

check: check-setup
	tests/check $(MAKE)

# What the tests of the tool need: the tool, ONNX files with defects, and a coredump.
ODD_ONNX := tests/scripts/odd_onnx
$(O)/$(ODD_ONNX): $(O)/$(ODD_ONNX).o $(O)/tests/unit/onnx_rig.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

ODD_CORE := tests/scripts/odd_core
$(O)/$(ODD_CORE): $(O)/$(ODD_CORE).o $(O)/tests/unit/core_fixture.o $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^

.PHONY: tools-under-test
tools-under-test: $(O)/keel $(O)/$(ODD_ONNX) $(O)/$(ODD_CORE)
TOOL_ENV = KEEL=$(1)/keel KEEL_ODD_ONNX=$(1)/$(ODD_ONNX) KEEL_ODD_CORE=$(1)/$(ODD_CORE)

# Each goes on when the one before has failed.
check-plain: all tests tools-under-test $(O)/tests/conformance/conformance
	bad=0; \
	tests/run gcc $(call TESTS_BIN,$(O)) || bad=1; \
	$(call TOOL_ENV,$(O)) tests/run gcc $(wildcard tests/scripts/*.sh) || bad=1; \
	tests/run conformance $(O)/tests/conformance/conformance || bad=1; \
	exit $$bad

# A process of its own for each test costs most of the time under sanitizers, but after a fork
# POCL has no threads.
FORKING = $(filter $(1)/tests/unit/test_opencl%,$(call TESTS_BIN,$(1)))
# The tool under sanitizers: a leak or a race is a second line on the standard error.
TOOL_SCRIPTS := tests/scripts/tool_failures.sh tests/scripts/tool_hostile.sh tests/scripts/tool_results.sh

check-asan:
	$(MAKE) O=$(O)/asan SANITIZE=address,undefined OPT=-O1 tests tools-under-test
	export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 KEEL_TEST_LIGHT=1; \
	export LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0; \
	bad=0; \
	CK_FORK=no tests/run asan $(filter-out $(call FORKING,$(O)/asan),$(call TESTS_BIN,$(O)/asan)) || \
		bad=1; \
	tests/run asan $(call FORKING,$(O)/asan) || bad=1; \
	$(call TOOL_ENV,$(O)/asan) tests/run asan $(TOOL_SCRIPTS) || bad=1; \
	exit $$bad

check-tsan:
	$(MAKE) O=$(O)/tsan SANITIZE=thread OPT=-O1 $(TSAN_UNIT:%=$(O)/tsan/tests/unit/%) \
		tools-under-test
	export TSAN_OPTIONS=halt_on_error=1 KEEL_TEST_LIGHT=1; \
	bad=0; \
	tests/run tsan $(TSAN_UNIT:%=$(O)/tsan/tests/unit/%) || bad=1; \
	$(call TOOL_ENV,$(O)/tsan) tests/run tsan tests/scripts/tool_results.sh || bad=1; \
	exit $$bad

check-clang:
	$(MAKE) O=$(O)/clang CC=clang all tests
	KEEL_TEST_LIGHT=1 tests/run clang $(call TESTS_BIN,$(O)/clang)

check-valgrind: tests
	CK_FORK=no KEEL_TEST_LIGHT=1 \
		KEEL_TEST_WRAPPER="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect" \
		tests/run valgrind $(VALGRIND_UNIT:%=$(O)/tests/unit/%)

include tests/bench/module.mk
include tests/vm/module.mk
include tests/uapi/module.mk
