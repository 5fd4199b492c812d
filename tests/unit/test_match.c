// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "graph.h"
#include "import.h"
#include "match.h"
#include "onnx_rig.h"

/*
 * Activation functions in pieces, as exporters write them: each is recognized
 * with the operands in any order, and the values stay what they were.
 */

/** struct pattern - nodes and what they become
 * @nodes: "Op inputs -> output attributes", a semicolon between nodes
 * @op: the one operator left, or KEEL_OP_COUNT when the pieces must stay
 */
static const struct pattern {
	const char *nodes;
	enum keel_op op;
	double alpha, beta, lo, hi;
} patterns[] = {
	{"Max x[1,3,4] z=0 -> y", KEEL_OP_RELU},
	{"Max z=0 x[1,3,4] -> y", KEEL_OP_RELU},
	{"Max z(1,1,1,1) x[1,3,4] -> y", KEEL_OP_COUNT},
	{"Min x[1,3,4] z=1 -> y", KEEL_OP_CLIP, 0, 0, -INFINITY, 1},
	{"Clip x[1,3,4] z=0 -> y", KEEL_OP_RELU},
	{"Max x[1,3,4] z=0 -> a; Min *a s=0.5 -> y", KEEL_OP_CLIP, 0, 0, 0, 0.5},
	{"Relu x[1,3,4] -> a; Min *a s=0.5 -> y", KEEL_OP_CLIP, 0, 0, 0, 0.5},
	{"Clip x[1,3,4] l=-2 h=0.5 -> a; Relu *a -> y", KEEL_OP_CLIP, 0, 0, 0, 0.5},
	{"Clip x[1,3,4] l=1 h=2 -> a; Clip *a m=-1 i=0.5 -> y", KEEL_OP_CLIP, 0, 0, 0.5, 0.5},

	{"Add x[1,3,4] t=3 -> a; Clip *a l=0 h=6 -> b; Div *b s=6 -> y", KEEL_OP_HARD_SIGMOID,
	 1. / 6, 0.5},
	{"Add t=3 x[1,3,4] -> a; Clip *a l=0 h=6 -> b; Mul s=0.16666667 *b -> y",
	 KEEL_OP_HARD_SIGMOID, 1. / 6, 0.5},
	{"Mul x[1,3,4] t=0.2 -> a; Add *a u=0.5 -> b; Clip *b l=0 h=1 -> y", KEEL_OP_HARD_SIGMOID,
	 0.2, 0.5},
	{"Sub t=1 x[1,3,4] -> a; Clip *a l=0 h=1 -> y", KEEL_OP_HARD_SIGMOID, -1, 1},
	{"Clip x[1,3,4] l=0 h=1 -> y", KEEL_OP_CLIP, 0, 0, 0, 1},
	{"Add x[1,3,4] t=3 -> a; Clip *a l=0 h=6 -> b; Div *b s=5 -> y", KEEL_OP_COUNT},

	{"HardSigmoid x[1,3,4] -> a; Mul *x *a -> y", KEEL_OP_COUNT},
	{"HardSigmoid x[1,3,4] -> a alpha=0.16666667f; Mul *x *a -> y", KEEL_OP_HARD_SWISH},
	{"HardSigmoid x[1,3,4] -> a alpha=0.16666667f beta=0.4f; Mul *a *x -> y", KEEL_OP_COUNT},
	{"Add x[1,3,4] t=3 -> a; Clip *a l=0 h=6 -> b; Mul *x *b -> c; Div *c s=6 -> y",
	 KEEL_OP_HARD_SWISH},
	{"Add x[1,3,4] t=3 -> a; Clip *a l=0 h=6 -> b; Div *b s=6 -> c; Mul *c *x -> y",
	 KEEL_OP_HARD_SWISH},
	{"Add x[1,3,4] t=3 -> a; Clip *a l=0 h=6 -> b; Div *x s=6 -> c; Mul *b *c -> y",
	 KEEL_OP_HARD_SWISH},
	{"Add x[1,3,4] t=3 -> a; Relu *a -> b; Min *b h=6 -> c; Mul *c *x -> d; "
	 "Mul s=0.16666667 *d -> y",
	 KEEL_OP_HARD_SWISH},
	{"Add x[1,3,4] t=3 -> a; Clip *a l=0 h=6 -> b; Mul *x *b -> c; Div *c s=5 -> y",
	 KEEL_OP_COUNT},

	{"Sigmoid x[1,3,4] -> a; Mul *x *a -> y", KEEL_OP_SILU},
	{"Sigmoid x[1,3,4] -> a; Mul *a *x -> y", KEEL_OP_SILU},
	{"Sigmoid x[1,3,4] -> a; Mul *a *a -> y", KEEL_OP_COUNT},
	{"Sigmoid x[1,3,4] -> a; Mul *x *a -> b; Add *a *b -> y", KEEL_OP_COUNT},

	{"Div x[1,3,4] r=1.41421356 -> a; Erf *a -> b; Add *b o=1 -> c; Mul *x *c -> d; "
	 "Mul *d h=0.5 -> y",
	 KEEL_OP_GELU, 0},
	{"Mul x[1,3,4] r=0.70710678 -> a; Erf *a -> b; Add o=1 *b -> c; Mul *x h=0.5 -> d; "
	 "Mul *d *c -> y",
	 KEEL_OP_GELU, 0},
	{"Mul x[1,3,4] r=0.70710678 -> a; Erf *a -> b; Add o=1 *b -> c; Mul *c h=0.5 -> d; "
	 "Mul *d *x -> y",
	 KEEL_OP_GELU, 0},
	{"Mul x[1,3,4] r=0.7 -> a; Erf *a -> b; Add o=1 *b -> c; Mul *c h=0.5 -> d; "
	 "Mul *d *x -> y",
	 KEEL_OP_COUNT},
	{"Pow x[1,3,4] p=3 -> a; Mul *a c=0.044715 -> b; Add *x *b -> c1; "
	 "Mul *c1 k=0.79788456 -> d; Tanh *d -> e; Add *e o=1 -> f; Mul *x h=0.5 -> g; "
	 "Mul *g *f -> y",
	 KEEL_OP_GELU, 1},

	{"Relu x[1,3,4] -> a; Neg *x -> b; Relu *b -> c; Mul *c s=0.25 -> d; Sub *a *d -> y",
	 KEEL_OP_LEAKY_RELU, 0.25},
	{"Relu x[1,3,4] -> a; Neg *x -> b; Relu *b -> c; Mul s=-0.25 *c -> d; Add *d *a -> y",
	 KEEL_OP_LEAKY_RELU, 0.25},
	{"Relu x[1,3,4] -> a; Neg *x -> b; Relu *b -> c; Mul *c s(3,1) -> d; Sub *a *d -> y",
	 KEEL_OP_PRELU},
	{"Relu x[1,3,4] -> a; Min *x z=0 -> b; Mul *b s(3,1) -> c; Add *a *c -> y", KEEL_OP_PRELU},
	{"Relu x[1,3,4] -> a; Mul *x m=-1 -> b; Relu *b -> c; Mul *c s(3,1) -> d; Neg *d -> e; "
	 "Add *a *e -> y",
	 KEEL_OP_PRELU},
	{"Relu x[1,3,4] -> a; Neg *x -> b; Relu *b -> c; Mul *c s(5,1,3,4) -> d; Sub *a *d -> y",
	 KEEL_OP_COUNT},
	{"Mul x[1,3,4] s=0.1 -> a; Max *x *a -> y", KEEL_OP_LEAKY_RELU, 0.1},
	{"Mul x[1,3,4] s=0.1 -> a; Max *a *x -> y", KEEL_OP_LEAKY_RELU, 0.1},
	{"Mul x[1,3,4] s=1.5 -> a; Max *a *x -> y", KEEL_OP_COUNT},
	{"Max x[1,3,4] *x -> y", KEEL_OP_COUNT},
};

static struct keel_graph *import(const struct pattern *p)
{
	struct ox_bytes g = {0}, m;
	struct keel_error e = {0};
	struct keel_graph *k;

	ox_nodes(&g, p->nodes);
	ox_outputs(&g, "y");
	m = ox_model(&g, 13);
	ck_assert_msg(!keel_import_onnx_memory(m.p, m.n, NULL, &k, &e), "%s", e.text);
	ox_free(&m);
	return k;
}

static void compute(const struct keel_graph *g, float *y)
{
	static const float x[12] = {-8, -4, -3, -2.5, -1, -0.25, 0, 0.125, 0.75, 2, 3.5, 9};
	const void *inputs[] = {x};
	struct keel_error e = {0};
	struct keel_float *f = keel_float_new(g, &e);

	ck_assert_msg(f != NULL, "%s", e.text);
	ck_assert_msg(!keel_float_run(f, inputs, NULL, NULL, &e), "%s", e.text);
	memcpy(y, keel_float_output(f, 0), keel_tensor_count(g->outputs[0]) * sizeof(*y));
	keel_float_del(f);
}

static void check_node(const struct pattern *p, const struct keel_node *n)
{
	ck_assert_msg(n->op == p->op, "%s became %s", p->nodes, keel_op_name(n->op));
	ck_assert(fabs(n->alpha - p->alpha) < 1e-6);
	ck_assert(fabs(n->beta - p->beta) < 1e-6);
	ck_assert(n->lo == p->lo && n->hi == p->hi);
	ck_assert_str_eq(n->outputs[0]->name, "y");
	ck_assert_str_eq(n->inputs[0]->name, "x");
}

START_TEST(pieces_are_recognized)
{
	const struct pattern *p = &patterns[_i];
	struct keel_graph *g = import(p);
	unsigned int before = g->nr_nodes;
	struct keel_error e = {0};
	float want[64], got[64];
	int64_t i;

	compute(g, want);
	ck_assert_msg(!keel_pass_match(g, &e), "%s", e.text);
	compute(g, got);
	for (i = 0; i < keel_tensor_count(g->outputs[0]); i++)
		ck_assert_msg(fabs(got[i] - want[i]) <= 1e-5 * (1 + fabs(want[i])),
			      "%s: %g, not %g", p->nodes, got[i], want[i]);
	if (p->op == KEEL_OP_COUNT) {
		ck_assert_uint_eq(g->nr_nodes, before);
	} else {
		ck_assert_msg(g->nr_nodes == 1, "%s: %u nodes", p->nodes, g->nr_nodes);
		check_node(p, g->nodes[0]);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(sources_are_joined)
{
	static const struct pattern silu = {"Sigmoid x[1,3,4] -> gate; Mul *x *gate -> y"};
	struct keel_graph *g = import(&silu);
	struct keel_error e = {0};

	ck_assert_int_eq(keel_pass_match(g, &e), 0);
	ck_assert_str_eq(g->nodes[0]->sources, "y+gate");
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("match");
	TCase *t = tcase_create("match");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, pieces_are_recognized, 0, sizeof(patterns) / sizeof(*patterns));
	tcase_add_test(t, sources_are_joined);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
