/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PAGE_H
#define KEEL_PAGE_H

#include "report.h"

/**
 * keel_page_write() - the report as one page, with all that it needs in it
 *
 * HTML that is XML, too. Needs neither network nor script to be read.
 */
void keel_page_write(FILE *f, const struct keel_compiled *c, const struct keel_compile_options *o,
		     const struct keel_report_figures *figures);

#endif
