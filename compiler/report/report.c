// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "noise.h"
#include "report.h"
#include "report_layers.h"
#include "report_weights.h"

static const char *const factorize_names[] = {"none", "one-step", "two-step", "least-noise",
					      "equalize"};
static const char *const correct_names[] = {"none", "iterative", "analytic", "auto"};
static const char *const absorb_names[] = {"none", "minima", "batchnorm"};
static const char *const compress_names[] = {"never", "auto", "always"};
static const char *const diagnose_names[] = {"none", "layers", "sweep"};

/* Weights behind one channel of the first dimension; 0 where a shape is not known. */
static uint64_t taps(const struct keel_tensor *w)
{
	return w->rank && w->dims[0] > 0 ? keel_tensor_count(w) / w->dims[0] : 0;
}

static uint64_t node_macs(const struct keel_node *n)
{
	const struct keel_tensor *x;

	switch (n->op) {
	case KEEL_OP_CONV:
	case KEEL_OP_FC:
		return keel_tensor_count(n->outputs[0]) * taps(n->inputs[1]);
	case KEEL_OP_CONV_TRANSPOSE:
		/* Every input pixel meets every tap. */
		return keel_tensor_count(n->inputs[0]) * taps(n->inputs[1]);
	case KEEL_OP_MATMUL:
		x = n->inputs[0];
		return x->rank ? keel_tensor_count(n->outputs[0]) * x->dims[x->rank - 1] : 0;
	default:
		return 0;
	}
}

uint64_t keel_report_macs(const struct keel_graph *g)
{
	uint64_t macs = 0;
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++)
		macs += node_macs(g->nodes[i]);
	return macs;
}

static json_t *counts_json(const struct keel_report_figures *figures, uint64_t macs)
{
	const struct keel_report_list *l = figures->list;

	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:I, s:f, s:f}", "nodes", l->nr, "npu",
			 l->count[KEEL_PLACE_NPU], "host", l->count[KEEL_PLACE_HOST], "unsupported",
			 l->count[KEEL_PLACE_UNSUPPORTED], "folded", l->count[KEEL_REPORT_FOLDED],
			 "macs", (json_int_t)macs, "seconds", figures->seconds, "peak_rss_mib",
			 figures->peak_rss_mib);
}

json_t *keel_report_check_json(const struct keel_report_figures *figures)
{
	json_t *j = counts_json(figures, figures->macs);

	json_object_set_new(j, "verdicts", keel_report_list_json(figures->list));
	return j;
}

static const struct keel_factorize_layer *largest_spread(const struct keel_factorize_plan *plan)
{
	const struct keel_factorize_layer *best = NULL;
	unsigned int i;

	for (i = 0; plan && i < plan->nr_layers; i++) {
		const struct keel_factorize_layer *l = &plan->layers[i];

		if (!l->blocker && (!best || l->max / l->min > best->max / best->min))
			best = l;
	}
	return best;
}

static void summary_factorize(FILE *f, const struct keel_compiled *c,
			      const struct keel_compile_options *o)
{
	const struct keel_factorize_layer *l = largest_spread(c->factorize.plan);
	unsigned int i, equalized = 0;

	if (o->factorize.mode == KEEL_FACTORIZE_NONE)
		return;
	for (i = 0; c->factorize.plan && i < c->factorize.plan->nr_layers; i++)
		equalized += !c->factorize.plan->layers[i].blocker;
	fprintf(f, "factorization  %s: ", factorize_names[o->factorize.mode]);
	if (c->factorize.rolled_back) {
		fprintf(f, "rolled back: %s\n", c->factorize.note);
		return;
	}
	fprintf(f, "%u layers equalized", equalized);
	if (l)
		fprintf(f, ", widest in '%s' (%.3g .. %.3g)", l->node->name, l->min, l->max);
	fprintf(f, "; float outputs moved by %.1e\n", c->factorize.difference);
}

static void summary_ranges(FILE *f, const struct keel_compiled *c,
			   const struct keel_compile_options *o)
{
	const struct keel_range_trial *t = &c->trial;

	fprintf(f, "ranges         %s, %zu samples", keel_range_method_names[o->ranges.method],
		c->stats->samples);
	if (o->ranges.method == KEEL_RANGE_AUTO && !c->measured)
		fprintf(f, "; left at minmax, since the integer network can't be tried");
	else if (o->ranges.method == KEEL_RANGE_AUTO)
		fprintf(f,
			"; %.2f dB instead of %.2f with minmax, a sample %.2f dB better (+- %.2f): "
			"%s",
			t->auto_db, t->minmax_db, -100 * t->gain, 100 * t->error,
			t->kept ? "kept" : "left at minmax");
	fprintf(f, "\n");
}

static void summary_advice(FILE *f, const struct keel_compiled *c, const struct keel_advice *a)
{
	char text[256];

	if (c->diagnosis && c->diagnosis->nr) {
		const struct keel_layer_diagnosis *l = &c->diagnosis->layers[c->diagnosis->worst];

		fputs("worst layer    ", f);
		keel_report_print_text(f, l->node->name);
		fprintf(f, ": %.1f dB isolated, %.1f cumulative", l->isolated.sqnr,
			l->cumulative.sqnr);
		if (!isnan(l->alone))
			fprintf(f, ", %.1f at the outputs if it alone is int8", l->alone);
		fputc('\n', f);
	}
	if (!a)
		return;
	keel_advice_sentence(a, text, sizeof(text));
	fprintf(f, "advice         %s\n", text);
}

static void summary_search(FILE *f, const struct keel_search_result *r)
{
	unsigned int i;

	if (!r)
		return;
	for (i = 0; i < r->nr_trials; i++) {
		const struct keel_trial *t = &r->trials[i];

		fprintf(f, "%s %-28s %.2f dB instead of %.2f: %s\n",
			i ? "              " : "tried         ", t->option, t->after, t->before,
			t->kept ? "kept" : "left");
	}
	if (r->nr_trials)
		fprintf(f, "               (fitted to %zu samples, measured on %zu others)\n",
			r->fitted, r->judged);
	if (r->note[0])
		fprintf(f, "tried          nothing: %s\n", r->note);
}

static void summary_biases(FILE *f, const struct keel_compiled *c,
			   const struct keel_compile_options *o)
{
	if (c->repair.rolled_back)
		fprintf(f, "dead channels  left alone: float outputs would move by %.1e\n",
			c->repair.difference);
	else if (c->repair.channels || c->repair.columns)
		fprintf(f,
			"dead channels  %lu in %u layers are constants now, %lu no longer read\n",
			c->repair.channels, c->repair.layers, c->repair.columns);
	if (o->absorb == KEEL_ABSORB_NONE)
		return;
	fprintf(f, "absorption     %s: %lu channels of %u layers%s\n", absorb_names[o->absorb],
		c->absorb.channels, c->absorb.layers, c->absorb.rolled_back ? ", rolled back" : "");
}

static bool noise_model_holds(const struct keel_compiled *c)
{
	return fabs(c->predicted_db - c->sqnr_db) <= KEEL_NOISE_TOLERANCE_DB;
}

static void summary_correct(FILE *f, const struct keel_correct_result *r,
			    enum keel_correct_method method)
{
	if (method == KEEL_CORRECT_ANALYTIC)
		fprintf(f,
			"bias           %lu channels corrected, by up to %.1f levels; inputs told "
			"by "
			"BatchNorm in %u layers, seen in %u, unknown in %u\n",
			r->channels, r->largest, r->told, r->seen, r->unknown);
	else
		fprintf(f,
			"bias           %lu channels corrected on %zu samples, by up to %.1f "
			"levels\n",
			r->channels, r->samples, r->largest);
}

void keel_report_summary(FILE *f, const struct keel_compiled *c,
			 const struct keel_compile_options *o,
			 const struct keel_report_figures *figures)
{
	const unsigned int *n = figures->list->count;

	fprintf(f, "%s -> %s\n", figures->network, figures->output);
	fprintf(f, "nodes          %u npu, %u host, %u folded\n", n[KEEL_PLACE_NPU],
		n[KEEL_PLACE_HOST], n[KEEL_REPORT_FOLDED]);
	fprintf(f, "target         %s, %u commands, %.1f million MACs, %.2f MiB\n", o->target.name,
		c->commands, c->macs / 1e6, c->bytes / 1048576.0);
	summary_search(f, figures->search);
	keel_report_weights_summary(f, c, o);
	summary_factorize(f, c, o);
	summary_biases(f, c, o);
	summary_ranges(f, c, o);
	if (o->int16.mode == KEEL_INT16_AUTO)
		fprintf(f, "int16          %u groups of activations, %u tried\n", c->int16,
			c->int16_tried);
	else if (o->int16.mode != KEEL_INT16_NONE)
		fprintf(f, "int16          %u groups of activations\n", c->int16);
	if (o->host.mode == KEEL_HOST_AUTO)
		fprintf(f, "host           %u nodes in float, %u tried\n", c->on_host,
			c->host_tried);
	else if (o->host.mode != KEEL_HOST_NONE)
		fprintf(f, "host           %u nodes in float\n", c->on_host);
	if (c->round_trips)
		fprintf(f, "round trips    %u: the host works between commands\n", c->round_trips);
	if (c->corrected)
		summary_correct(f, &c->correct, o->bias_correction);
	else if (c->bias_trial.tried)
		fprintf(f, "bias           left alone: correction would lose %.1f dB\n",
			fmin(-c->bias_trial.gain_db, 200));
	if (c->measured)
		fprintf(f, "accuracy       %.1f dB against the float network on these samples\n",
			c->sqnr_db);
	if (c->measured)
		fprintf(f, "predicted      %.1f dB; %s\n", c->predicted_db,
			noise_model_holds(c) ? "rounding errors act as uniform noise"
					     : "rounding errors don't act as uniform noise here");
	summary_advice(f, c, figures->advice);
	if (c->note[0])
		fprintf(f, "note           %s\n", c->note);
	fprintf(f, "took           %.1f s, %.0f MiB\n", figures->seconds, figures->peak_rss_mib);
}

static json_t *factorize_json(const struct keel_compiled *c)
{
	json_t *a = json_array();
	unsigned int i, k;

	for (i = 0; c->factorize.plan && i < c->factorize.plan->nr_layers; i++) {
		const struct keel_factorize_layer *l = &c->factorize.plan->layers[i];
		json_t *j = json_pack("{s:o, s:i, s:f, s:f, s:o}", "node",
				      keel_report_text_json(l->node->name), "channels", l->channels,
				      "min", l->min, "max", l->max, "blocker",
				      l->blocker ? keel_report_text_json(l->blocker) : json_null());
		json_t *limits = json_object();

		for (k = 0; k < KEEL_LIMIT_COUNT; k++)
			if (l->limits[k])
				json_object_set_new(limits, keel_factorize_limit_name(k),
						    json_integer(l->limits[k]));
		json_object_set_new(j, "limits", limits);
		json_array_append_new(a, j);
	}
	return json_pack("{s:b, s:f, s:o, s:o}", "rolled_back", c->factorize.rolled_back,
			 "difference", c->factorize.difference, "note",
			 keel_report_text_json(c->factorize.note), "layers", a);
}

static json_t *repair_json(const struct keel_repair_result *r)
{
	return json_pack("{s:b, s:I, s:i, s:I, s:f}", "rolled_back", r->rolled_back, "channels",
			 (json_int_t)r->channels, "layers", r->layers, "columns",
			 (json_int_t)r->columns, "difference", r->difference);
}

static json_t *absorb_json(const struct keel_absorb_result *r)
{
	return json_pack("{s:b, s:I, s:i, s:f}", "rolled_back", r->rolled_back, "channels",
			 (json_int_t)r->channels, "layers", r->layers, "difference", r->difference);
}

static json_t *range_json(const struct keel_compiled *c, const struct keel_tensor *t)
{
	const struct keel_tensor_stats *s = keel_stats_of(c->stats, t);
	const struct keel_range_choice *r = &c->ranges[t->id];

	return json_pack("{s:o, s:f, s:f, s:f, s:i, s:b, s:s, s:s, s:s?, s:f, s:f}", "tensor",
			 keel_report_text_json(t->name), "min", s->min, "max", s->max, "scale",
			 t->quant.scale, "zero_point", t->quant.zero_point, "given", t->quant.given,
			 "type", t->quant.wide ? "int16" : "int8", "range",
			 keel_range_method_names[r->method], "why", r->why, "error", r->error,
			 "minmax_error", r->minmax_error);
}

static json_t *tensors_json(const struct keel_compiled *c)
{
	json_t *a = json_array();
	unsigned int i;

	for (i = 0; i < c->g->nr_tensors; i++) {
		const struct keel_tensor *t = c->g->tensors[i];
		const struct keel_tensor_stats *s = keel_stats_of(c->stats, t);

		if (!s || !t->quant.scale)
			continue;
		json_array_append_new(a, range_json(c, t));
	}
	return a;
}

/* JSON has no infinity, and nothing that isn't a number. */
static json_t *decibels(double db)
{
	return isnan(db) ? json_null() : json_real(fmax(fmin(db, 200), -200));
}

static json_t *search_json(const struct keel_search_result *r)
{
	json_t *a = json_array();
	unsigned int i;

	for (i = 0; r && i < r->nr_trials; i++) {
		const struct keel_trial *t = &r->trials[i];

		json_array_append_new(a, json_pack("{s:s, s:o, s:o, s:b}", "option", t->option,
						   "before_db", decibels(t->before), "after_db",
						   decibels(t->after), "kept", t->kept));
	}
	return a;
}

static json_t *range_trial_json(const struct keel_compiled *c, const struct keel_compile_options *o)
{
	const struct keel_range_trial *t = &c->trial;

	if (o->ranges.method != KEEL_RANGE_AUTO || !c->measured)
		return json_null();
	return json_pack("{s:o, s:o, s:f, s:f, s:b}", "minmax_db", decibels(t->minmax_db),
			 "auto_db", decibels(t->auto_db), "gain", t->gain, "error", t->error,
			 "kept", t->kept);
}

static json_t *bias_trial_json(const struct keel_compiled *c)
{
	return c->bias_trial.tried
		       ? json_pack("{s:o, s:b}", "gain_db", decibels(c->bias_trial.gain_db), "kept",
				   c->corrected)
		       : json_null();
}

json_t *keel_report_json(const struct keel_compiled *c, const struct keel_compile_options *o,
			 const struct keel_report_figures *figures)
{
	json_t *j = counts_json(figures, c->macs);
	char *text = keel_report_options_json(o, c->stats->samples, figures->seed);

	json_object_set_new(j, "network", keel_report_text_json(figures->network));
	json_object_set_new(j, "output", keel_report_text_json(figures->output));
	json_object_set_new(j, "commands", json_integer(c->commands));
	json_object_set_new(j, "bytes", json_integer(c->bytes));
	json_object_set_new(j, "options", text ? json_loads(text, 0, NULL) : json_null());
	json_object_set_new(j, "dead_channels", repair_json(&c->repair));
	json_object_set_new(j, "factorization", factorize_json(c));
	json_object_set_new(j, "absorbed", absorb_json(&c->absorb));
	json_object_set_new(
		j, "int16",
		json_pack("{s:i, s:i}", "groups", (int)c->int16, "tried", (int)c->int16_tried));
	json_object_set_new(j, "host_float",
			    json_pack("{s:i, s:i, s:i}", "nodes", (int)c->on_host, "tried",
				      (int)c->host_tried, "round_trips", (int)c->round_trips));
	json_object_set_new(j, "bias_correction",
			    json_pack("{s:b, s:i, s:i, s:i, s:i, s:i, s:f}", "done", c->corrected,
				      "samples", (int)c->correct.samples, "channels",
				      (int)c->correct.channels, "told", c->correct.told, "seen",
				      c->correct.seen, "unknown", c->correct.unknown,
				      "largest_levels", c->correct.largest));
	json_object_set_new(j, "bias_trial", bias_trial_json(c));
	json_object_set_new(j, "optimize", json_integer(figures->optimize));
	json_object_set_new(j, "tried", search_json(figures->search));
	json_object_set_new(j, "range_trial", range_trial_json(c, o));
	json_object_set_new(j, "sqnr_db", c->measured ? decibels(c->sqnr_db) : json_null());
	json_object_set_new(j, "predicted_db",
			    c->measured ? decibels(c->predicted_db) : json_null());
	json_object_set_new(j, "uniform_noise",
			    c->measured ? json_boolean(noise_model_holds(c)) : json_null());
	json_object_set_new(j, "note", keel_report_text_json(c->note));
	json_object_set_new(j, "verdicts", keel_report_list_json(figures->list));
	json_object_set_new(j, "tensors", tensors_json(c));
	json_object_set_new(j, "weights", keel_report_weights_json(c));
	json_object_set_new(j, "diagnose", json_string(diagnose_names[o->diagnose]));
	json_object_set_new(j, "diagnosis", keel_report_layers_json(c->diagnosis));
	json_object_set_new(j, "advice", keel_advice_json(figures->advice));
	free(text);
	return j;
}

static json_t *int16_json(const struct keel_int16_options *o)
{
	static const char *const modes[] = {"none", "names", "all", "auto"};
	json_t *j = json_object(), *names = json_array();
	unsigned int i;

	json_object_set_new(j, "mode", json_string(modes[o->mode]));
	for (i = 0; i < o->nr_names && o->mode == KEEL_INT16_NAMES; i++)
		json_array_append_new(names, json_string(o->names[i]));
	json_object_set_new(j, "names", names);
	json_object_set_new(j, "most", json_integer(o->most));
	json_object_set_new(j, "budget_db", json_real(o->budget_db));
	return j;
}

static json_t *host_json(const struct keel_host_options *o)
{
	static const char *const modes[] = {"none", "names", "auto"};
	json_t *names = json_array();
	unsigned int i;

	for (i = 0; i < o->nr_names && o->mode == KEEL_HOST_NAMES; i++)
		json_array_append_new(names, keel_report_text_json(o->names[i]));
	return json_pack("{s:s, s:o, s:i, s:f}", "mode", modes[o->mode], "names", names, "most",
			 (int)o->most, "budget_db", o->budget_db);
}

/* No times, paths or thread counts: the same options must give the same file. */
char *keel_report_options_json(const struct keel_compile_options *o, size_t samples,
			       unsigned int seed)
{
	json_t *j = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:I, s:b, s:s}", "compiler",
		KEEL_VERSION, "granularity", o->per_channel ? "per-channel" : "per-tensor",
		"factorize", factorize_names[o->factorize.mode], "weight_scales",
		o->weights_mse ? "mse" : "max", "ranges", keel_range_method_names[o->ranges.method],
		"bias_correction", correct_names[o->bias_correction], "target", o->target.name,
		"samples", (int)samples, "seed", (int)seed, "rounding",
		keel_report_rounding_name(o->rounding), "rounding_seed",
		(json_int_t)o->rounding_seed, "power_of_two", o->power_of_two, "compress_weights",
		compress_names[o->compress]);
	char *text;

	json_object_set_new(j, "int16", int16_json(&o->int16));
	json_object_set_new(j, "host", host_json(&o->host));
	if (o->ranges.percentile > 0)
		json_object_set_new(j, "percentile", json_real(o->ranges.percentile));
	if (o->inputs)
		json_object_set_new(j, "input_range",
				    json_pack("[f, f]", o->inputs[0].lo, o->inputs[0].hi));
	json_object_set_new(j, "absorb_bias", json_string(absorb_names[o->absorb]));
	json_object_set_new(j, "dead_channels", json_string(o->keep_dead ? "keep" : "repair"));
	text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(j);
	return text;
}

static void text_range(FILE *f, const struct keel_tensor *t, const struct keel_tensor_stats *s,
		       const struct keel_range_choice *r)
{
	fprintf(f, "%-40s %10.4g %10.4g %12.6g %5d  ", t->name, s->min, s->max, t->quant.scale,
		t->quant.zero_point);
	if (t->quant.wide)
		fprintf(f, "int16, ");
	if (r->why)
		fprintf(f, "%s\n", r->why);
	else if (r->minmax_error > 0)
		fprintf(f, "%s, predicted error %.3f of minmax's\n",
			keel_range_method_names[r->method], r->error / r->minmax_error);
	else
		fprintf(f, "%s\n", keel_range_method_names[r->method]);
}

void keel_report_text(FILE *f, const struct keel_compiled *c, const struct keel_compile_options *o,
		      const struct keel_report_figures *figures)
{
	unsigned int i;

	keel_report_summary(f, c, o, figures);
	fprintf(f, "\nNodes\n");
	keel_report_list_print(f, figures->list);
	if (c->diagnosis)
		keel_report_layers_text(f, c->diagnosis);
	if (figures->advice)
		keel_advice_text(f, figures->advice);
	fprintf(f, "\nFactorization: smallest and largest scale of each layer\n");
	for (i = 0; c->factorize.plan && i < c->factorize.plan->nr_layers; i++) {
		const struct keel_factorize_layer *l = &c->factorize.plan->layers[i];

		fprintf(f, "%-40s %10.4g %10.4g  %s\n", l->node->name, l->min, l->max,
			l->blocker ? l->blocker : "");
	}
	keel_report_weights_text(f, c);
	fprintf(f, "\nTensors: range seen, scale, zero point, how the range was chosen\n");
	for (i = 0; i < c->g->nr_tensors; i++) {
		const struct keel_tensor *t = c->g->tensors[i];
		const struct keel_tensor_stats *s = keel_stats_of(c->stats, t);

		if (s && t->quant.scale)
			text_range(f, t, s, &c->ranges[t->id]);
	}
}
