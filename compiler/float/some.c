// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "some.h"

static int get_some(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_some *s = ctx;
	size_t parts = s->parts ? s->parts : 1;
	size_t at = (index * parts + s->part) * s->all->count / (s->count * parts);

	return s->all->get(s->all->ctx, at, inputs, e);
}

struct keel_sample_source keel_some_source(struct keel_some *some)
{
	return (struct keel_sample_source){some->count, get_some, some};
}
