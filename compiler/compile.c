// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "emit.h"
#include "integer.h"
#include "lower.h"
#include "match.h"
#include "passes.h"
#include "rows.h"
#include "weights.h"

#define MEMORY_FOR_SAMPLES (1ull << 30)

/* A constant without elements may be put out in float, but a model file can't say so. */
static int check_outputs(const struct keel_graph *g, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < g->nr_outputs; i++)
		if (!keel_tensor_count(g->outputs[i]))
			return keel_error_set(e, -EINVAL,
					      "the output '%s' has no elements; leave it out",
					      g->outputs[i]->name);
	return 0;
}

int keel_compile_prepare(struct keel_graph *g, struct keel_error *e)
{
	static int (*const passes[])(struct keel_graph *, struct keel_error *) = {
		keel_pass_match, keel_pass_qdq, keel_pass_rows, keel_pass_fold, keel_pass_fuse,
	};
	unsigned int i;
	int err = check_outputs(g, e);

	for (i = 0; i < sizeof(passes) / sizeof(passes[0]) && !err; i++)
		err = passes[i](g, e);
	return err;
}

static void stage(const struct keel_compile_options *o, const char *name, size_t done, size_t total)
{
	if (o->stage)
		o->stage(o->ctx, name, done, total);
}

/** struct stage_ctx - adapts per-sample progress to named stages */
struct stage_ctx {
	const struct keel_compile_options *o;
	const char *name;
};

static void stage_progress(void *ctx, size_t done, size_t total)
{
	const struct stage_ctx *s = ctx;

	stage(s->o, s->name, done, total);
}

static struct keel_calibrate_options calibrate_options(struct stage_ctx *s)
{
	return (struct keel_calibrate_options){
		.threads = s->o->threads,
		.progress = stage_progress,
		.ctx = s,
		.cancel = s->o->cancel,
	};
}

static int place(struct keel_compiled *c, struct keel_error *e)
{
	struct keel_verdict *v = realloc(c->verdicts, (c->g->nr_nodes + 1) * sizeof(*v));
	unsigned int i, unsupported;

	if (!v)
		return keel_error_set(e, -ENOMEM, "out of memory while placing nodes");
	c->verdicts = v;
	unsupported = keel_place(c->g, v);
	for (i = 0; unsupported && i < c->g->nr_nodes; i++) {
		const struct keel_node *n = c->g->nodes[i];

		if (v[i].place != KEEL_PLACE_UNSUPPORTED)
			continue;
		return keel_error_set(
			e, -EOPNOTSUPP,
			"node '%.120s' (%s) can't be compiled: %s; %s (--check lists all "
			"%u such nodes)",
			n->name, n->onnx_op ? n->onnx_op : keel_op_name(n->op), v[i].reason,
			v[i].suggestion, unsupported);
	}
	return 0;
}

static int calibrate(struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, const char *name, bool histograms,
		     struct keel_error *e)
{
	struct stage_ctx s = {o, name};
	struct keel_calibrate_options options = calibrate_options(&s);
	int err = 0;

	if (!c->stats)
		err = keel_calibrate(c->g, source, &options, &c->stats, e);
	s.name = "histograms";
	if (!err && histograms)
		err = keel_calibrate_histograms(c->g, source, &options, c->stats, e);
	return err;
}

static int factorize(struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_factorize_options f = o->factorize;
	int err;

	if (f.mode == KEEL_FACTORIZE_NONE)
		return 0;
	stage(o, "factorize", 0, 0);
	f.per_channel = o->per_channel;
	err = keel_factorize(&c->g, &c->before, c->stats, source, o->threads, &f, &c->factorize, e);
	if (err)
		return err;
	if (c->factorize.recalibrate) {
		keel_stats_del(c->stats);
		c->stats = NULL;
	}
	return place(c, e);
}

static bool has_weights(const struct keel_node *n)
{
	return n->op == KEEL_OP_CONV || n->op == KEEL_OP_CONV_TRANSPOSE || n->op == KEEL_OP_FC;
}

static int quantize_weights(struct keel_compiled *c, const struct keel_compile_options *o,
			    struct keel_weights **weights, struct keel_error *e)
{
	struct keel_weight_options w = {.per_channel = o->per_channel, .mse = o->weights_mse};
	unsigned int i;
	int err = 0;

	for (i = 0; i < c->g->nr_nodes && !err; i++) {
		const struct keel_node *n = c->g->nodes[i];

		if (!has_weights(n) || c->verdicts[i].place != KEEL_PLACE_NPU)
			continue;
		w.wide = n->inputs[0]->quant.wide;
		err = keel_weights_quantize(n, n->inputs[0]->quant.scale, &w, &weights[i], e);
		if (!err)
			c->raised += weights[i]->raised;
	}
	return err;
}

/** struct subset - some of the samples, evenly spread */
struct subset {
	const struct keel_sample_source *all;
	size_t count;
};

static int get_some(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct subset *s = ctx;

	return s->all->get(s->all->ctx, index * s->all->count / s->count, inputs, e);
}

/* Every sample has a memory of its own while all of them go from layer to layer. */
static size_t samples_that_fit(const struct keel_lowered *l, uint64_t memory)
{
	uint64_t bytes = l->scratch_bytes + 1, fit;
	unsigned int i;

	for (i = 0; i < l->nr_areas; i++)
		if (l->areas[i]->slot > KEEL_SLOT_SCRATCH)
			bytes += l->areas[i]->bytes;
	fit = (memory ? memory : MEMORY_FOR_SAMPLES) / bytes;
	return fit ? fit : 1;
}

static int correct(struct keel_compiled *c, struct keel_integer *n, const struct keel_stats *stats,
		   const struct keel_compile_options *o, struct keel_error *e)
{
	struct stage_ctx s = {o, "bias correction"};
	struct keel_calibrate_options options = calibrate_options(&s);
	unsigned int i;
	int err;

	if (!o->bias_correction) {
		for (i = 0; i < n->l->nr_commands; i++)
			keel_integer_step(n, i);
		return 0;
	}
	err = keel_correct(n, stats, &options, &c->correct, e);
	c->corrected = !err;
	return err;
}

/* What needs the integer network: biases, and how far it is from the float one. */
static int correct_and_measure(struct keel_compiled *c, struct keel_lowered *l,
			       const struct keel_sample_source *source,
			       const struct keel_stats *stats, const struct keel_compile_options *o,
			       struct keel_error *e)
{
	struct keel_error why = {""};
	struct keel_integer n;
	int err = keel_integer_init(&n, l, source, o->threads, &why);

	if (err == -EOPNOTSUPP) {
		snprintf(c->note, sizeof(c->note), "no bias correction: %.400s", why.text);
		return 0;
	}
	if (!err)
		err = correct(c, &n, stats, o, &why);
	if (!err) {
		stage(o, "measure", 0, 0);
		err = keel_integer_sqnr(&n, source, o->threads, &c->sqnr_db, &why);
	}
	c->measured = !err;
	keel_integer_free(&n);
	return err ? keel_error_set(e, err, "%s", why.text) : 0;
}

/* Means over some samples are only comparable with the float network's over the same ones. */
static int correct_on_some(struct keel_compiled *c, struct keel_lowered *l,
			   const struct keel_sample_source *source, size_t count,
			   const struct keel_compile_options *o, struct keel_error *e)
{
	struct subset subset = {source, count};
	const struct keel_sample_source some = {count, get_some, &subset};
	struct stage_ctx s = {o, "calibrate on some"};
	struct keel_calibrate_options options = calibrate_options(&s);
	struct keel_stats *stats = NULL;
	int err = keel_calibrate(c->g, &some, &options, &stats, e);

	snprintf(c->note, sizeof(c->note),
		 "the integer network saw %zu of %zu samples: as many as fit into %llu MiB", count,
		 source->count,
		 (unsigned long long)(o->memory ? o->memory : MEMORY_FOR_SAMPLES) >> 20);
	if (!err)
		err = correct_and_measure(c, l, &some, stats, o, e);
	keel_stats_del(stats);
	return err;
}

static int use_integer(struct keel_compiled *c, struct keel_lowered *l,
		       const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_error *e)
{
	size_t fit = samples_that_fit(l, o->memory);

	if (fit < source->count)
		return correct_on_some(c, l, source, fit, o, e);
	return correct_and_measure(c, l, source, c->stats, o, e);
}

/* Quantize the weights, lower, run the integer network; then the file, if it is wanted. */
static int lower_and_emit(struct keel_compiled *c, const struct keel_sample_source *source,
			  const struct keel_compile_options *o, bool emit, struct keel_error *e)
{
	struct keel_weights **weights = calloc(c->g->nr_nodes + 1, sizeof(*weights));
	struct keel_lower_options options = {c->verdicts, weights};
	const struct keel_emit_texts texts = {
		o->options_json ? o->options_json : "",
		o->preprocess ? o->preprocess : "",
		o->labels ? o->labels : "",
	};
	struct keel_lowered l;
	unsigned int i;
	int err;

	if (!weights)
		return keel_error_set(e, -ENOMEM, "out of memory while quantizing weights");
	stage(o, "quantize", 0, 0);
	err = quantize_weights(c, o, weights, e);
	if (!err)
		err = keel_lower(c->g, &options, &l, e);
	if (!err) {
		err = use_integer(c, &l, source, o, e);
		if (emit)
			stage(o, "write", 0, 0);
		if (!err && emit)
			err = keel_emit(&l, &o->target, &texts, &c->data, &c->bytes, e);
		c->commands = l.nr_commands;
		keel_lowered_free(&l);
	}
	for (i = 0; i < c->g->nr_nodes; i++)
		keel_weights_del(weights[i]);
	free(weights);
	return err;
}

/* Ranges of every tensor, then what goes between int8 and int16. */
static int set_types(struct keel_compiled *c, const struct keel_compile_options *o,
		     const struct keel_int16 *w, struct keel_error *e)
{
	struct keel_range_options ranges = o->ranges;
	int err;

	ranges.int16 = w;
	err = keel_ranges(c->g, c->stats, &ranges, e);
	if (!err && keel_int16_count(w))
		err = keel_int16_convert(c->g, c->verdicts, e);
	return err ? err : place(c, e);
}

/* The SQNR on the calibration samples with the groups that have been chosen. */
static int try_types(const struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, const struct keel_int16 *w, double *db,
		     struct keel_error *e)
{
	struct keel_compiled t = {.g = keel_graph_clone(c->g), .stats = c->stats};
	int err = t.g ? place(&t, e)
		      : keel_error_set(e, -ENOMEM, "out of memory while choosing int16");

	if (!err)
		err = set_types(&t, o, w, e);
	if (!err)
		err = lower_and_emit(&t, source, o, false, e);
	if (!err && !t.measured)
		err = keel_error_set(e, -EOPNOTSUPP,
				     "--int16 auto measures the integer network, which can't be "
				     "run while compiling, since host steps come before the NPU; "
				     "name the nodes instead");
	*db = t.sqnr_db;
	t.stats = NULL;
	keel_compiled_free(&t);
	return err;
}

/** struct candidate - a group that AUTO may choose */
struct candidate {
	unsigned int group;
	double noise;
};

static int by_noise(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->noise != y->noise)
		return x->noise < y->noise ? 1 : -1;
	return x->group < y->group ? -1 : x->group > y->group;
}

/* What can be int16, by the noise that it makes as int8. Return: how many, or -ENOMEM. */
static int find_candidates(struct keel_compiled *c, const struct keel_int16 *w,
			   struct candidate *list)
{
	double *noise = calloc(w->nr + 1, sizeof(*noise));
	unsigned int i, n = 0;
	int err = noise ? keel_int16_noise(w, c->stats, noise) : -ENOMEM;

	for (i = 0; i < w->nr && !err; i++)
		if (!w->why[i] && w->useful[i])
			list[n++] = (struct candidate){i, noise[i]};
	free(noise);
	if (err)
		return err;
	qsort(list, n, sizeof(*list), by_noise);
	return n;
}

static bool enough(const struct keel_int16_options *o, const struct keel_int16 *w, double db)
{
	return (o->budget_db > 0 && db >= o->budget_db) ||
	       (o->most && keel_int16_count(w) >= o->most);
}

/* Greedy: the group of most noise first; it stays if the measured outputs are the better for it. */
static int choose_auto(struct keel_compiled *c, const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_int16 *w,
		       struct keel_error *e)
{
	struct candidate *list = calloc(w->nr + 1, sizeof(*list));
	double best, db;
	int i, n = -ENOMEM, err = list ? set_types(c, o, w, e) : -ENOMEM;

	if (!err)
		n = find_candidates(c, w, list);
	if (!err)
		err = n < 0 ? n : try_types(c, source, o, w, &best, e);
	for (i = 0; i < n && !err && !enough(&o->int16, w, best); i++) {
		stage(o, "int16", i, n);
		w->chosen[list[i].group] = true;
		c->int16_tried++;
		err = try_types(c, source, o, w, &db, e);
		w->chosen[list[i].group] = !err && db > best;
		best = !err && db > best ? db : best;
	}
	free(list);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while choosing int16");
	return err;
}

static int choose_types(struct keel_compiled *c, const struct keel_sample_source *source,
			const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_int16 w;
	int err = 0;

	if (o->int16.mode != KEEL_INT16_NONE && !o->target.int16)
		return keel_error_set(e, -EINVAL,
				      "the target %.31s has no int16 activations; compile with "
				      "--int16 none, or for another target",
				      o->target.name);
	if (keel_int16_init(&w, c->g, c->verdicts))
		return keel_error_set(e, -ENOMEM, "out of memory while choosing types");
	err = keel_int16_choose(&w, &o->int16, e);
	if (!err && o->int16.mode == KEEL_INT16_AUTO)
		err = choose_auto(c, source, o, &w, e);
	if (!err)
		err = set_types(c, o, &w, e);
	c->int16 = keel_int16_count(&w);
	keel_int16_free(&w);
	return err;
}

static int count_macs(struct keel_compiled *c, struct keel_error *e)
{
	struct keel_model m;
	int err = keel_model_view(c->data, c->bytes, &m, e);

	if (!err)
		c->macs = m.info.macs;
	return err;
}

int keel_compile(struct keel_graph *g, const struct keel_sample_source *source,
		 const struct keel_compile_options *o, struct keel_compiled *c,
		 struct keel_error *e)
{
	bool histograms = o->ranges.method != KEEL_RANGE_MINMAX;
	int err;

	memset(c, 0, sizeof(*c));
	c->g = g;
	err = place(c, e);
	if (!err)
		err = calibrate(c, source, o, "calibrate", false, e);
	if (!err)
		err = factorize(c, source, o, e);
	if (!err)
		err = calibrate(c, source, o, "calibrate again", histograms, e);
	if (!err)
		err = choose_types(c, source, o, e);
	if (!err)
		err = lower_and_emit(c, source, o, true, e);
	if (!err)
		err = count_macs(c, e);
	if (err)
		keel_compiled_free(c);
	return err;
}

void keel_compiled_free(struct keel_compiled *c)
{
	keel_factorize_plan_del(c->factorize.plan);
	keel_stats_del(c->stats);
	keel_graph_del(c->g);
	keel_graph_del(c->before);
	free(c->verdicts);
	free(c->data);
	memset(c, 0, sizeof(*c));
}
