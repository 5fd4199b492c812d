// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "graph.h"
#include "outputs.h"
#include "sweep.h"

int keel_outputs_init(struct keel_outputs *o, const struct keel_graph *g, size_t samples,
		      size_t most)
{
	size_t count, at_least_one = samples ? samples : 1;
	unsigned int i;

	*o = (struct keel_outputs){.nr = g->nr_outputs};
	o->first = calloc(o->nr + 1, sizeof(*o->first));
	if (!o->first)
		return -ENOMEM;
	for (i = 0; i < o->nr; i++) {
		count = g->outputs[i]->type == KEEL_F32 ? keel_tensor_count(g->outputs[i]) : 0;
		o->first[i + 1] = o->first[i] + count;
	}
	count = o->first[o->nr];
	if (most && count > most / sizeof(*o->values) / at_least_one)
		return 0;
	o->values = calloc(at_least_one, count * sizeof(*o->values) + 1);
	if (!o->values)
		return -ENOMEM;
	o->samples = samples;
	return 0;
}

void keel_outputs_free(struct keel_outputs *o)
{
	free(o->first);
	free(o->values);
	*o = (struct keel_outputs){0};
}

size_t keel_outputs_count(const struct keel_outputs *o, unsigned int output)
{
	return o->first[output + 1] - o->first[output];
}

static float *place(const struct keel_outputs *o, size_t sample, unsigned int output)
{
	return o->values + sample * o->first[o->nr] + o->first[output];
}

void keel_outputs_keep(struct keel_outputs *o, size_t sample, const struct keel_float *f)
{
	unsigned int i;

	for (i = 0; o->samples && i < o->nr; i++)
		if (keel_outputs_count(o, i))
			memcpy(place(o, sample, i), keel_float_output(f, i),
			       keel_outputs_count(o, i) * sizeof(*o->values));
}

const float *keel_outputs_of(const struct keel_outputs *o, size_t sample, unsigned int output)
{
	return o->samples && keel_outputs_count(o, output) ? place(o, sample, output) : NULL;
}

static int keep(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
		struct keel_error *e)
{
	keel_outputs_keep(ctx, sample, f);
	return 0;
}

int keel_outputs_run(struct keel_outputs *o, const struct keel_graph *g,
		     const struct keel_sample_source *source, unsigned int threads, size_t most,
		     struct keel_error *e)
{
	const struct keel_sweep_ops ops = {.done = keep};
	struct keel_float *f;
	int err = keel_outputs_init(o, g, source->count, most);

	if (err)
		return keel_error_set(e, err, "no memory to keep float outputs");
	if (!o->samples)
		return 0;
	f = keel_float_new(g, e);
	err = f ? keel_float_sweep(f, threads, source, &ops, o, e) : -EINVAL;
	keel_float_del(f);
	return err;
}
