/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_ADVISE_H
#define KEEL_ADVISE_H

#include <jansson.h>
#include <stdio.h>

#include "compile.h"
#include "integer.h"

/*
 * The option line that helps. What the worst layer suffers from says in which
 * order changes are tried; each is tried by compiling the network with it, and
 * judged on as many other samples as it was calibrated with.
 */

#define KEEL_ADVISE_TRIALS 3  /* that promise most */
#define KEEL_ADVISE_MOST   16 /* with KEEL_DIAGNOSE_SWEEP */
#define KEEL_ADVISE_SIZES  8

/** struct keel_advice_trial - a change of the options, or of the number of samples
 * @line: as on the command line; NULL behind the last one
 * @count: samples that it was calibrated with
 * @error: on the samples that judge
 * @gain: dB against the options as they are
 * @failed: it could not be compiled
 */
struct keel_advice_trial {
	const char *line;
	size_t count;
	struct keel_integer_error error;
	double gain;
	bool failed;
};

/** struct keel_advice - what was tried
 * @base: with the options as they are
 * @trials: in the order in which they were tried
 * @best: the one with the largest gain that is worth it; -1 when nothing helps
 * @held_out: the samples that judge had no part in calibration
 * @sizes: the same options with more and more samples, judged on all; see keel_advise_sizes()
 */
struct keel_advice {
	struct keel_advice_trial base, trials[KEEL_ADVISE_MOST];
	unsigned int nr;
	int best;
	bool held_out;
	struct keel_advice_trial sizes[KEEL_ADVISE_SIZES];
	unsigned int nr_sizes;
};

/* dB that a change has to gain to be recommended. */
#define KEEL_ADVISE_WORTH 0.5

/**
 * keel_advise() - try what may help
 * @g: as keel_compile_prepare() left it
 * @source: all calibration samples
 * @options: as they are
 * @c: compiled with them, and diagnosed
 *
 * Return: 0, also when nothing helps; -ECANCELED, -ENOMEM, or what the source returned.
 */
int keel_advise(const struct keel_graph *g, const struct keel_sample_source *source,
		const struct keel_compile_options *options, const struct keel_compiled *c,
		struct keel_advice *advice, struct keel_error *e);

/** keel_advise_sizes() - calibrate with 1, 4, 16 ... samples and judge on all of them */
int keel_advise_sizes(const struct keel_graph *g, const struct keel_sample_source *source,
		      const struct keel_compile_options *options, struct keel_advice *advice,
		      struct keel_error *e);

/** keel_advice_json() - an object; JSON's null without advice */
json_t *keel_advice_json(const struct keel_advice *a);

/** keel_advice_text() - a few lines */
void keel_advice_text(FILE *f, const struct keel_advice *a);

/** keel_advice_sentence() - the result in one sentence */
void keel_advice_sentence(const struct keel_advice *a, char *text, size_t size);

#endif
