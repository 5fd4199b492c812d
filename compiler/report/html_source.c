// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "html.h"

/* What every page carries with it, as text from files of their own. */
const char html_style[] =
#include "keel_report_style.inc"
	;
const char html_script[] =
#include "keel_report_script.inc"
	;
