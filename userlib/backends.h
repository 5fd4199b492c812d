/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BACKENDS_H
#define KEEL_BACKENDS_H

#include <stdbool.h>

#include "backend.h"

/** struct keel_backend_choice - a backend and whether "auto" may take it */
struct keel_backend_choice {
	const struct keel_backend *backend;
	bool automatic;
};

/** keel_backend_choice() - NULL behind the last one */
const struct keel_backend_choice *keel_backend_choice(unsigned int index);

/** keel_backend_find() - by name; -ENODEV if it isn't built in, -EINVAL for an unknown name */
int keel_backend_find(const char *name, const struct keel_backend **backend, struct keel_error *e);

#endif
