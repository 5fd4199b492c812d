# SPDX-License-Identifier: GPL-2.0 OR MIT
# Generated pages: `make docs` writes them, `make docs-check` fails when one is out of date.

$(O)/docs/gen_isa: $(O)/docs/gen_isa.o $(O)/docs/isa_text.o $(O)/libkeelisa.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^

$(O)/docs/isa.md: $(O)/docs/gen_isa
	$< > $@.part
	mv $@.part $@

.PHONY: docs docs-check
docs: $(O)/docs/isa.md
	cp $< docs/isa.md

docs-check: $(O)/docs/isa.md
	diff -u docs/isa.md $< || { echo "docs/isa.md is out of date: run 'make docs'"; exit 1; }
