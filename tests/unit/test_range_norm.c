// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "graph.h"
#include "import.h"
#include "onnx_rig.h"
#include "passes.h"

/*
 * Range BatchNorm (Banner, Hubara, Hoffer, Soudry, "Scalable Methods for 8-bit Training of
 * Neural Networks", 2018) divides by the range of the batch instead of its deviation. In
 * inference (x - mean) / (C(n) range + epsilon) gamma + beta is arithmetic with constants of
 * each channel, whichever way an exporter writes it: it must fold like a BatchNormalization.
 */

#define CONV "Conv x[1,3,4,4] w(4,3,1,1) c(4) -> a; "
#define FC   "Gemm x[1,3] w(4,3) c(4) -> a transB=1; "

/** struct chain - a layer and what is behind it
 * @nodes: see ox_nodes()
 * @nr: how many are left
 */
static const struct chain {
	const char *nodes;
	unsigned int nr;
} chains[] = {
	/* As its authors wrote it, with the range as a buffer of the module */
	{CONV "Sub *a m(1,4,1,1) -> b; Mul r(1,4,1,1) k=0.31 -> d; Add *d e=0.00001 -> f; "
	      "Div *b *f -> g; Mul *g s(1,4,1,1) -> h; Add *h t(1,4,1,1) -> y",
	 1},
	{CONV "Sub *a m(4,1,1) -> b; Add r(4,1,1) e=0.00001 -> f; Div *b *f -> g; "
	      "Mul s(4,1,1) *g -> h; Add t(4,1,1) *h -> y",
	 1},
	/* Buffers of one axis that are given theirs in the graph */
	{CONV "Unsqueeze m(4) i<1,2> -> n; Sub *a *n -> b; Unsqueeze r(4) *i -> o; "
	      "Mul *o k=0.31 -> d; Add *d e=0.00001 -> f; Div *b *f -> g; "
	      "Reshape s(4) j<1,4,1,1> -> p; Mul *g *p -> h; Reshape t(4) *j -> q; Add *h *q -> y",
	 1},
	/* The range of stored extremes, and its reciprocal */
	{CONV "ReduceMax v(4,5) -> u axes=[1]; ReduceMin *v -> l axes=[1]; Sub *u *l -> r; "
	      "Reshape *r j<1,4,1,1> -> o; Mul *o k=0.31 -> d; Add *d e=0.00001 -> f; "
	      "Reciprocal *f -> z; Sub *a m(4,1,1) -> b; Mul *b *z -> g; Mul *g s(4,1,1) -> h; "
	      "Add *h t(4,1,1) -> y",
	 1},
	/* Without gamma, without beta, with the activation behind it */
	{CONV "Sub *a m(4,1,1) -> b; Div *b r(4,1,1) -> g; Add *g t(4,1,1) -> h; Relu *h -> y", 1},
	{CONV "Sub *a m(4,1,1) -> b; Div *b r(4,1,1) -> g; Mul *g s(4,1,1) -> y", 1},
	{FC "Sub *a m(4) -> b; Add r(4) e=0.00001 -> f; Div *b *f -> g; Mul *g s(4) -> h; "
	    "Add *h t(4) -> y",
	 1},
	/* In front of the layer, as in networks with pre-activations */
	{"Sub x[1,3,4,4] m(3,1,1) -> b; Div *b r(3,1,1) -> g; Mul *g s(3,1,1) -> h; "
	 "Add *h t(3,1,1) -> p; Conv *p w(4,3,1,1) -> y",
	 1},
	/* Another value for each pixel belongs to no channel, so it stays. */
	{CONV "Sub *a m(4,4,4) -> b; Div *b r(4,1,1) -> g; Add *g t(4,1,1) -> y", 3},
};

static struct keel_graph *import(const char *nodes)
{
	struct keel_error e = {""};
	struct ox_bytes g = {0}, m;
	struct keel_graph *k;

	ox_nodes(&g, nodes);
	ox_outputs(&g, "y");
	m = ox_model(&g, 13);
	ck_assert_msg(!keel_import_onnx_memory(m.p, m.n, NULL, &k, &e), "%s: %s", nodes, e.text);
	ox_free(&m);
	return k;
}

static void compute(const struct keel_graph *g, float y[64])
{
	float x[48];
	const void *inputs[] = {x};
	struct keel_error e = {""};
	struct keel_float *f = keel_float_new(g, &e);
	int64_t i;

	for (i = 0; i < 48; i++)
		x[i] = (i * 37 % 48 - 24) / 8.0f;
	ck_assert_msg(f != NULL, "%s", e.text);
	ck_assert_msg(!keel_float_run(f, inputs, NULL, NULL, &e), "%s", e.text);
	memcpy(y, keel_float_output(f, 0), keel_tensor_count(g->outputs[0]) * sizeof(*y));
	keel_float_del(f);
}

START_TEST(chains_fold)
{
	const struct chain *c = &chains[_i];
	struct keel_graph *g = import(c->nodes);
	struct keel_error e = {""};
	float want[64], got[64];
	double size = 0;
	int64_t i;

	compute(g, want);
	ck_assert_msg(!keel_pass_fold(g, &e) && !keel_pass_fuse(g, &e), "%s", e.text);
	compute(g, got);
	ck_assert_msg(g->nr_nodes == c->nr, "%s: %u nodes are left", c->nodes, g->nr_nodes);
	for (i = 0; i < keel_tensor_count(g->outputs[0]); i++)
		size = fmax(size, fabsf(want[i]));
	ck_assert_double_gt(size, 0);
	for (i = 0; i < keel_tensor_count(g->outputs[0]); i++)
		ck_assert_msg(fabs(got[i] - want[i]) <= 1e-5 * size, "%s: %g, not %g", c->nodes,
			      got[i], want[i]);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range_norm");
	TCase *c = tcase_create("range_norm");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(c, chains_fold, 0, sizeof(chains) / sizeof(chains[0]));
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
