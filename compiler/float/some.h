/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SOME_H
#define KEEL_SOME_H

#include "sweep.h"

/** struct keel_some - some of the samples of a source, evenly spread
 * @all: the source
 * @count: how many are taken
 * @parts: disjoint parts, of @count each, that are taken in turns; 0 counts as 1
 * @part: which of them this is
 */
struct keel_some {
	const struct keel_sample_source *all;
	size_t count, parts, part;
};

/** keel_some_index() - which sample of all @index of the part is */
size_t keel_some_index(const struct keel_some *some, size_t index);

/** keel_some_source() - the part as a source; @some must outlive it; @parts * @count <= all */
struct keel_sample_source keel_some_source(struct keel_some *some);

#endif
