// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"

/* What no plan changes: who makes, shares and reads which variable. */

static unsigned int count_layers(const struct keel_labels *l)
{
	unsigned int i, nr = 0;

	for (i = 0; i < l->g->nr_nodes; i++)
		nr += l->first[i] != 0;
	return nr;
}

static int alloc_all(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	size_t vars = p->labels.nr_vars, nodes = p->labels.g->nr_nodes + 1;
	size_t layers = count_layers(&p->labels) + 1;

	plan->layers = calloc(layers, sizeof(*plan->layers));
	p->raw = calloc(layers, sizeof(*p->raw));
	p->first_reader = calloc(layers + 1, sizeof(*p->first_reader));
	p->first_member = calloc(layers + 1, sizeof(*p->first_member));
	p->members = calloc(vars + 1, sizeof(*p->members));
	p->matrices = calloc(nodes, sizeof(*p->matrices));
	p->group_of = calloc(vars, sizeof(*p->group_of));
	p->slack = calloc(vars, sizeof(*p->slack));
	p->scale = calloc(vars, sizeof(*p->scale));
	p->normal = calloc(vars, sizeof(*p->normal));
	p->step = calloc(vars, sizeof(*p->step));
	return plan->layers && p->raw && p->first_reader && p->first_member && p->members &&
			       p->matrices && p->group_of && p->slack && p->scale && p->normal &&
			       p->step
		       ? 0
		       : -ENOMEM;
}

/* Nodes whose input was fixed for another reason than its channels take no part. */
static bool takes_part(const struct keel_label *in, const struct keel_weight_view *v)
{
	return keel_label_by_channel(in) && (in->count == 1 || in->count == v->ins);
}

static int setup_matrix(struct keel_factorize_private *p, unsigned int node)
{
	const struct keel_node *n = p->labels.g->nodes[node];
	struct keel_factorize_matrix *m = &p->matrices[node];
	const struct keel_label *in;
	struct keel_weight_view v;
	unsigned int c;

	if (!keel_weight_view(n, &v))
		return 0;
	in = &p->labels.of[n->inputs[0]->id];
	if (!takes_part(in, &v))
		return 0;
	m->range = calloc(v.runs, sizeof(*m->range));
	m->in = calloc(v.ins, sizeof(*m->in));
	m->out = calloc(v.outs, sizeof(*m->out));
	if (!m->range || !m->in || !m->out)
		return -ENOMEM;
	keel_weight_ranges(&v, m->range);
	for (c = 0; c < v.ins; c++)
		m->in[c] = keel_label_root(&p->labels, keel_label_channel(in, c));
	for (c = 0; p->labels.first[node] && c < v.outs; c++)
		m->out[c] = keel_label_root(&p->labels, p->labels.first[node] + c);
	m->view = v;
	return 0;
}

static int layer_alloc(struct keel_factorize_layer *layer, struct keel_factorize_raw *raw)
{
	unsigned int nr = layer->channels + 1;

	raw->kernel = calloc(nr, sizeof(*raw->kernel));
	raw->active = calloc(nr, sizeof(*raw->active));
	raw->negative = calloc(nr, sizeof(*raw->negative));
	raw->root = calloc(nr, sizeof(*raw->root));
	raw->limit = calloc(nr, sizeof(*raw->limit));
	layer->scale = calloc(nr, sizeof(*layer->scale));
	layer->slack = calloc(nr, sizeof(*layer->slack));
	return raw->kernel && raw->active && raw->negative && raw->root && raw->limit &&
			       layer->scale && layer->slack
		       ? 0
		       : -ENOMEM;
}

static int setup_layer(struct keel_factorize_plan *plan, unsigned int i, unsigned int node,
		       const struct keel_stats *stats, struct keel_error *e)
{
	struct keel_factorize_private *p = plan->priv;
	struct keel_factorize_layer *layer = &plan->layers[i];
	struct keel_factorize_raw *raw = &p->raw[i];
	const struct keel_tensor *y = p->labels.g->nodes[node]->outputs[0];
	const struct keel_tensor_stats *s = keel_stats_of(stats, y);
	unsigned int c;

	layer->node = p->labels.g->nodes[node];
	layer->channels = y->dims[1];
	layer->gain = 1;
	raw->node = node;
	raw->group = i;
	if (!s || s->channels != layer->channels)
		return keel_error_set(e, -EINVAL,
				      "no calibration statistics for '%s'; calibrate the graph "
				      "before it is factorized",
				      y->name);
	if (layer_alloc(layer, raw))
		return -ENOMEM;
	for (c = 0; c < layer->channels; c++) {
		raw->active[c] = keel_stats_absmax(&s->post[c]);
		raw->negative[c] = fmax(0, -keel_stats_pre(s, c)->min);
		raw->root[c] = keel_label_root(&p->labels, p->labels.first[node] + c);
	}
	return 0;
}

static void rename_group(struct keel_factorize_plan *plan, unsigned int from, unsigned int to)
{
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++)
		if (plan->priv->raw[i].group == from)
			plan->priv->raw[i].group = to;
}

/* Layers that meet in a variable are one group; group_of[] first holds any of them. */
static void find_groups(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i, c;
	uint32_t v;

	for (i = 0; i < plan->nr_layers; i++) {
		for (c = 0; c < plan->layers[i].channels; c++) {
			uint32_t root = p->raw[i].root[c];

			if (p->labels.vars[root].fixed)
				continue;
			p->scale[root] = p->normal[root] = 1;
			if (!p->group_of[root])
				p->group_of[root] = i + 1;
			else if (p->raw[p->group_of[root] - 1].group != p->raw[i].group)
				rename_group(plan, p->raw[i].group,
					     p->raw[p->group_of[root] - 1].group);
		}
	}
	for (v = 0; v < p->labels.nr_vars; v++)
		if (p->group_of[v])
			p->group_of[v] = p->raw[p->group_of[v] - 1].group + 1;
	for (i = 0; i < plan->nr_layers; i++)
		for (c = 0; c < plan->nr_layers && !plan->layers[i].shared; c++)
			plan->layers[i].shared = c != i && p->raw[c].group == p->raw[i].group;
}

static void list_members(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int group;
	uint32_t v, nr = 0;

	for (group = 0; group < plan->nr_layers; group++) {
		p->first_member[group] = nr;
		for (v = 0; p->raw[group].group == group && v < p->labels.nr_vars; v++)
			if (p->group_of[v] == group + 1)
				p->members[nr++] = v;
	}
	p->first_member[group] = nr;
}

static bool is_merge(enum keel_op op)
{
	return op == KEEL_OP_ADD || op == KEEL_OP_SUB || op == KEEL_OP_MAX || op == KEEL_OP_MIN;
}

/* The one group that scales all channels of @t; negative when there is no such group. */
static int group_of_tensor(const struct keel_factorize_private *p, const struct keel_tensor *t,
			   const struct keel_tensor_stats *s)
{
	const struct keel_label *label = &p->labels.of[t->id];
	unsigned int c, group = 0;

	if (!s || !keel_label_by_channel(label))
		return -1;
	for (c = 0; c < s->channels; c++) {
		unsigned int g =
			p->group_of[keel_label_root(&p->labels, keel_label_channel(label, c))];

		if (!g || (c && g != group))
			return -1;
		group = g;
	}
	return (int)group - 1;
}

static int add_sum(struct keel_factorize_private *p, const struct keel_tensor *t,
		   const struct keel_tensor_stats *s, unsigned int group)
{
	struct keel_factorize_sum *sum = &p->sums[p->nr_sums++];
	unsigned int c;

	sum->channels = s->channels;
	sum->group = group;
	sum->active = calloc(s->channels, sizeof(*sum->active));
	sum->root = calloc(s->channels, sizeof(*sum->root));
	if (!sum->active || !sum->root)
		return -ENOMEM;
	for (c = 0; c < s->channels; c++) {
		sum->active[c] = keel_stats_absmax(&s->post[c]);
		sum->root[c] =
			keel_label_root(&p->labels, keel_label_channel(&p->labels.of[t->id], c));
	}
	return 0;
}

static int find_sums(struct keel_factorize_plan *plan, const struct keel_stats *stats)
{
	struct keel_factorize_private *p = plan->priv;
	const struct keel_graph *g = p->labels.g;
	unsigned int i;
	int err = 0, group;

	p->sums = calloc(g->nr_nodes + 1, sizeof(*p->sums));
	if (!p->sums)
		return -ENOMEM;
	for (i = 0; !err && i < g->nr_nodes; i++) {
		const struct keel_tensor *t = g->nodes[i]->outputs[0];
		const struct keel_tensor_stats *s = keel_stats_of(stats, t);

		if (!is_merge(g->nodes[i]->op))
			continue;
		group = group_of_tensor(p, t, s);
		if (group >= 0)
			err = add_sum(p, t, s, group);
	}
	return err;
}

static bool reads(const struct keel_factorize_private *p, unsigned int node, unsigned int group)
{
	const struct keel_factorize_matrix *m = &p->matrices[node];
	unsigned int c;

	for (c = 0; c < m->view.ins; c++)
		if (p->group_of[m->in[c]] == group + 1)
			return true;
	return false;
}

static int find_readers(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int group, node, nr = 0, room = 0, *grown;

	for (group = 0; group < plan->nr_layers; group++) {
		p->first_reader[group] = nr;
		if (p->raw[group].group != group)
			continue;
		if (nr + p->labels.g->nr_nodes > room) {
			room = 2 * (nr + p->labels.g->nr_nodes);
			grown = realloc(p->readers, room * sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			p->readers = grown;
		}
		for (node = 0; node < p->labels.g->nr_nodes; node++)
			if (reads(p, node, group))
				p->readers[nr++] = node;
	}
	p->first_reader[group] = nr;
	return 0;
}

int keel_factorize_setup(struct keel_factorize_plan *plan, const struct keel_stats *stats,
			 struct keel_error *e)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int node;
	int err = alloc_all(plan);

	for (node = 0; !err && node < p->labels.g->nr_nodes; node++) {
		err = setup_matrix(p, node);
		if (!err && p->labels.first[node])
			err = setup_layer(plan, plan->nr_layers++, node, stats, e);
	}
	if (!err)
		err = keel_factorize_measure_init(p);
	if (err)
		return err;
	find_groups(plan);
	list_members(plan);
	err = find_sums(plan, stats);
	return err ? err : find_readers(plan);
}

static void free_layer(struct keel_factorize_layer *layer, struct keel_factorize_raw *raw)
{
	free(layer->scale);
	free(layer->slack);
	free(layer->blocker);
	free(raw->kernel);
	free(raw->active);
	free(raw->negative);
	free(raw->root);
	free(raw->limit);
}

void keel_factorize_teardown(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i;

	for (i = 0; plan->layers && p->raw && i < plan->nr_layers; i++)
		free_layer(&plan->layers[i], &p->raw[i]);
	for (i = 0; p->matrices && i < p->labels.g->nr_nodes; i++) {
		free(p->matrices[i].range);
		free(p->matrices[i].in);
		free(p->matrices[i].out);
	}
	for (i = 0; i < p->nr_sums; i++) {
		free(p->sums[i].active);
		free(p->sums[i].root);
	}
	free(p->sums);
	free(plan->layers);
	free(p->raw);
	free(p->first_reader);
	free(p->readers);
	free(p->first_member);
	free(p->members);
	free(p->sides);
	free(p->matrices);
	free(p->group_of);
	free(p->slack);
	free(p->scale);
	free(p->normal);
	free(p->step);
}
