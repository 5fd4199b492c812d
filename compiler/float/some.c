// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "some.h"

size_t keel_some_index(const struct keel_some *some, size_t index)
{
	size_t parts = some->parts ? some->parts : 1;

	return (index * parts + some->part) * some->all->count / (some->count * parts);
}

static int get_some(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_some *s = ctx;

	return s->all->get(s->all->ctx, keel_some_index(s, index), inputs, e);
}

struct keel_sample_source keel_some_source(struct keel_some *some)
{
	return (struct keel_sample_source){some->count, get_some, some};
}
