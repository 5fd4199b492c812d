// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

static const int64_t four[] = {1, 4};

static struct keel_tensor *value(struct keel_graph *g, const char *name)
{
	struct keel_tensor *t = keel_graph_tensor(g, name, KEEL_F32, 2, four);

	ck_assert_ptr_nonnull(t);
	return t;
}

static struct keel_node *unary(struct keel_graph *g, struct keel_tensor *x, struct keel_tensor *y)
{
	struct keel_node *n = keel_graph_node(g, KEEL_OP_RELU, NULL, 1, &x, 1, &y);

	ck_assert_ptr_nonnull(n);
	return n;
}

START_TEST(names_are_unique)
{
	struct keel_graph *g = keel_graph_new();

	ck_assert_str_eq(value(g, "a")->name, "a");
	ck_assert_str_eq(value(g, "a_1")->name, "a_1");
	ck_assert_str_eq(value(g, "a")->name, "a_2");
	ck_assert_str_eq(value(g, "a")->name, "a_3");
	ck_assert_str_eq(value(g, NULL)->name, "tensor");
	ck_assert_str_eq(value(g, "")->name, "tensor_1");
	keel_graph_del(g);
}
END_TEST

START_TEST(many_equal_names_are_quick)
{
	struct keel_graph *g = keel_graph_new();
	unsigned int i;

	for (i = 0; i < 100000; i++)
		value(g, "x");
	ck_assert_str_eq(g->tensors[99999]->name, "x_99999");
	ck_assert_uint_eq(g->tensors[99999]->id, 99999);
	keel_graph_del(g);
}
END_TEST

START_TEST(impossible_shapes_are_refused)
{
	struct keel_graph *g = keel_graph_new();
	const int64_t negative[] = {3, -1};
	const int64_t huge[] = {INT64_C(1) << 31, INT64_C(1) << 30};
	const int64_t hidden[] = {0, INT64_MAX};
	const int64_t ones[KEEL_MAX_RANK + 1] = {1, 1, 1, 1, 1, 1, 1, 1, 1};

	ck_assert_ptr_null(keel_graph_tensor(g, "n", KEEL_F32, 2, negative));
	ck_assert_ptr_null(keel_graph_tensor(g, "h", KEEL_F32, 2, huge));
	ck_assert_ptr_null(keel_graph_tensor(g, "z", KEEL_F32, 2, hidden));
	ck_assert_ptr_null(keel_graph_tensor(g, "r", KEEL_F32, KEEL_MAX_RANK + 1, ones));
	ck_assert_ptr_nonnull(keel_graph_tensor(g, "s", KEEL_F32, 0, NULL));
	ck_assert_int_eq(keel_tensor_count(g->tensors[0]), 1);
	keel_graph_del(g);
}
END_TEST

START_TEST(memory_is_zeroed_and_aligned)
{
	struct keel_graph *g = keel_graph_new();
	size_t bytes, i;

	for (bytes = 0; bytes < 200000; bytes = bytes * 3 + 1) {
		unsigned char *p = keel_graph_alloc(g, bytes);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 64, 0);
		for (i = 0; i < bytes; i++)
			ck_assert_uint_eq(p[i], 0);
		memset(p, 0xff, bytes);
	}
	ck_assert_ptr_null(keel_graph_alloc(g, SIZE_MAX));
	ck_assert_ptr_null(keel_graph_alloc(g, SIZE_MAX - 64));
	keel_graph_del(g);
}
END_TEST

START_TEST(edits_keep_track_of_uses)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = value(g, "x"), *y = value(g, "y"), *z = value(g, "z");
	struct keel_tensor *both[] = {y, y}, *sum = value(g, "sum");
	struct keel_node *a = unary(g, x, y), *b = unary(g, y, z), *c;

	ck_assert_int_eq(keel_graph_add_input(g, x), 0);
	ck_assert_int_eq(keel_graph_add_output(g, z), 0);
	ck_assert(keel_tensor_is_input(g, x) && !keel_tensor_is_output(g, x));
	ck_assert_ptr_eq(keel_graph_consumer(g, y), b);
	ck_assert_ptr_null(keel_graph_consumer(g, z));
	c = keel_graph_node(g, KEEL_OP_ADD, "c", 2, both, 1, &sum);
	ck_assert_uint_eq(keel_graph_uses(g, y), 3);
	ck_assert_ptr_null(keel_graph_consumer(g, y));
	keel_graph_remove(g, b);
	ck_assert_ptr_null(z->producer);
	ck_assert_ptr_eq(keel_graph_consumer(g, y), c);
	keel_graph_replace(g, z, sum);
	ck_assert_ptr_eq(g->outputs[0], sum);
	keel_graph_replace(g, y, x);
	ck_assert_uint_eq(keel_graph_uses(g, x), 3);
	ck_assert_ptr_eq(y->producer, a);
	ck_assert_int_eq(keel_graph_sort(g, NULL), 0);
	ck_assert_uint_eq(g->nr_nodes, 1);
	ck_assert_ptr_null(y->producer);
	keel_graph_del(g);
}
END_TEST

START_TEST(sort_orders_and_drops)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *t[4] = {value(g, "0"), value(g, "1"), value(g, "2"), value(g, "3")};
	struct keel_node *last = unary(g, t[2], t[3]), *dead = unary(g, t[3], value(g, "dead"));
	struct keel_node *first = unary(g, t[0], t[1]), *middle = unary(g, t[1], t[2]);

	keel_graph_add_output(g, t[3]);
	ck_assert_int_eq(keel_graph_sort(g, NULL), 0);
	ck_assert_uint_eq(g->nr_nodes, 3);
	ck_assert_ptr_eq(g->nodes[0], first);
	ck_assert_ptr_eq(g->nodes[1], middle);
	ck_assert_ptr_eq(g->nodes[2], last);
	ck_assert_ptr_null(dead->outputs[0]->producer);
	keel_graph_del(g);
}
END_TEST

START_TEST(sort_keeps_a_valid_order)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = value(g, "x"), *ends[2];
	struct keel_node *made[200];
	unsigned int i;

	/* Two interleaved chains: any order but the given one would show. */
	ends[0] = ends[1] = x;
	for (i = 0; i < 200; i++) {
		struct keel_tensor *y = value(g, "y");

		made[i] = unary(g, ends[i & 1], y);
		ends[i & 1] = y;
	}
	keel_graph_add_output(g, ends[1]);
	keel_graph_add_output(g, ends[0]);
	ck_assert_int_eq(keel_graph_sort(g, NULL), 0);
	for (i = 0; i < 200; i++)
		ck_assert_ptr_eq(g->nodes[i], made[i]);
	keel_graph_del(g);
}
END_TEST

START_TEST(sort_survives_depth)
{
	enum { DEPTH = 300000 };
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *y = value(g, "out"), *x;
	unsigned int i;

	keel_graph_add_output(g, y);
	for (i = 0; i < DEPTH; i++, y = x) {
		x = value(g, "x");
		unary(g, x, y);
	}
	ck_assert_int_eq(keel_graph_sort(g, NULL), 0);
	ck_assert_uint_eq(g->nr_nodes, DEPTH);
	ck_assert_ptr_eq(g->nodes[0]->inputs[0], y);
	keel_graph_del(g);
}
END_TEST

START_TEST(sort_names_a_cycle)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *a = value(g, "a"), *b = value(g, "b");
	struct keel_error e = {""};

	unary(g, a, b);
	unary(g, b, a);
	keel_graph_add_output(g, b);
	ck_assert_int_eq(keel_graph_sort(g, &e), -ELOOP);
	ck_assert_ptr_nonnull(strstr(e.text, "cycle"));
	ck_assert_ptr_nonnull(strstr(e.text, "'b'"));
	keel_graph_del(g);
}
END_TEST

static void remember(void *ctx, const char *text)
{
	strncat(ctx, text, 4000 - strlen(ctx));
	strncat(ctx, "\n", 4000 - strlen(ctx));
}

static struct keel_graph *small_conv(void)
{
	static const int64_t xs[] = {1, 2, 3, 3}, ws[] = {2, 2, 1, 1};
	static const float w[] = {1, 2, 3, 4};
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[3] = {0}, *out;
	struct keel_node *n;

	g->name = keel_graph_strdup(g, "small");
	in[0] = keel_graph_tensor(g, "x", KEEL_F32, 4, xs);
	in[1] = keel_graph_constant(g, "w", KEEL_F32, 4, ws, w);
	out = keel_graph_tensor(g, "y", KEEL_F32, 4, xs);
	out->quant = (struct keel_quant){.scale = 0.5, .zero_point = -3};
	n = keel_graph_node(g, KEEL_OP_CONV, "conv", 3, in, 1, &out);
	n->act.kind = KEEL_ACT_CLIP;
	n->act.channels = 2;
	n->act.lo = keel_graph_alloc(g, 8);
	n->act.hi = keel_graph_alloc(g, 8);
	n->act.hi[0] = n->act.hi[1] = 6;
	keel_graph_add_input(g, in[0]);
	keel_graph_add_output(g, out);
	return g;
}

START_TEST(clone_is_equal_and_independent)
{
	struct keel_graph *g = small_conv(), *c = keel_graph_clone(g);
	char before[4096] = "", after[4096] = "";
	struct keel_node *n;

	ck_assert_ptr_nonnull(c);
	keel_graph_dump(g, remember, before);
	((float *)g->nodes[0]->inputs[1]->data)[0] = 99;
	g->nodes[0]->act.hi[0] = 99;
	keel_graph_del(g);
	keel_graph_dump(c, remember, after);
	ck_assert_str_eq(before, after);
	ck_assert_ptr_nonnull(strstr(after, "y:f32[1x2x3x3] = Conv(x:f32[1x2x3x3], "
					    "const w:f32[2x2x1x1], -)"));
	n = c->nodes[0];
	ck_assert_float_eq(((float *)n->inputs[1]->data)[0], 1);
	ck_assert_float_eq(n->act.hi[0], 6);
	ck_assert_ptr_eq(n->outputs[0]->producer, n);
	ck_assert_ptr_eq(c->outputs[0], n->outputs[0]);
	ck_assert_ptr_eq(c->inputs[0], n->inputs[0]);
	ck_assert_int_eq(c->outputs[0]->quant.zero_point, -3);
	ck_assert_str_eq(c->name, "small");
	keel_graph_del(c);
}
END_TEST

START_TEST(every_operator_has_a_name)
{
	unsigned int a, b;

	for (a = 0; a < KEEL_OP_COUNT; a++) {
		ck_assert_msg(keel_op_name(a), "operator %u has no name", a);
		for (b = 0; b < a; b++)
			ck_assert_str_ne(keel_op_name(a), keel_op_name(b));
	}
	ck_assert_str_eq(keel_op_name(KEEL_OP_COUNT), "?");
}
END_TEST

/* Expected values worked out with another program than the one under test. */
static const struct {
	enum keel_op fn;
	double alpha, beta, lo, hi, x, y;
} unary_cases[] = {
	{KEEL_OP_RELU, .x = -2, .y = 0},
	{KEEL_OP_RELU, .x = 2, .y = 2},
	{KEEL_OP_CLIP, .lo = 0, .hi = 6, .x = 7, .y = 6},
	{KEEL_OP_CLIP, .lo = 2, .hi = 1, .x = 0, .y = 1},
	{KEEL_OP_LEAKY_RELU, .alpha = 0.1, .x = -2, .y = -0.2},
	{KEEL_OP_PRELU, .alpha = 0.25, .x = -2, .y = -0.5},
	{KEEL_OP_ELU, .alpha = 1, .x = -1, .y = -0.6321205588285577},
	{KEEL_OP_SELU, .alpha = 1.67326, .beta = 1.0507, .x = -1, .y = -1.1113284},
	{KEEL_OP_SIGMOID, .x = 1, .y = 0.7310585786300049},
	{KEEL_OP_TANH, .x = 1, .y = 0.7615941559557649},
	{KEEL_OP_HARD_SIGMOID, .alpha = 0.2, .beta = 0.5, .x = 1, .y = 0.7},
	{KEEL_OP_HARD_SIGMOID, .alpha = 0.2, .beta = 0.5, .x = 9, .y = 1},
	{KEEL_OP_HARD_SWISH, .x = 1, .y = 0.6666666666666666},
	{KEEL_OP_HARD_SWISH, .x = -4, .y = 0},
	{KEEL_OP_SILU, .x = 2, .y = 1.7615941559557649},
	{KEEL_OP_GELU, .x = 1, .y = 0.8413447460685429},
	{KEEL_OP_GELU, .alpha = 1, .x = 1, .y = 0.8411919906082768},
	{KEEL_OP_SOFTPLUS, .x = 0, .y = 0.6931471805599453},
	{KEEL_OP_SOFTPLUS, .x = 1000, .y = 1000},
	{KEEL_OP_EXP, .x = 1, .y = 2.718281828459045},
	{KEEL_OP_LOG, .x = 10, .y = 2.302585092994046},
	{KEEL_OP_SQRT, .x = 2, .y = 1.4142135623730951},
	{KEEL_OP_RECIPROCAL, .x = 4, .y = 0.25},
	{KEEL_OP_ABS, .x = -3, .y = 3},
	{KEEL_OP_NEG, .x = 3, .y = -3},
	{KEEL_OP_FLOOR, .x = -1.5, .y = -2},
	{KEEL_OP_CEIL, .x = -1.5, .y = -1},
	{KEEL_OP_ROUND, .x = 2.5, .y = 2},
	{KEEL_OP_ROUND, .x = 3.5, .y = 4},
	{KEEL_OP_ERF, .x = 0.5, .y = 0.5204998778130465},
	{KEEL_OP_SIGN, .x = -0.1, .y = -1},
	{KEEL_OP_SIGN, .x = 0, .y = 0},
	{KEEL_OP_SIN, .x = 1, .y = 0.8414709848078965},
	{KEEL_OP_COS, .x = 1, .y = 0.5403023058681398},
};

START_TEST(unary_values)
{
	double y = keel_unary_eval(unary_cases[_i].fn, unary_cases[_i].alpha, unary_cases[_i].beta,
				   unary_cases[_i].lo, unary_cases[_i].hi, unary_cases[_i].x);

	ck_assert_msg(fabs(y - unary_cases[_i].y) <= 1e-5 * fabs(unary_cases[_i].y) + 1e-12,
		      "%s(%g) is %.9g instead of %.9g", keel_op_name(unary_cases[_i].fn),
		      unary_cases[_i].x, y, unary_cases[_i].y);
}
END_TEST

START_TEST(unary_covers_the_unary_operators)
{
	unsigned int op;

	for (op = 0; op < KEEL_OP_COUNT; op++)
		ck_assert_int_eq(keel_op_is_unary(op), op >= KEEL_OP_RELU && op <= KEEL_OP_COS);
	ck_assert(isnan(keel_unary_eval(KEEL_OP_CONV, 0, 0, 0, 0, 1)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("graph");
	TCase *t = tcase_create("graph");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, names_are_unique);
	tcase_add_test(t, many_equal_names_are_quick);
	tcase_add_test(t, impossible_shapes_are_refused);
	tcase_add_test(t, memory_is_zeroed_and_aligned);
	tcase_add_test(t, edits_keep_track_of_uses);
	tcase_add_test(t, sort_orders_and_drops);
	tcase_add_test(t, sort_keeps_a_valid_order);
	tcase_add_test(t, sort_survives_depth);
	tcase_add_test(t, sort_names_a_cycle);
	tcase_add_test(t, clone_is_equal_and_independent);
	tcase_add_test(t, every_operator_has_a_name);
	tcase_add_loop_test(t, unary_values, 0, sizeof(unary_cases) / sizeof(*unary_cases));
	tcase_add_test(t, unary_covers_the_unary_operators);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
