# SPDX-License-Identifier: GPL-2.0 OR MIT
#: make docs         write the generated pages
# `make docs-check` fails when one is out of date.

GENERATED_PAGES := isa operators hw_counters hw_registers

$(O)/docs/gen_isa: $(O)/docs/gen_isa.o $(O)/docs/isa_text.o $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^
$(O)/docs/gen_operators: $(O)/docs/gen_operators.o $(O)/libkeelcompiler.a $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(COMPILER_LIBS)

$(O)/docs/gen_hw_%: $(O)/docs/gen_hw_%.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^

$(O)/docs/%.md: $(O)/docs/gen_%
	$< > $@.part
	mv $@.part $@

.PHONY: docs docs-check
docs: $(GENERATED_PAGES:%=$(O)/docs/%.md)
	cp $^ docs

docs-check: $(GENERATED_PAGES:%=$(O)/docs/%.md)
	bad=0; for page in $^; do \
		diff -u docs/$${page##*/} $$page || bad=1; \
	done; [ $$bad = 0 ] || { echo "generated pages are out of date: run 'make docs'"; exit 1; }
