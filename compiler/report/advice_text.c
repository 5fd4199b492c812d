// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "advise.h"

#define MOST_DB 200.0

static json_t *trial_json(const struct keel_advice_trial *t)
{
	json_t *j = json_object();

	if (t->line)
		json_object_set_new(j, "options", json_string(t->line));
	json_object_set_new(j, "calibrated_with", json_integer(t->count));
	json_object_set_new(j, "failed", json_boolean(t->failed));
	if (t->failed)
		return j;
	json_object_set_new(j, "judged_on", json_integer(t->error.samples));
	json_object_set_new(j, "sqnr_db", json_real(fmin(t->error.sqnr, MOST_DB)));
	json_object_set_new(j, "agreement", json_real(t->error.agreement));
	return j;
}

static json_t *trials_json(const struct keel_advice_trial *trials, unsigned int nr, bool gains)
{
	json_t *a = json_array();
	unsigned int i;

	for (i = 0; i < nr; i++) {
		json_t *j = trial_json(&trials[i]);

		if (gains && !trials[i].failed)
			json_object_set_new(j, "gain_db", json_real(trials[i].gain));
		json_array_append_new(a, j);
	}
	return a;
}

json_t *keel_advice_json(const struct keel_advice *a)
{
	json_t *j = json_object();
	char text[256];

	if (!a) {
		json_decref(j);
		return json_null();
	}
	keel_advice_sentence(a, text, sizeof(text));
	json_object_set_new(j, "sentence", json_string(text));
	json_object_set_new(j, "best",
			    a->best < 0 ? json_null() : json_string(a->trials[a->best].line));
	json_object_set_new(j, "held_out", json_boolean(a->held_out));
	json_object_set_new(j, "base", trial_json(&a->base));
	json_object_set_new(j, "trials", trials_json(a->trials, a->nr, true));
	json_object_set_new(j, "sample_counts", trials_json(a->sizes, a->nr_sizes, false));
	return j;
}

void keel_advice_sentence(const struct keel_advice *a, char *text, size_t size)
{
	const struct keel_advice_trial *t = a->best < 0 ? NULL : &a->trials[a->best];

	if (t)
		snprintf(text, size, "%s gains %.1f dB: %.1f instead of %.1f", t->line, t->gain,
			 t->error.sqnr, a->base.error.sqnr);
	else if (a->nr)
		snprintf(text, size, "no change that was tried gains %.1f dB or more",
			 KEEL_ADVISE_WORTH);
	else
		snprintf(text, size, "no change of the options was tried");
}

static void print_trial(FILE *f, const struct keel_advice_trial *t)
{
	if (t->failed)
		fprintf(f, "  %-45s can't be compiled\n", t->line ? t->line : "as it is");
	else
		fprintf(f, "  %-45s %6.1f dB  %+5.1f\n", t->line ? t->line : "as it is",
			t->error.sqnr, t->gain);
}

void keel_advice_text(FILE *f, const struct keel_advice *a)
{
	char text[256];
	unsigned int i;

	keel_advice_sentence(a, text, sizeof(text));
	fprintf(f, "\nAdvice: %s\n", text);
	if (a->base.count)
		fprintf(f, "Calibrated with %zu samples, judged on %zu %s:\n", a->base.count,
			a->base.error.samples, a->held_out ? "others" : "of the same");
	if (a->base.count)
		print_trial(f, &a->base);
	for (i = 0; i < a->nr; i++)
		print_trial(f, &a->trials[i]);
	if (a->nr_sizes)
		fprintf(f, "Samples to calibrate with, judged on all:\n");
	for (i = 0; i < a->nr_sizes; i++)
		fprintf(f, "  %6zu %6.1f dB, agreement %.3f\n", a->sizes[i].count,
			a->sizes[i].error.sqnr, a->sizes[i].error.agreement);
}
