/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_REPORT_FILES_H
#define KEEL_TOOLS_REPORT_FILES_H

#include "report.h"

/** keel_report_files_probe() - could a report be written into @folder? Nothing is left behind. */
int keel_report_files_probe(const char *folder, struct keel_error *e);

/** keel_report_files_write() - report.txt and report.json in @folder, which is made */
int keel_report_files_write(const char *folder, const struct keel_compiled *c,
			    const struct keel_compile_options *o,
			    const struct keel_report_figures *f, struct keel_error *e);

#endif
