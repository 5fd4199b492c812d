// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static const char *const places[] = {"npu", "host", "unsupported"};
static const char *const factorize_names[] = {"none", "one-step", "two-step", "least-noise"};
static const char *const range_names[] = {"minmax", "percentile", "mse"};

static const char *op_of(const struct keel_node *n)
{
	return n->onnx_op ? n->onnx_op : keel_op_name(n->op);
}

static void count(const struct keel_graph *g, const struct keel_verdict *v, unsigned int *n)
{
	unsigned int i;

	memset(n, 0, 3 * sizeof(*n));
	for (i = 0; i < g->nr_nodes; i++)
		n[v[i].place]++;
}

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

/* Names come from the network's file; a terminal obeys control characters. */
static void print_name(FILE *f, const char *name)
{
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, f);
}

/* What the network's file calls the nodes that became one. */
static void print_sources(FILE *f, const struct keel_node *n)
{
	if (!n->sources || !strcmp(n->sources, n->name))
		return;
	fputs(" (", f);
	print_name(f, n->sources);
	fputc(')', f);
}

void keel_report_check(FILE *f, const struct keel_graph *g, const struct keel_verdict *v)
{
	unsigned int i, n[3];

	for (i = 0; i < g->nr_nodes; i++) {
		fprintf(f, "%-11s  %-20s ", places[v[i].place], op_of(g->nodes[i]));
		print_name(f, g->nodes[i]->name);
		print_sources(f, g->nodes[i]);
		if (v[i].reason[0])
			fprintf(f, ": %s", v[i].reason);
		if (v[i].suggestion[0])
			fprintf(f, "; %s", v[i].suggestion);
		fputc('\n', f);
	}
	count(g, v, n);
	fprintf(f, "%u nodes: %u npu, %u host, %u unsupported\n", g->nr_nodes, n[0], n[1], n[2]);
}

static json_t *counts_json(const struct keel_graph *g, const struct keel_verdict *v, uint64_t macs,
			   const struct keel_report_figures *figures)
{
	unsigned int n[3];

	count(g, v, n);
	return json_pack("{s:i, s:i, s:i, s:i, s:I, s:f, s:f}", "nodes", g->nr_nodes, "npu", n[0],
			 "host", n[1], "unsupported", n[2], "macs", (json_int_t)macs, "seconds",
			 figures->seconds, "peak_rss_mib", figures->peak_rss_mib);
}

static const char *sources_of(const struct keel_node *n)
{
	return n->sources ? n->sources : n->name;
}

static json_t *verdicts_json(const struct keel_graph *g, const struct keel_verdict *v)
{
	json_t *a = json_array();
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++)
		json_array_append_new(
			a, json_pack("{s:s%, s:s, s:s, s:s, s:s, s:s}", "node", g->nodes[i]->name,
				     strlen(g->nodes[i]->name), "op", op_of(g->nodes[i]), "sources",
				     sources_of(g->nodes[i]), "verdict", places[v[i].place],
				     "reason", v[i].reason, "suggestion", v[i].suggestion));
	return a;
}

json_t *keel_report_check_json(const struct keel_graph *g, const struct keel_verdict *v,
			       const struct keel_report_figures *figures)
{
	json_t *j = counts_json(g, v, figures->macs, figures);

	json_object_set_new(j, "verdicts", verdicts_json(g, v));
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

void keel_report_summary(FILE *f, const struct keel_compiled *c,
			 const struct keel_compile_options *o,
			 const struct keel_report_figures *figures)
{
	unsigned int n[3];

	count(c->g, c->verdicts, n);
	fprintf(f, "%s -> %s\n", figures->network, figures->output);
	fprintf(f, "nodes          %u npu, %u host\n", n[0], n[1]);
	fprintf(f, "target         %s, %u commands, %.1f million MACs, %.2f MiB\n", o->target.name,
		c->commands, c->macs / 1e6, c->bytes / 1048576.0);
	fprintf(f, "weights        %s scales%s\n", o->per_channel ? "per-channel" : "per-tensor",
		c->raised ? ", some raised so that biases fit" : "");
	summary_factorize(f, c, o);
	fprintf(f, "ranges         %s, %zu samples\n", range_names[o->ranges.method],
		c->stats->samples);
	if (c->corrected)
		fprintf(f,
			"bias           %lu channels corrected on %zu samples, by up to %.1f "
			"levels\n",
			c->correct.channels, c->correct.samples, c->correct.largest);
	if (c->measured)
		fprintf(f, "accuracy       %.1f dB against the float network on these samples\n",
			c->sqnr_db);
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
		json_t *j =
			json_pack("{s:s, s:i, s:f, s:f, s:s?}", "node", l->node->name, "channels",
				  l->channels, "min", l->min, "max", l->max, "blocker", l->blocker);
		json_t *limits = json_object();

		for (k = 0; k < KEEL_LIMIT_COUNT; k++)
			if (l->limits[k])
				json_object_set_new(limits, keel_factorize_limit_name(k),
						    json_integer(l->limits[k]));
		json_object_set_new(j, "limits", limits);
		json_array_append_new(a, j);
	}
	return json_pack("{s:b, s:f, s:s, s:o}", "rolled_back", c->factorize.rolled_back,
			 "difference", c->factorize.difference, "note", c->factorize.note, "layers",
			 a);
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
		json_array_append_new(a, json_pack("{s:s, s:f, s:f, s:f, s:i, s:b}", "tensor",
						   t->name, "min", s->min, "max", s->max, "scale",
						   t->quant.scale, "zero_point",
						   t->quant.zero_point, "given", t->quant.given));
	}
	return a;
}

json_t *keel_report_json(const struct keel_compiled *c, const struct keel_compile_options *o,
			 const struct keel_report_figures *figures)
{
	json_t *j = counts_json(c->g, c->verdicts, c->macs, figures);
	char *text = keel_report_options_json(o, c->stats->samples, figures->seed);

	json_object_set_new(j, "network", json_string(figures->network));
	json_object_set_new(j, "output", json_string(figures->output));
	json_object_set_new(j, "commands", json_integer(c->commands));
	json_object_set_new(j, "bytes", json_integer(c->bytes));
	json_object_set_new(j, "options", text ? json_loads(text, 0, NULL) : json_null());
	json_object_set_new(j, "factorization", factorize_json(c));
	json_object_set_new(j, "bias_correction",
			    json_pack("{s:b, s:i, s:i, s:f}", "done", c->corrected, "samples",
				      (int)c->correct.samples, "channels", (int)c->correct.channels,
				      "largest_levels", c->correct.largest));
	/* JSON has no infinity. */
	json_object_set_new(j, "sqnr_db",
			    c->measured ? json_real(fmin(c->sqnr_db, 200)) : json_null());
	json_object_set_new(j, "note", json_string(c->note));
	json_object_set_new(j, "verdicts", verdicts_json(c->g, c->verdicts));
	json_object_set_new(j, "tensors", tensors_json(c));
	free(text);
	return j;
}

/* No times, paths or thread counts: the same options must give the same file. */
char *keel_report_options_json(const struct keel_compile_options *o, size_t samples,
			       unsigned int seed)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "compiler", KEEL_VERSION,
			      "granularity", o->per_channel ? "per-channel" : "per-tensor",
			      "factorize", factorize_names[o->factorize.mode], "ranges",
			      range_names[o->ranges.method], "bias_correction",
			      o->bias_correction ? "iterative" : "none", "target", o->target.name,
			      "samples", (int)samples, "seed", (int)seed);
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(j);
	return text;
}

void keel_report_text(FILE *f, const struct keel_compiled *c, const struct keel_compile_options *o,
		      const struct keel_report_figures *figures)
{
	unsigned int i;

	keel_report_summary(f, c, o, figures);
	fprintf(f, "\nNodes\n");
	keel_report_check(f, c->g, c->verdicts);
	fprintf(f, "\nFactorization: smallest and largest scale of each layer\n");
	for (i = 0; c->factorize.plan && i < c->factorize.plan->nr_layers; i++) {
		const struct keel_factorize_layer *l = &c->factorize.plan->layers[i];

		fprintf(f, "%-40s %10.4g %10.4g  %s\n", l->node->name, l->min, l->max,
			l->blocker ? l->blocker : "");
	}
	fprintf(f, "\nTensors: range, scale, zero point\n");
	for (i = 0; i < c->g->nr_tensors; i++) {
		const struct keel_tensor *t = c->g->tensors[i];
		const struct keel_tensor_stats *s = keel_stats_of(c->stats, t);

		if (s && t->quant.scale)
			fprintf(f, "%-40s %10.4g %10.4g %12.6g %5d\n", t->name, s->min, s->max,
				t->quant.scale, t->quant.zero_point);
	}
}
