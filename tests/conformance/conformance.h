/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_CONFORMANCE_H
#define KEEL_CONFORMANCE_H

#include <stdint.h>

struct keel_tensor;

/** conformance_exclusion() - why a case of supported operators fails; NULL if it must pass */
const char *conformance_exclusion(const char *name);

/** conformance_int() - element @i of a constant that is not float */
int64_t conformance_int(const struct keel_tensor *t, int64_t i);

#endif
