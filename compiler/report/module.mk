# SPDX-License-Identifier: GPL-2.0 OR MIT
# The report's page carries its style and its script with it: lines become string literals.

REPORT_DIR := compiler/report

define REPORT_EMBED
	@mkdir -p $(@D)
	sed -e 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $< > $@.tmp
	mv $@.tmp $@
endef
$(O)/gen/keel_report_style.inc: $(REPORT_DIR)/page.css
	$(REPORT_EMBED)
$(O)/gen/keel_report_script.inc: $(REPORT_DIR)/page.js
	$(REPORT_EMBED)
$(O)/$(REPORT_DIR)/html_source.o: $(O)/gen/keel_report_style.inc $(O)/gen/keel_report_script.inc
