// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "compile_private.h"
#include "emit.h"
#include "match.h"
#include "passes.h"
#include "predict.h"
#include "rows.h"

/* Float outputs that would take more are computed again whenever they are compared. */
#define MOST_OUTPUTS (256u << 20)

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

void keel_stage_begin(const struct keel_compile_options *o, const char *name)
{
	if (o->stage)
		o->stage(o->ctx, name, 0, 0);
}

static void stage_progress(void *ctx, size_t done, size_t total)
{
	const struct keel_stage *s = ctx;

	if (s->o->stage)
		s->o->stage(s->o->ctx, s->name, done, total);
}

struct keel_calibrate_options keel_stage_options(struct keel_stage *s)
{
	return (struct keel_calibrate_options){
		.threads = s->o->threads,
		.progress = stage_progress,
		.ctx = s,
		.cancel = s->o->cancel,
	};
}

int keel_compile_place(struct keel_compiled *c, struct keel_error *e)
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

void keel_known_free(struct keel_known *k)
{
	keel_stats_del(k->stats);
	keel_outputs_free(&k->outputs);
	k->stats = NULL;
}

/* @outputs: see keel_calibrate_options */
static int take_stats(const struct keel_graph *g, const struct keel_sample_source *source,
		      const struct keel_compile_options *o, const char *name,
		      struct keel_outputs *outputs, struct keel_stats **stats, struct keel_error *e)
{
	struct keel_stage s = {o, name};
	struct keel_calibrate_options options = keel_stage_options(&s);

	if (keel_compile_without_samples(source, o))
		return keel_stats_predict(g, o->inputs, stats, e);
	options.outputs = outputs;
	return keel_calibrate(g, source, &options, stats, e);
}

static int calibrate(struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, const char *name, bool histograms,
		     struct keel_error *e)
{
	struct keel_stage s = {o, "histograms"};
	const struct keel_calibrate_options options = keel_stage_options(&s);
	int err = c->stats ? 0 : take_stats(c->g, source, o, name, NULL, &c->stats, e);

	if (!err && histograms && o->ranges.method == KEEL_RANGE_AUTO)
		err = keel_range_weigh(c->g, c->stats, e);
	if (!err && histograms)
		err = keel_calibrate_histograms(c->g, source, &options, c->stats, e);
	return err;
}

static int copy_stats(const struct keel_stats *from, struct keel_stats **to, struct keel_error *e)
{
	*to = keel_stats_clone(from);
	return *to ? 0 : keel_error_set(e, -ENOMEM, "out of memory for a copy of the statistics");
}

static int know(struct keel_known *k, const struct keel_graph *g,
		const struct keel_sample_source *source, const struct keel_compile_options *o,
		struct keel_error *e)
{
	int err = 0;

	/* An attempt that failed may have left outputs. */
	keel_known_free(k);
	if (o->judge)
		err = keel_outputs_run(&k->outputs, g, o->judge, o->threads, MOST_OUTPUTS, e);
	else if (keel_outputs_init(&k->outputs, g, source->count, MOST_OUTPUTS))
		err = keel_error_set(e, -ENOMEM, "no memory to keep float outputs");
	return err ? err
		   : take_stats(g, source, o, "calibrate", o->judge ? NULL : &k->outputs, &k->stats,
				e);
}

/* The graph as it was given: other compilations of it may have seen it so before. */
static int calibrate_first(struct keel_compiled *c, const struct keel_sample_source *source,
			   const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_known *k = o->known ? o->known : &c->known;
	int err = k->stats ? 0 : know(k, c->g, source, o, e);

	c->outputs = &k->outputs;
	return err ? err : copy_stats(k->stats, &c->stats, e);
}

/* Whether the function is the same can be seen on any values. */
static struct keel_sample_source any_samples(const struct keel_sample_source *source,
					     const struct keel_compile_options *o,
					     struct keel_compile_noise *noise)
{
	return keel_compile_without_samples(source, o) ? keel_compile_noise(noise) : *source;
}

/* Those whose outputs are known, as long as the network is as it was given; else @any. */
static struct keel_factorize_samples seen_samples(const struct keel_compiled *c,
						  const struct keel_sample_source *any,
						  const struct keel_compile_options *o)
{
	bool seen = c->outputs->samples && !c->repair.channels && !c->repair.columns;

	return (struct keel_factorize_samples){
		.source = seen && o->judge ? o->judge : any,
		.known = seen ? c->outputs : NULL,
		.threads = o->threads,
	};
}

static int factorize(struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_factorize_options f = o->factorize;
	struct keel_compile_noise noise = {c->g, o->inputs};
	const struct keel_sample_source any = any_samples(source, o, &noise);
	const struct keel_factorize_samples samples = seen_samples(c, &any, o);
	int err;

	if (f.mode == KEEL_FACTORIZE_NONE)
		return 0;
	keel_stage_begin(o, "factorize");
	f.per_channel = o->per_channel;
	err = keel_factorize(&c->g, &c->before, c->stats, &samples, &f, &c->factorize, e);
	if (err)
		return err;
	if (c->factorize.recalibrate) {
		keel_stats_del(c->stats);
		c->stats = NULL;
	}
	return keel_compile_place(c, e);
}

static int repair(struct keel_compiled *c, const struct keel_sample_source *source,
		  const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_compile_noise noise = {c->g, o->inputs};
	const struct keel_sample_source any = any_samples(source, o, &noise);

	if (o->keep_dead)
		return 0;
	keel_stage_begin(o, "dead channels");
	return keel_repair(c->g, c->stats, &any, o->threads,
			   keel_factorize_is_canonical(&o->factorize), &c->repair, e);
}

/* Statistics are needed as they are before, and taken again behind it. */
static int absorb(struct keel_compiled *c, const struct keel_sample_source *source,
		  const struct keel_compile_options *o, struct keel_error *e)
{
	struct keel_compile_noise noise = {c->g, o->inputs};
	const struct keel_sample_source any = any_samples(source, o, &noise);
	int err;

	if (o->absorb == KEEL_ABSORB_NONE)
		return 0;
	err = calibrate(c, source, o, "calibrate again", false, e);
	keel_stage_begin(o, "absorb");
	if (!err)
		err = keel_absorb(c->g, c->stats, o->absorb, &any, o->threads, &c->absorb, e);
	if (!err && c->absorb.layers && !c->absorb.rolled_back) {
		keel_stats_del(c->stats);
		c->stats = NULL;
	}
	return err;
}

static int diagnose(struct keel_compiled *c, struct keel_lowered *l,
		    const struct keel_sample_source *source, const struct keel_compile_options *o,
		    struct keel_error *e)
{
	struct keel_stage s = {o, "look at layers"};
	struct keel_calibrate_options options = keel_stage_options(&s);
	struct keel_error why = {""};
	int err = 0;

	if (o->diagnose && !keel_compile_without_samples(source, o))
		err = keel_diagnose(l, source, c->stats, &options,
				    o->diagnose >= KEEL_DIAGNOSE_SWEEP, &c->diagnosis, &why);
	if (err == -EOPNOTSUPP) {
		if (!c->note[0])
			snprintf(c->note, sizeof(c->note), "%.400s", why.text);
		return 0;
	}
	return err ? keel_error_set(e, err, "%s", why.text) : 0;
}

static int build_and_emit(struct keel_compiled *c, const struct keel_sample_source *source,
			  const struct keel_compile_options *o, struct keel_error *e)
{
	const struct keel_emit_texts texts = {
		o->options_json ? o->options_json : "",
		o->preprocess ? o->preprocess : "",
		o->labels ? o->labels : "",
	};
	struct keel_build *b;
	int err = keel_build_best(c, source, o, &b, e);

	if (err)
		return err;
	err = diagnose(c, &b->l, source, o, e);
	keel_stage_begin(o, "write");
	if (!err)
		err = keel_emit(&b->l, &o->target, &texts, &c->data, &c->bytes, e);
	c->commands = b->l.nr_commands;
	c->round_trips = lower_round_trips(&b->l);
	keel_compile_take_weights(c, b);
	keel_build_del(b);
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

static int check_samples(const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_error *e)
{
	if (o->ranges.method == KEEL_RANGE_BATCHNORM && !o->inputs)
		return keel_error_set(e, -EINVAL,
				      "ranges from BatchNorms need the range of each input");
	if (!source->count && (o->bias_correction == KEEL_CORRECT_ITERATIVE ||
			       o->bias_correction == KEEL_CORRECT_AUTO))
		return keel_error_set(e, -EINVAL, "bias correction needs samples");
	return 0;
}

int keel_compile(struct keel_graph *g, const struct keel_sample_source *source,
		 const struct keel_compile_options *o, struct keel_compiled *c,
		 struct keel_error *e)
{
	bool histograms = keel_range_needs_histograms(o->ranges.method);
	int err;

	memset(c, 0, sizeof(*c));
	c->g = g;
	err = check_samples(source, o, e);
	if (!err)
		err = keel_compile_names(c->g, &o->host, e);
	if (!err)
		err = keel_compile_place(c, e);
	if (!err)
		err = keel_compile_grids(c, o, e);
	if (!err)
		err = calibrate_first(c, source, o, e);
	if (!err)
		err = repair(c, source, o, e);
	if (!err)
		err = factorize(c, source, o, e);
	if (!err)
		err = absorb(c, source, o, e);
	if (!err)
		err = calibrate(c, source, o, "calibrate again", histograms, e);
	if (!err)
		err = keel_compile_types(c, source, o, e);
	if (!err)
		err = build_and_emit(c, source, o, e);
	if (!err)
		err = count_macs(c, e);
	if (err)
		keel_compiled_free(c);
	return err;
}

void keel_compiled_free(struct keel_compiled *c)
{
	keel_compile_free_weights(c);
	keel_factorize_plan_del(c->factorize.plan);
	keel_diagnosis_del(c->diagnosis);
	keel_stats_del(c->stats);
	keel_known_free(&c->known);
	keel_graph_del(c->g);
	keel_graph_del(c->before);
	free(c->ranges);
	free(c->noise);
	free(c->verdicts);
	free(c->data);
	memset(c, 0, sizeof(*c));
}
