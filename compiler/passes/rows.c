// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "graph.h"
#include "rows.h"

static bool constant_matrix(const struct keel_node *n)
{
	const struct keel_tensor *b = n->inputs[1];
	unsigned int i;

	if (n->op != KEEL_OP_MATMUL || !b->data || n->inputs[0]->data || b->rank < 2 ||
	    n->inputs[0]->rank < 2 || n->act.kind != KEEL_ACT_NONE)
		return false;
	for (i = 0; i + 2 < b->rank; i++)
		if (b->dims[i] != 1)
			return false;
	return true;
}

static struct keel_tensor *transposed(struct keel_graph *g, const struct keel_tensor *b)
{
	int64_t k = b->dims[b->rank - 2], n = b->dims[b->rank - 1], i, j;
	struct keel_tensor *w =
		keel_graph_constant(g, b->name, KEEL_F32, 2, (int64_t[]){n, k}, NULL);
	const float *from = b->data;
	float *to;

	if (!w)
		return NULL;
	to = w->data;
	for (i = 0; i < n; i++)
		for (j = 0; j < k; j++)
			to[i * k + j] = from[j * n + i];
	return w;
}

static int rewrite(struct keel_graph *g, struct keel_node *n)
{
	struct keel_tensor *x = n->inputs[0], *y = n->outputs[0], *w = transposed(g, n->inputs[1]);
	int64_t k = x->dims[x->rank - 1], rows = k ? keel_tensor_count(x) / k : 0;
	struct keel_tensor *flat_x = x, *flat_y = y;
	struct keel_node *fc;

	if (!w)
		return -ENOMEM;
	if (x->rank != 2 || y->rank != 2) {
		flat_x = keel_graph_tensor(g, x->name, KEEL_F32, 2, (int64_t[]){rows, k});
		flat_y = keel_graph_tensor(g, y->name, KEEL_F32, 2, (int64_t[]){rows, w->dims[0]});
		if (!flat_x || !flat_y ||
		    !keel_graph_node(g, KEEL_OP_RESHAPE, n->name, 1, &x, 1, &flat_x))
			return -ENOMEM;
	}
	keel_graph_remove(g, n);
	fc = keel_graph_node(g, KEEL_OP_FC, n->name, 2, (struct keel_tensor *[]){flat_x, w}, 1,
			     &flat_y);
	if (!fc)
		return -ENOMEM;
	keel_node_inherit(fc, n);
	fc->onnx_op = n->onnx_op;
	if (flat_y != y && !keel_graph_node(g, KEEL_OP_RESHAPE, n->name, 1, &flat_y, 1, &y))
		return -ENOMEM;
	return 0;
}

int keel_pass_rows(struct keel_graph *g, struct keel_error *e)
{
	unsigned int i = 0;
	int err = 0;

	/* Rewriting appends nodes and takes one out, so start over behind each. */
	while (i < g->nr_nodes && !err) {
		struct keel_node *n = g->nodes[i];

		if (!constant_matrix(n)) {
			i++;
			continue;
		}
		err = rewrite(g, n);
	}
	if (err)
		return keel_error_set(e, err, "out of memory while rewriting matrix products");
	return keel_graph_sort(g, e);
}
