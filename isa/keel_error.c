// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "keel_error.h"

int keel_error_set(struct keel_error *e, int err, const char *fmt, ...)
{
	va_list ap;
	char *p;

	if (!e)
		return err;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);

	for (p = e->text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';

	return err;
}
