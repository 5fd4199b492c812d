/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef CORE_FIXTURE_H
#define CORE_FIXTURE_H

#include <stddef.h>

#include "keel_coredump.h"

/* A sound coredump with one or a few elements of every kind, to be spoiled. */
struct core_fixture {
	union {
		struct keel_core_header h;
		char data[8192];
	};
	size_t bytes;
};

void core_fixture(struct core_fixture *f);

/** core_fixture_entry() - table entry of @kind */
struct keel_core_entry *core_fixture_entry(struct core_fixture *f, enum keel_core_kind kind);

/** core_fixture_at() - first element of @kind */
void *core_fixture_at(struct core_fixture *f, enum keel_core_kind kind);

/** core_fixture_sum() - make the checksums right again */
void core_fixture_sum(struct core_fixture *f);

#endif
