// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factorize.h"
#include "float_net.h"
#include "graph.h"
#include "sweep.h"

/*
 * Float outputs of two graphs compared. A first walk stores the outputs of one,
 * a second compares those of the other; both use the same few samples.
 */

/** struct check - state of a walk
 * @values: of graph @before, per sample and output
 * @error: max |difference| per sample and output
 * @size: max |value| per sample and output
 * @comparing: second walk
 */
struct check {
	const struct keel_graph *before;
	const struct keel_sample_source *source;
	size_t samples;
	float **values;
	double *error, *size;
	bool comparing;
};

static int check_get(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct check *k = ctx;

	/* Spread over the samples, which are often sorted by what they show. */
	return k->source->get(k->source->ctx, index * k->source->count / k->samples, inputs, e);
}

static int store(struct check *k, size_t at, const float *value, size_t count)
{
	size_t i;

	k->values[at] = malloc(count * sizeof(*value) + 1);
	if (!k->values[at])
		return -ENOMEM;
	memcpy(k->values[at], value, count * sizeof(*value));
	for (i = 0; i < count; i++)
		k->size[at] = fmax(k->size[at], fabsf(value[i]));
	return 0;
}

static void compare(struct check *k, size_t at, const float *value, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		double d = fabs((double)value[i] - k->values[at][i]);

		/* Equal infinities differ by NaN. */
		if (value[i] == k->values[at][i])
			d = 0;
		k->error[at] = d <= k->error[at] ? k->error[at] : isnan(d) ? INFINITY : d;
	}
}

static int check_done(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
		      struct keel_error *e)
{
	struct check *k = ctx;
	unsigned int i, nr = k->before->nr_outputs;
	int err = 0;

	for (i = 0; !err && i < nr; i++) {
		const struct keel_tensor *t = k->before->outputs[i];
		size_t count = keel_tensor_count(t);

		if (t->type != KEEL_F32)
			continue;
		if (k->comparing)
			compare(k, sample * nr + i, keel_float_output(f, i), count);
		else
			err = store(k, sample * nr + i, keel_float_output(f, i), count);
	}
	return err ? keel_error_set(e, err, "no memory to keep float outputs") : 0;
}

static int walk(struct check *k, const struct keel_graph *g, unsigned int threads,
		struct keel_error *e)
{
	const struct keel_sample_source source = {k->samples, check_get, k};
	const struct keel_sweep_ops ops = {NULL, check_done};
	struct keel_float *f = keel_float_new(g, e);
	int err;

	if (!f)
		return -EINVAL;
	err = keel_float_sweep(f, threads, &source, &ops, k, e);
	keel_float_del(f);
	return err;
}

static double worst(const struct check *k)
{
	unsigned int i, nr = k->before->nr_outputs;
	double all = 0;
	size_t s;

	for (i = 0; i < nr; i++) {
		double error = 0, size = 0;

		for (s = 0; s < k->samples; s++) {
			error = fmax(error, k->error[s * nr + i]);
			size = fmax(size, k->size[s * nr + i]);
		}
		all = fmax(all, error > 0 ? error / size : 0);
	}
	return all;
}

int keel_factorize_check(const struct keel_graph *before, const struct keel_graph *after,
			 const struct keel_sample_source *source, unsigned int samples,
			 unsigned int threads, double *difference, struct keel_error *e)
{
	struct check k = {.before = before, .source = source};
	size_t entries, i;
	int err = -ENOMEM;

	k.samples = samples < source->count ? samples : source->count;
	entries = k.samples * before->nr_outputs;
	k.values = calloc(entries + 1, sizeof(*k.values));
	k.error = calloc(entries + 1, sizeof(*k.error));
	k.size = calloc(entries + 1, sizeof(*k.size));
	if (!k.values || !k.error || !k.size) {
		keel_error_set(e, err, "no memory to compare float outputs");
		goto out;
	}
	err = walk(&k, before, threads, e);
	k.comparing = true;
	if (!err)
		err = walk(&k, after, threads, e);
	*difference = worst(&k);
out:
	for (i = 0; k.values && i < entries; i++)
		free(k.values[i]);
	free(k.values);
	free(k.error);
	free(k.size);
	return err;
}
