// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize.h"
#include "float_net.h"
#include "graph.h"
#include "outputs.h"
#include "some.h"

/*
 * Float outputs of two graphs compared. A first walk keeps the outputs of one,
 * a second compares those of the other; both use the same few samples.
 */

/** struct check - the second walk
 * @before: outputs of the first
 * @error: max |difference| per sample and output
 */
struct check {
	struct keel_outputs before;
	double *error;
};

static double difference_of(const float *before, const float *after, size_t count)
{
	double error = 0, d;
	size_t i;

	for (i = 0; i < count; i++) {
		/* Equal infinities differ by NaN. */
		d = before[i] == after[i] ? 0 : fabs((double)after[i] - before[i]);
		error = d <= error ? error : isnan(d) ? INFINITY : d;
	}
	return error;
}

static int compare(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
		   struct keel_error *e)
{
	const struct check *k = ctx;
	const struct keel_outputs *o = &k->before;
	unsigned int i;

	for (i = 0; i < o->nr; i++)
		if (keel_outputs_of(o, sample, i))
			k->error[sample * o->nr + i] =
				difference_of(keel_outputs_of(o, sample, i),
					      keel_float_output(f, i), keel_outputs_count(o, i));
	return 0;
}

static int compare_all(struct check *k, const struct keel_graph *after,
		       const struct keel_sample_source *source, unsigned int threads,
		       struct keel_error *e)
{
	const struct keel_sweep_ops ops = {.done = compare};
	struct keel_float *f = keel_float_new(after, e);
	int err = f ? keel_float_sweep(f, threads, source, &ops, k, e) : -EINVAL;

	keel_float_del(f);
	return err;
}

static double largest(const struct keel_outputs *o, unsigned int output)
{
	double max = 0;
	size_t s, i;

	for (s = 0; s < o->samples; s++)
		for (i = 0; i < keel_outputs_count(o, output); i++)
			max = fmax(max, fabsf(keel_outputs_of(o, s, output)[i]));
	return max;
}

static double worst(const struct check *k)
{
	double all = 0, error;
	unsigned int i;
	size_t s;

	for (i = 0; i < k->before.nr; i++) {
		for (s = 0, error = 0; s < k->before.samples; s++)
			error = fmax(error, k->error[s * k->before.nr + i]);
		all = fmax(all, error > 0 ? error / largest(&k->before, i) : 0);
	}
	return all;
}

int keel_factorize_check(const struct keel_graph *before, const struct keel_graph *after,
			 const struct keel_sample_source *source, unsigned int samples,
			 unsigned int threads, double *difference, struct keel_error *e)
{
	/* Spread over the samples, which are often sorted by what they show. */
	struct keel_some part = {source, samples < source->count ? samples : source->count};
	const struct keel_sample_source some = keel_some_source(&part);
	struct check k;
	int err = keel_outputs_run(&k.before, before, &some, threads, 0, e);

	k.error = calloc(part.count * before->nr_outputs + 1, sizeof(*k.error));
	if (!k.error)
		err = keel_error_set(e, -ENOMEM, "no memory to compare float outputs");
	if (!err)
		err = compare_all(&k, after, &some, threads, e);
	*difference = err ? 0 : worst(&k);
	keel_outputs_free(&k.before);
	free(k.error);
	return err;
}
