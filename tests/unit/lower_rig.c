// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>

#include "compile.h"
#include "lower_rig.h"
#include "weights.h"

static bool has_weights(const struct keel_node *n)
{
	return n->op == KEEL_OP_CONV || n->op == KEEL_OP_CONV_TRANSPOSE || n->op == KEEL_OP_FC;
}

void lower_rig_init(struct lower_rig *r, struct keel_graph *g)
{
	const struct keel_weight_options o = {.per_channel = true};
	struct keel_error e = {""};
	unsigned int i;

	*r = (struct lower_rig){.g = g};
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	r->verdicts = calloc(g->nr_nodes + 1, sizeof(*r->verdicts));
	r->weights = calloc(g->nr_nodes + 1, sizeof(*r->weights));
	keel_place(g, r->verdicts);
	for (i = 0; i < g->nr_tensors; i++)
		g->tensors[i]->quant = (struct keel_quant){.scale = 1.0 / 32, .zero_point = 3};
	for (i = 0; i < g->nr_nodes; i++)
		if (has_weights(g->nodes[i]) && r->verdicts[i].place == KEEL_PLACE_NPU)
			ck_assert_msg(!keel_weights_quantize(g->nodes[i], 1.0 / 32, &o,
							     &r->weights[i], &e),
				      "%s", e.text);
	r->options = (struct keel_lower_options){r->verdicts, r->weights};
}

void lower_rig_free(struct lower_rig *r)
{
	unsigned int i;

	keel_lowered_free(&r->l);
	for (i = 0; i < r->g->nr_nodes; i++)
		keel_weights_del(r->weights[i]);
	free(r->weights);
	free(r->verdicts);
	keel_graph_del(r->g);
}
