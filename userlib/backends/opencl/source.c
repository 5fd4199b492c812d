// SPDX-License-Identifier: MIT
#include <string.h>

#include "opencl.h"

/* The kernels' text, with the contract's headers, as module.mk puts it together. */

static const char portable[] =
#include "keel_opencl_portable.inc"
	;

static const char fast[] =
#include "keel_opencl_fast.inc"
	;

const char *keel_cl_source(enum keel_cl_program_kind kind, size_t *bytes)
{
	*bytes = kind == KEEL_CL_PORTABLE ? sizeof(portable) - 1 : sizeof(fast) - 1;
	return kind == KEEL_CL_PORTABLE ? portable : fast;
}
