// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>

#include "compile.h"
#include "keel_random.h"
#include "lower_rig.h"
#include "weights.h"

static bool has_weights(const struct keel_node *n)
{
	return n->op == KEEL_OP_CONV || n->op == KEEL_OP_CONV_TRANSPOSE || n->op == KEEL_OP_FC;
}

static void place(struct lower_rig *r)
{
	free(r->verdicts);
	r->verdicts = calloc(r->g->nr_nodes + 1, sizeof(*r->verdicts));
	keel_place(r->g, r->verdicts);
}

/* Some groups get int16 levels, 256 of them to one of int8. */
static void widen(struct lower_rig *r, unsigned int percent, uint64_t seed)
{
	struct keel_random random;
	struct keel_int16 w;
	struct keel_error e;
	unsigned int i;

	keel_random_init(&random, seed);
	ck_assert_int_eq(keel_int16_init(&w, r->g, r->verdicts), 0);
	for (i = 0; i < w.nr; i++)
		w.chosen[i] = !w.why[i] && keel_random_below(&random, 100) < percent;
	keel_int16_mark(&w, r->g);
	keel_int16_free(&w);
	ck_assert_int_eq(keel_int16_convert(r->g, r->verdicts, &e), 0);
	place(r);
	for (i = 0; i < r->g->nr_tensors; i++)
		if (r->g->tensors[i]->quant.wide)
			r->g->tensors[i]->quant =
				(struct keel_quant){.scale = 1.0 / 8192, .wide = true};
}

static void quantize(struct lower_rig *r)
{
	struct keel_error e = {""};
	unsigned int i;

	r->weights = calloc(r->g->nr_nodes + 1, sizeof(*r->weights));
	for (i = 0; i < r->g->nr_nodes; i++) {
		const struct keel_node *n = r->g->nodes[i];
		const struct keel_quant *q = n->nr_inputs ? &n->inputs[0]->quant : NULL;
		struct keel_weight_options o = {.per_channel = true, .wide = q && q->wide};

		if (has_weights(n) && r->verdicts[i].place == KEEL_PLACE_NPU)
			ck_assert_msg(!keel_weights_quantize(n, q->scale, &o, &r->weights[i], &e),
				      "%s", e.text);
	}
}

void lower_rig_init_mixed(struct lower_rig *r, struct keel_graph *g, unsigned int percent,
			  uint64_t seed)
{
	struct keel_error e = {""};
	unsigned int i;

	*r = (struct lower_rig){.g = g};
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	place(r);
	if (percent)
		widen(r, percent, seed);
	for (i = 0; i < g->nr_tensors; i++)
		if (!g->tensors[i]->quant.wide)
			g->tensors[i]->quant =
				(struct keel_quant){.scale = 1.0 / 32, .zero_point = 3};
	quantize(r);
	r->options = (struct keel_lower_options){r->verdicts, r->weights};
}

void lower_rig_init(struct lower_rig *r, struct keel_graph *g)
{
	lower_rig_init_mixed(r, g, 0, 0);
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
