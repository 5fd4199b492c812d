// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "finish.h"
#include "given.h"

/* Index of the first element that is NaN or infinite; the number of elements when none is. */
static int64_t first_odd(const struct keel_tensor *t)
{
	int64_t i = 0, count = keel_tensor_count(t);

	if (!t->data || t->type != KEEL_F32)
		return count;
	while (i < count && isfinite(((const float *)t->data)[i]))
		i++;
	return i;
}

static const char *how_odd(const struct keel_tensor *t, int64_t i)
{
	return isnan(((const float *)t->data)[i]) ? "not a number" : "infinite";
}

static int check_finite(const struct keel_node *n, const struct keel_tensor *t,
			struct keel_error *e)
{
	int64_t i = first_odd(t);

	if (i == keel_tensor_count(t))
		return 0;
	return keel_error_set(e, -EINVAL,
			      "node '%s' (%s): element %lld of the constant '%s' is %s; a network "
			      "with such weights computes nothing",
			      n->name, n->onnx_op, (long long)i, t->name, how_odd(t, i));
}

/* A constant may be put out as it is, with no node that reads it. */
static int check_output(const struct keel_tensor *t, struct keel_error *e)
{
	int64_t i = first_odd(t);

	if (i == keel_tensor_count(t))
		return 0;
	return keel_error_set(e, -EINVAL,
			      "the output '%s' is a constant, and its element %lld is %s", t->name,
			      (long long)i, how_odd(t, i));
}

static int check_elements(const struct keel_node *n, const struct keel_tensor *t,
			  struct keel_error *e)
{
	if (!keel_tensor_count(t))
		return keel_error_set(e, -EINVAL, "node '%s' (%s): '%s' has no elements", n->name,
				      n->onnx_op, t->name);
	return check_finite(n, t, e);
}

static int check_attributes(const struct keel_node *n, struct keel_error *e)
{
	double sum = n->alpha + n->beta + n->epsilon + n->bias;

	if (isfinite(sum) && !isnan(n->lo) && !isnan(n->hi) && !isnan(n->pad_value))
		return 0;
	return keel_error_set(e, -EINVAL,
			      "node '%s' (%s): a bound or another parameter is not a finite "
			      "number",
			      n->name, n->onnx_op);
}

static int check_node(const struct keel_node *n, struct keel_error *e)
{
	unsigned int i;
	int err = check_attributes(n, e);

	for (i = 0; i < n->nr_inputs && !err; i++)
		if (n->inputs[i])
			err = check_elements(n, n->inputs[i], e);
	return err;
}

static void keep(bool *used, struct keel_tensor *const *list, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (list[i])
			used[list[i]->id] = true;
}

/* Folded and forgotten constants would be copied with every clone of the graph. */
static int drop_unused(struct keel_graph *g)
{
	bool *used = calloc(g->nr_tensors + 1, sizeof(*used));
	unsigned int i, nr = 0;

	if (!used)
		return -ENOMEM;
	keep(used, g->inputs, g->nr_inputs);
	keep(used, g->outputs, g->nr_outputs);
	for (i = 0; i < g->nr_nodes; i++) {
		keep(used, g->nodes[i]->inputs, g->nodes[i]->nr_inputs);
		keep(used, g->nodes[i]->outputs, g->nodes[i]->nr_outputs);
	}
	for (i = 0; i < g->nr_tensors; i++)
		if (used[i]) {
			g->tensors[nr] = g->tensors[i];
			g->tensors[nr]->id = nr;
			nr++;
		}
	g->nr_tensors = nr;
	free(used);
	return 0;
}

/* Nodes that the sort dropped because nothing came of them. */
static int note_dead(struct keel_graph *g)
{
	bool *lives = calloc(g->nr_origins + 1, sizeof(*lives));
	unsigned int i, k;

	if (!lives)
		return -ENOMEM;
	for (i = 0; i < g->nr_nodes; i++)
		for (k = 0; k < g->nodes[i]->nr_origins; k++)
			lives[g->nodes[i]->origins[k]->id] = true;
	for (i = 0; i < g->nr_origins; i++)
		if (!lives[i] && !g->origins[i]->fate)
			g->origins[i]->fate = "no output of the network depends on it";
	free(lives);
	return 0;
}

int keel_finish(struct keel_builder *b, unsigned int seed)
{
	struct keel_graph *g = b->g;
	unsigned int i;

	if (b->err)
		return b->err;
	b->err = keel_graph_sort(g, b->e);
	keel_given_finish(b);
	if (!b->err && seed)
		keel_seed_weights(b, seed);
	for (i = 0; i < g->nr_nodes && !b->err; i++)
		b->err = check_node(g->nodes[i], b->e);
	for (i = 0; i < g->nr_outputs && !b->err; i++)
		b->err = check_output(g->outputs[i], b->e);
	if (!b->err && (note_dead(g) || drop_unused(g)))
		keel_build_fail(b, -ENOMEM, "memory is short");
	return b->err;
}
