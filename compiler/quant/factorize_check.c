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
 * Float outputs of two graphs compared. A first walk keeps the outputs of one, unless they
 * are known, a second compares those of the other; both use the same few samples.
 */

/** struct check - the second walk
 * @part: the samples
 * @before: outputs of the first, on @part or on all it is of
 * @all: it is on all
 * @error: max |difference| per sample and output
 */
struct check {
	struct keel_some part;
	const struct keel_outputs *before;
	bool all;
	double *error;
};

static const float *before_of(const struct check *k, size_t sample, unsigned int output)
{
	return keel_outputs_of(k->before, k->all ? keel_some_index(&k->part, sample) : sample,
			       output);
}

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
	unsigned int i, nr = k->before->nr;

	for (i = 0; i < nr; i++)
		if (before_of(k, sample, i))
			k->error[sample * nr + i] =
				difference_of(before_of(k, sample, i), keel_float_output(f, i),
					      keel_outputs_count(k->before, i));
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

static double largest(const struct check *k, unsigned int output)
{
	double max = 0;
	size_t s, i;

	for (s = 0; s < k->part.count; s++)
		for (i = 0; i < keel_outputs_count(k->before, output); i++)
			max = fmax(max, fabsf(before_of(k, s, output)[i]));
	return max;
}

static double worst(const struct check *k)
{
	double all = 0, error;
	unsigned int i;
	size_t s;

	for (i = 0; i < k->before->nr; i++) {
		for (s = 0, error = 0; s < k->part.count; s++)
			error = fmax(error, k->error[s * k->before->nr + i]);
		all = fmax(all, error > 0 ? error / largest(k, i) : 0);
	}
	return all;
}

int keel_factorize_check(const struct keel_graph *before, const struct keel_graph *after,
			 const struct keel_factorize_samples *samples, unsigned int most,
			 double *difference, struct keel_error *e)
{
	size_t count = samples->source->count;
	struct keel_outputs own = {0};
	struct check k = {
		/* Spread over the samples, which are often sorted by what they show. */
		.part = {samples->source, most < count ? most : count},
		.before = samples->known ? samples->known : &own,
		.all = samples->known,
	};
	const struct keel_sample_source some = keel_some_source(&k.part);
	int err = 0;

	if (!samples->known)
		err = keel_outputs_run(&own, before, &some, samples->threads, 0, e);
	k.error = calloc(k.part.count * before->nr_outputs + 1, sizeof(*k.error));
	if (!k.error)
		err = keel_error_set(e, -ENOMEM, "no memory to compare float outputs");
	if (!err)
		err = compare_all(&k, after, &some, samples->threads, e);
	*difference = err ? 0 : worst(&k);
	keel_outputs_free(&own);
	free(k.error);
	return err;
}
