// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compile_private.h"
#include "integer.h"
#include "keel_validate.h"
#include "lower.h"

/*
 * Bias correction takes the mean error out of every channel, which makes each layer's outputs
 * better and the network's usually, but not always: what remains of an error may do more without
 * its mean than with it. So half of the samples also run with the biases as they were, and if
 * that is better by more than chance, it stays so.
 *
 * They are samples that the biases were fitted to. Ones held out would have to be corrected for
 * a second time, and would judge no better: from 8 samples on the better network on the samples
 * was never more than 0.2 dB behind the better one on other pictures (twelve networks, 8 to 64
 * samples). Fewer say little, above all where their outputs are saturated, and there correction
 * costs 0.5 dB at most and may gain 13, so it is taken on trust.
 */
#define JUDGES_LEAST 8

/* A gain of less than so many standard errors is chance. */
#define GAIN_ERRORS 2

/** struct candidate - a sample that may be chosen as a judge */
struct candidate {
	size_t sample;
	uint32_t crc32;
};

static int by_checksum(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return (x->crc32 > y->crc32) - (x->crc32 < y->crc32);
}

/* Of what a sample's commands and host steps read. */
static uint32_t checksum(const struct keel_integer *n, size_t sample)
{
	const struct keel_memory *slots = keel_integer_slots(n, sample);
	uint32_t crc = keel_crc32(0, n->host_memory[sample], n->host.bytes);
	unsigned int i;

	for (i = KEEL_SLOT_INPUT; i < KEEL_SLOT_OUTPUT; i++)
		crc = keel_crc32(crc, slots[i].base, slots[i].bytes);
	return crc;
}

static size_t judges_of(size_t samples)
{
	return samples / 2 < JUDGES_LEAST ? JUDGES_LEAST : samples / 2;
}

/* By what they are, so that their order decides nothing. */
static int choose_judges(const struct keel_integer *n, bool *judges)
{
	struct candidate *all = calloc(n->samples, sizeof(*all));
	size_t i;

	if (!all)
		return -ENOMEM;
	for (i = 0; i < n->samples; i++)
		all[i] = (struct candidate){i, checksum(n, i)};
	qsort(all, n->samples, sizeof(*all), by_checksum);
	for (i = 0; i < judges_of(n->samples); i++)
		judges[all[i].sample] = true;
	free(all);
	return 0;
}

/** struct balance - noise of one judge
 * @corrected: with corrected biases
 * @plain: with the biases as they were
 */
struct balance {
	double corrected, plain;
};

static int ascending(const void *a, const void *b)
{
	const struct balance *x = a, *y = b;

	if (x->plain != y->plain)
		return x->plain < y->plain ? -1 : 1;
	return (x->corrected > y->corrected) - (x->corrected < y->corrected);
}

/* Sorted, so that the order of the samples changes no bit of a sum. */
static size_t sort_balances(const struct keel_compiled *c, const bool *judges, struct balance *b)
{
	size_t i, n = 0;

	for (i = 0; i < c->nr_noise; i++)
		if (judges[i])
			b[n++] = (struct balance){c->noise[i], c->noise[c->nr_noise + i]};
	qsort(b, n, sizeof(*b), ascending);
	return n;
}

/* Correction has to be worse, since outputs that are saturated may be equal on all samples. */
static int decide(struct keel_compiled *c, const bool *judges)
{
	struct balance *b = calloc(c->nr_noise, sizeof(*b));
	double plain = 0, corrected = 0, squares = 0, loss, error;
	size_t n, i;

	if (!b)
		return -ENOMEM;
	n = sort_balances(c, judges, b);
	for (i = 0; i < n; i++) {
		plain += b[i].plain;
		corrected += b[i].corrected;
		squares += (b[i].corrected - b[i].plain) * (b[i].corrected - b[i].plain);
	}
	free(b);
	loss = corrected - plain;
	error = sqrt(fmax(squares - loss * loss / n, 0) * n / (n - 1));
	c->corrected = !(loss > GAIN_ERRORS * error);
	c->bias_trial.tried = true;
	c->bias_trial.gain_db = loss == 0 ? 0 : 10 * log10(plain / corrected);
	return 0;
}

static int correct(struct keel_compiled *c, struct keel_integer *n, const struct keel_stats *stats,
		   const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_stage s = {o, "bias correction"};
	struct keel_calibrate_options options = keel_stage_options(&s);
	int err = keel_correct(n, stats, &options, &c->correct, e);

	c->corrected = !err;
	return err;
}

static int correct_on_trial(struct keel_compiled *c, struct keel_integer *n, const bool *judges,
			    const struct keel_sample_source *source, const struct keel_stats *stats,
			    const struct keel_compile_options *o, struct keel_error *e)
{
	int err = keel_integer_set_aside(n, judges, e);

	if (!err)
		err = correct(c, n, stats, o, e);
	if (!err)
		err = keel_compile_measure(c, n, source, o, e);
	if (!err && decide(c, judges))
		err = keel_error_set(e, -ENOMEM, "out of memory while judging bias correction");
	return err;
}

/* As if nothing had been corrected. */
static int take_back(struct keel_compiled *c, struct keel_integer *n, const void *constants,
		     const struct keel_sample_source *source, const struct keel_compile_options *o,
		     struct keel_error *e)
{
	memcpy(n->l->constants, constants, n->l->constants_bytes);
	c->correct = (struct keel_correct_result){0};
	if (o->judge)
		return 0;
	keel_integer_run(n);
	return keel_compile_measure(c, n, source, o, e);
}

static int correct_where_it_pays(struct keel_compiled *c, struct keel_integer *n,
				 const struct keel_sample_source *source,
				 const struct keel_stats *stats,
				 const struct keel_compile_options *o, struct keel_error *e)
{
	void *constants = malloc(n->l->constants_bytes + 1);
	bool *judges = calloc(n->samples, sizeof(*judges));
	int err = constants && judges ? choose_judges(n, judges) : -ENOMEM;

	if (err) {
		keel_error_set(e, err, "out of memory for a trial of bias correction");
	} else {
		memcpy(constants, n->l->constants, n->l->constants_bytes);
		err = correct_on_trial(c, n, judges, source, stats, o, e);
	}
	if (!err && !c->corrected)
		err = take_back(c, n, constants, source, o, e);
	free(constants);
	free(judges);
	return err;
}

int keel_compile_correct(struct keel_compiled *c, struct keel_integer *n,
			 const struct keel_sample_source *source, const struct keel_stats *stats,
			 const struct keel_compile_options *o, struct keel_error *e)
{
	int err;

	if (o->bias_correction == KEEL_CORRECT_AUTO && n->samples >= JUDGES_LEAST)
		return correct_where_it_pays(c, n, source, stats, o, e);
	err = correct(c, n, stats, o, e);
	return err || o->judge ? err : keel_compile_measure(c, n, source, o, e);
}
