// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "compile_private.h"
#include "integer.h"
#include "lower.h"
#include "some.h"

static uint64_t memory_for_samples(const struct keel_compile_options *o)
{
	return o->memory ? o->memory : KEEL_COMPILE_MEMORY;
}

static uint64_t host_bytes(const struct keel_lowered *l)
{
	struct keel_host_run r;
	struct keel_error e;
	uint64_t bytes = keel_host_run_init(&r, l, &e) ? 0 : r.bytes;

	keel_host_run_free(&r);
	return bytes;
}

/* Every sample has a memory of its own while all of them go from layer to layer. */
static size_t samples_that_fit(const struct keel_lowered *l, uint64_t memory)
{
	uint64_t bytes = l->scratch_bytes + host_bytes(l) + 1, fit;
	unsigned int i;

	for (i = 0; i < l->nr_areas; i++)
		if (l->areas[i]->slot > KEEL_SLOT_SCRATCH)
			bytes += l->areas[i]->bytes;
	fit = memory / bytes;
	return fit ? fit : 1;
}

/* NULL where @source has other samples than those that they are of, or only a part. */
static const struct keel_outputs *known_outputs(const struct keel_compiled *c,
						const struct keel_sample_source *source,
						const struct keel_compile_options *o)
{
	bool same = o->judge ? source == o->judge : source->count == c->outputs->samples;

	return same ? c->outputs : NULL;
}

int keel_compile_measure(struct keel_compiled *c, struct keel_integer *n,
			 const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_integer_error error = {0};
	int err;

	if (o->unmeasured)
		return 0;
	keel_stage_begin(o, "measure");
	free(c->noise);
	c->nr_noise = source->count;
	c->noise = calloc((n->aside ? 2 : 1) * c->nr_noise + 1, sizeof(*c->noise));
	if (!c->noise)
		return keel_error_set(e, -ENOMEM, "out of memory while measuring");
	err = keel_integer_judge(n, source, known_outputs(c, source, o), o->threads, c->noise,
				 &error, e);
	c->measured = !err;
	c->sqnr_db = error.sqnr;
	c->agreement = error.agreement;
	return err;
}

/* Other samples than those that the biases were corrected on. */
static int judge(struct keel_compiled *c, struct keel_lowered *l,
		 const struct keel_compile_options *o, struct keel_error *e)
{
	size_t fit = samples_that_fit(l, memory_for_samples(o));
	struct keel_some part = {o->judge, fit < o->judge->count ? fit : o->judge->count};
	const struct keel_sample_source some = keel_some_source(&part);
	const struct keel_sample_source *source = fit < o->judge->count ? &some : o->judge;
	struct keel_integer n;
	int err = keel_integer_init(&n, l, source, o->threads, e);

	if (!err) {
		keel_integer_run(&n);
		err = keel_compile_measure(c, &n, source, o, e);
	}
	keel_integer_free(&n);
	return err;
}

static bool corrects(const struct keel_compile_options *o)
{
	return o->bias_correction == KEEL_CORRECT_ITERATIVE ||
	       o->bias_correction == KEEL_CORRECT_AUTO;
}

static int correct_and_measure(struct keel_compiled *c, struct keel_lowered *l,
			       const struct keel_sample_source *source,
			       const struct keel_stats *stats, const struct keel_compile_options *o,
			       struct keel_error *e)
{
	struct keel_error why = {""};
	struct keel_integer n;
	int err = keel_integer_init(&n, l, source, o->threads, &why);

	if (!err && corrects(o)) {
		err = keel_compile_correct(c, &n, source, stats, o, &why);
	} else if (!err && !o->judge) {
		keel_integer_run(&n);
		err = keel_compile_measure(c, &n, source, o, &why);
	}
	keel_integer_free(&n);
	if (!err && o->judge)
		err = judge(c, l, o, &why);
	return err ? keel_error_set(e, err, "%s", why.text) : 0;
}

/* Means over some samples are only comparable with the float network's over the same ones. */
static int correct_on_some(struct keel_compiled *c, struct keel_lowered *l,
			   const struct keel_sample_source *source, size_t count,
			   const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_some part = {source, count};
	const struct keel_sample_source some = keel_some_source(&part);
	struct keel_stage s = {o, "calibrate on some"};
	struct keel_calibrate_options options = keel_stage_options(&s);
	struct keel_stats *stats = NULL;
	int err = keel_calibrate(c->g, &some, &options, &stats, e);

	snprintf(c->note, sizeof(c->note),
		 "the integer network saw %zu of %zu samples: as many as fit into %llu MiB", count,
		 source->count, (unsigned long long)memory_for_samples(o) >> 20);
	if (!err)
		err = correct_and_measure(c, l, &some, stats, o, e);
	keel_stats_del(stats);
	return err;
}

int keel_compile_integer(struct keel_compiled *c, struct keel_lowered *l,
			 const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_error *e)
{
	size_t fit = samples_that_fit(l, memory_for_samples(o));

	if (!source->count) {
		snprintf(c->note, sizeof(c->note), "no samples: %snothing was measured",
			 o->bias_correction == KEEL_CORRECT_ANALYTIC
				 ? ""
				 : "biases aren't corrected, and ");
		return 0;
	}
	if (o->unmeasured && !corrects(o))
		return 0;
	if (fit < source->count)
		return correct_on_some(c, l, source, fit, o, e);
	return correct_and_measure(c, l, source, c->stats, o, e);
}
