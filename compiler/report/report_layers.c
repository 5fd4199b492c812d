// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "diagnose.h"
#include "graph.h"
#include "report_layers.h"
#include "report_list.h"

static json_t *error_json(const struct keel_layer_error *e)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "sqnr_db", e->sqnr, "cosine", e->cosine,
			 "shift_levels", e->shift, "shift_relative", e->shift_relative, "saturated",
			 e->saturated);
}

static json_t *shares_json(const double *shares)
{
	json_t *j = json_object();
	unsigned int k;

	for (k = 0; k < KEEL_FAULT_COUNT; k++)
		json_object_set_new(j, keel_fault_name((enum keel_fault)k), json_real(shares[k]));
	return j;
}

static json_t *noise_json(const struct keel_layer_diagnosis *d)
{
	return json_pack("{s:f, s:o, s:b}", "measured", d->measured, "predicted",
			 d->predicted < 0 ? json_null() : json_real(d->predicted), "model_misses",
			 keel_diagnose_misses(d));
}

static json_t *measured_json(double db)
{
	return isnan(db) ? json_null() : json_real(db);
}

static json_t *layer_json(const struct keel_layer_diagnosis *d)
{
	json_t *j = json_object();

	json_object_set_new(j, "node", keel_report_text_json(d->node->name));
	json_object_set_new(j, "op", json_string(keel_op_name(d->node->op)));
	json_object_set_new(j, "tensor", keel_report_text_json(d->out->name));
	json_object_set_new(j, "commands", json_integer(d->commands));
	json_object_set_new(j, "isolated", error_json(&d->isolated));
	json_object_set_new(j, "cumulative", error_json(&d->cumulative));
	json_object_set_new(j, "shares", shares_json(d->shares));
	json_object_set_new(j, "noise", noise_json(d));
	json_object_set_new(j, "alone_db", measured_json(d->alone));
	json_object_set_new(j, "restored_db", measured_json(d->restored));
	return j;
}

json_t *keel_report_layers_json(const struct keel_diagnosis *d)
{
	json_t *a = json_array();
	unsigned int i;

	if (!d) {
		json_decref(a);
		return json_null();
	}
	for (i = 0; i < d->nr; i++)
		json_array_append_new(a, layer_json(&d->layers[i]));
	return json_pack("{s:i, s:o, s:o}", "samples", (int)d->samples, "worst",
			 d->nr ? json_integer(d->worst) : json_null(), "layers", a);
}

static void print_measured(FILE *f, double db)
{
	if (isnan(db))
		fputs("      -", f);
	else
		fprintf(f, " %6.1f", db);
}

static void print_layer(FILE *f, const struct keel_layer_diagnosis *d)
{
	unsigned int k;

	fprintf(f, "%6.1f %6.1f", d->isolated.sqnr, d->cumulative.sqnr);
	print_measured(f, d->alone);
	print_measured(f, d->restored);
	fprintf(f, " %8.5f %7.2f %6.2f%% ", d->cumulative.cosine, d->cumulative.shift,
		100 * d->cumulative.saturated);
	for (k = 0; k < KEEL_FAULT_COUNT; k++)
		fprintf(f, " %3.0f", 100 * d->shares[k]);
	fprintf(f, " %s %-9s ", keel_diagnose_misses(d) ? "!" : " ", keel_op_name(d->node->op));
	keel_report_print_text(f, d->node->name);
	fputc('\n', f);
}

void keel_report_layers_text(FILE *f, const struct keel_diagnosis *d)
{
	unsigned int i;

	fprintf(f,
		"\nLayers, measured on %zu samples.\nSQNR, dB: isolated, cumulative, of the "
		"outputs "
		"with this layer alone in int8, alone in float; cosine, mean shift\n(levels) and "
		"saturated part, cumulative; where the error comes from, per cent: weights, "
		"input, output, shift;\n! where the model of uniform rounding is more than 1 dB "
		"off\n",
		d->samples);
	for (i = 0; i < d->nr; i++)
		print_layer(f, &d->layers[i]);
}
