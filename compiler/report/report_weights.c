// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "compile.h"
#include "report_list.h"
#include "report_weights.h"

static const char *const roundings[] = {"nearest", "compensated", "stochastic"};
static const char *const origins[] = {"chosen", "shared", "given", "recovered"};

const char *keel_report_rounding_name(enum keel_rounding rounding)
{
	return roundings[rounding];
}

static unsigned int count_origin(const struct keel_compiled *c, enum keel_scale_origin origin)
{
	unsigned int i, nr = 0;

	for (i = 0; i < c->g->nr_nodes; i++)
		nr += c->weights[i] && c->weights[i]->origin == origin;
	return nr;
}

/* How much smaller the errors of the layers' outputs have become, in decibels. */
static double gain(const struct keel_compiled *c, unsigned int *layers)
{
	double sum = 0;
	unsigned int i;

	*layers = 0;
	for (i = 0; i < c->g->nr_nodes; i++) {
		const struct keel_weights *w = c->weights[i];

		if (!w || w->rounding != KEEL_ROUND_COMPENSATED || !(w->error > 0))
			continue;
		sum += 10 * log10(w->nearest_error / w->error);
		++*layers;
	}
	return *layers ? sum / *layers : 0;
}

static void summary_raised(FILE *f, const struct keel_compiled *c)
{
	unsigned int i, nr = 0;
	const struct keel_node *first = NULL;

	for (i = 0; i < c->g->nr_nodes; i++)
		if (c->weights[i] && c->weights[i]->raised && !nr++)
			first = c->g->nodes[i];
	if (nr)
		fprintf(f,
			"               %lu scales raised so that biases fit, in %u layers, first "
			"'%s'\n",
			c->raised, nr, first->name);
}

static uint64_t file_bytes(const struct keel_weights *w)
{
	return w->encoded_bytes ? w->encoded_bytes : w->stored_bytes;
}

static double bits(const struct keel_weights *w)
{
	return 8.0 * file_bytes(w) / w->count;
}

static void summary_bytes(FILE *f, const struct keel_compiled *c)
{
	uint64_t stored = 0, in_file = 0;
	unsigned int i, coded = 0;

	for (i = 0; i < c->g->nr_nodes; i++) {
		if (!c->weights[i])
			continue;
		stored += c->weights[i]->stored_bytes;
		in_file += file_bytes(c->weights[i]);
		coded += c->weights[i]->encoded_bytes > 0;
	}
	if (coded)
		fprintf(f,
			"               %u layers entropy-coded: %.2f MiB in the file instead of "
			"%.2f\n",
			coded, in_file / 1048576.0, stored / 1048576.0);
}

void keel_report_weights_summary(FILE *f, const struct keel_compiled *c,
				 const struct keel_compile_options *o)
{
	unsigned int given = count_origin(c, KEEL_SCALES_GIVEN);
	unsigned int recovered = count_origin(c, KEEL_SCALES_RECOVERED), layers;
	double db = gain(c, &layers);

	fprintf(f, "weights        %s scales%s%s, %s rounding",
		o->per_channel ? "per-channel" : "per-tensor",
		o->weights_mse ? " of least squared error" : "",
		o->power_of_two ? ", powers of two" : "", roundings[o->rounding]);
	if (layers)
		fprintf(f, " (%.1f dB less error in %u layers)", db, layers);
	if (given || recovered)
		fprintf(f, "; %u layers arrived quantized, %u lay on a grid", given, recovered);
	fputc('\n', f);
	summary_raised(f, c);
	summary_bytes(f, c);
}

void keel_report_weights_text(FILE *f, const struct keel_compiled *c)
{
	unsigned int i;

	fprintf(f,
		"\nWeights: scales, raised ones, rounding, part of zeros, different values, bits "
		"in the file\n");
	for (i = 0; i < c->g->nr_nodes; i++) {
		const struct keel_weights *w = c->weights[i];

		if (!w)
			continue;
		fprintf(f, "%-40s %-10s %5u %-11s %6.3f %5u %6.2f  %s\n", c->g->nodes[i]->name,
			origins[w->origin], w->raised, roundings[w->rounding],
			(double)w->zeros / w->count, w->values, bits(w), w->kept);
	}
}

static json_t *layer_json(const struct keel_node *n, const struct keel_weights *w)
{
	json_t *j =
		json_pack("{s:o, s:s, s:i, s:s, s:s, s:I, s:I, s:i, s:I, s:I, s:f}", "node",
			  keel_report_text_json(n->name), "scales", origins[w->origin], "raised",
			  (int)w->raised, "rounding", roundings[w->rounding], "kept", w->kept,
			  "weights", (json_int_t)w->count, "zeros", (json_int_t)w->zeros, "values",
			  (int)w->values, "raw_bytes", (json_int_t)w->stored_bytes, "encoded_bytes",
			  (json_int_t)w->encoded_bytes, "bits_per_weight", bits(w));

	if (w->rounding == KEEL_ROUND_COMPENSATED) {
		json_object_set_new(j, "error", json_real(w->error));
		json_object_set_new(j, "nearest_error", json_real(w->nearest_error));
	}
	return j;
}

json_t *keel_report_weights_json(const struct keel_compiled *c)
{
	json_t *a = json_array();
	unsigned int i;

	for (i = 0; i < c->g->nr_nodes; i++)
		if (c->weights[i])
			json_array_append_new(a, layer_json(c->g->nodes[i], c->weights[i]));
	return a;
}
