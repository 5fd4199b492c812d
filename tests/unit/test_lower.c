// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "float_rig.h"
#include "keel_validate.h"
#include "lower_rig.h"
#include "random_net.h"

/* Placement, memory plan and limits, without arithmetic. */

static void lower(struct lower_rig *r)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_lower(r->g, &r->options, &r->l, &e), "%s", e.text);
}

static bool live_together(const struct keel_area *a, const struct keel_area *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static bool apart(const struct keel_area *a, const struct keel_area *b)
{
	return a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
}

static bool in_scratch(const struct keel_area *a)
{
	return a->slot == KEEL_SLOT_SCRATCH && a->touched;
}

/* Areas that live at the same time don't overlap, and no more memory is asked for than they need.
 */
static void check_plan(const struct keel_lowered *l)
{
	uint64_t end = 0, sum = 0;
	unsigned int i, k;

	for (i = 0; i < l->nr_areas; i++) {
		const struct keel_area *a = l->areas[i];

		if (!in_scratch(a))
			continue;
		ck_assert_uint_eq(a->offset % KEEL_ALIGN, 0);
		end = a->offset + a->bytes > end ? a->offset + a->bytes : end;
		sum += (a->bytes + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN;
		for (k = 0; k < i; k++)
			if (in_scratch(l->areas[k]) && live_together(a, l->areas[k]))
				ck_assert_msg(apart(a, l->areas[k]), "areas %u and %u overlap", i,
					      k);
	}
	ck_assert_uint_eq(end, l->scratch_bytes);
	ck_assert_uint_le(end, sum);
}

/* Every command reads and writes inside of the areas that it names. */
static void check_commands(const struct keel_lowered *l)
{
	unsigned int i, k, fixup = 0;

	for (i = 0; i < l->nr_commands; i++) {
		struct keel_operand o[KEEL_MAX_OPERANDS];
		unsigned int n = keel_command_operands(&l->commands[i], o), first = fixup;

		while (fixup < l->nr_fixups && l->fixups[fixup].command == i)
			fixup++;
		for (k = 0; k < n; k++) {
			uint64_t end = o[k].offset + 1;
			bool inside = o[k].slot == KEEL_SLOT_CONSTANTS;
			unsigned int d, f;

			for (d = 0; d < 4; d++)
				end += (o[k].dims[d] - 1) * (uint64_t)o[k].strides[d];
			for (f = first; f < fixup; f++) {
				const struct keel_area *a = l->fixups[f].area;

				inside |= a->slot == o[k].slot && o[k].offset >= a->offset &&
					  end <= a->offset + a->bytes;
			}
			ck_assert_msg(inside, "command %u, %s", i, o[k].name);
		}
	}
	ck_assert_uint_eq(fixup, l->nr_fixups);
}

static struct keel_graph *random_graph(uint64_t seed)
{
	return net_random(seed, false);
}

START_TEST(memory_plans)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct lower_rig r;

		lower_rig_init(&r, random_graph(20 * _i + i + 1));
		r.options.compress = i % 2 ? KEEL_COMPRESS_ALWAYS : KEEL_COMPRESS_NEVER;
		lower(&r);
		check_plan(&r.l);
		check_commands(&r.l);
		lower_rig_free(&r);
	}
}
END_TEST

static struct keel_tensor *node(struct keel_graph *g, enum keel_op op, struct keel_tensor *a,
				struct keel_tensor *b, unsigned int rank, const int64_t *dims)
{
	struct keel_tensor *in[] = {a, b}, *y = keel_graph_tensor(g, "t", KEEL_F32, rank, dims);

	ck_assert_ptr_nonnull(keel_graph_node(g, op, NULL, b ? 2 : 1, in, 1, &y));
	return y;
}

static struct keel_tensor *input(struct keel_graph *g, unsigned int rank, const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_tensor(g, "in", KEEL_F32, rank, dims);

	keel_graph_add_input(g, t);
	return t;
}

static void refused(struct keel_graph *g, struct keel_tensor *y, int err, const char *word)
{
	struct keel_error e = {""};
	struct lower_rig r;

	keel_graph_add_output(g, y);
	lower_rig_init(&r, g);
	ck_assert_int_eq(keel_lower(r.g, &r.options, &r.l, &e), err);
	ck_assert_msg(strstr(e.text, word), "no '%s' in '%s'", word, e.text);
	lower_rig_free(&r);
}

/* Nothing of that size is allocated: areas are only planned. */
START_TEST(too_large)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = input(g, DIMS(1, 16, 11000, 12200)), *a, *b;

	a = node(g, KEEL_OP_TANH, x, NULL, 4, x->dims);
	b = node(g, KEEL_OP_SIN, a, NULL, 4, x->dims);
	a = node(g, KEEL_OP_ADD, a, b, 4, x->dims);
	b = node(g, KEEL_OP_MUL, a, b, 4, x->dims);
	refused(g, node(g, KEEL_OP_ADD, a, b, 4, x->dims), -E2BIG, "4 GiB");

	g = keel_graph_new();
	x = input(g, DIMS(1, 1, 60000, 60000));
	a = node(g, KEEL_OP_CONCAT, x, x, DIMS(1, 2, 60000, 60000));
	a->producer->axis = 1;
	refused(g, node(g, KEEL_OP_SIN, a, NULL, 4, a->dims), -E2BIG, "4 GiB");
}
END_TEST

START_TEST(too_many_commands)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = input(g, DIMS(1, 300000)), *ix, *y;
	int64_t i;

	ix = keel_graph_constant(g, "ix", KEEL_I64, DIMS(300000), NULL);
	for (i = 0; i < 300000; i++)
		((int64_t *)ix->data)[i] = 299999 - i;
	y = node(g, KEEL_OP_GATHER, x, ix, 2, x->dims);
	y->producer->axis = 1;
	refused(g, y, -E2BIG, "commands");
}
END_TEST

static struct keel_graph *three(enum keel_op a, enum keel_op b, enum keel_op c)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = input(g, DIMS(1, 4, 5, 6)), *y;

	y = node(g, a, x, NULL, 4, x->dims);
	y = node(g, b, y, NULL, 4, x->dims);
	keel_graph_add_output(g, node(g, c, y, NULL, 4, x->dims));
	return g;
}

/* E host in front, N NPU, M host between, T host behind, U unsupported */
static void placed_in(struct keel_graph *g, const char *want, const char *parts)
{
	struct keel_verdict v[8];
	char got[9] = "";
	unsigned int i, unsupported = keel_place(g, v);

	for (i = 0; i < g->nr_nodes; i++) {
		got[i] = v[i].place == KEEL_PLACE_NPU		? 'N'
			 : v[i].place == KEEL_PLACE_UNSUPPORTED ? 'U'
			 : v[i].before				? 'E'
			 : v[i].between				? 'M'
								: 'T';
		unsupported -= got[i] == 'U';
		ck_assert_int_eq(got[i] == 'N', !v[i].reason[0]);
		ck_assert_int_eq(got[i] == 'U' || (got[i] == 'M' && !g->nodes[i]->on_host),
				 !!v[i].suggestion[0]);
		if (parts)
			ck_assert_int_eq(parts[i] - '0', v[i].part);
	}
	ck_assert_str_eq(got, want);
	ck_assert_uint_eq(unsupported, 0);
	keel_graph_del(g);
}

static void placed(struct keel_graph *g, const char *want)
{
	placed_in(g, want, NULL);
}

START_TEST(borders)
{
	struct keel_graph *g;
	struct keel_tensor *x, *y;

	placed(three(KEEL_OP_TANH, KEEL_OP_TANH, KEEL_OP_TANH), "NNN");
	placed(three(KEEL_OP_TANH, KEEL_OP_TANH, KEEL_OP_EXP), "NNT");
	placed(three(KEEL_OP_TANH, KEEL_OP_EXP, KEEL_OP_TANH), "NTT");
	placed(three(KEEL_OP_TANH, KEEL_OP_EXP, KEEL_OP_LRN), "EEU");
	placed(three(KEEL_OP_LRN, KEEL_OP_EXP, KEEL_OP_LRN), "UMU");
	placed(three(KEEL_OP_EXP, KEEL_OP_EXP, KEEL_OP_EXP), "TTT");

	/* Simple arithmetic in front of the tail joins it, unless somebody else wants its result.
	 */
	g = keel_graph_new();
	x = input(g, DIMS(1, 4));
	y = node(g, KEEL_OP_ADD, node(g, KEEL_OP_TANH, x, NULL, 2, x->dims), x, 2, x->dims);
	keel_graph_add_output(g, node(g, KEEL_OP_EXP, y, NULL, 2, x->dims));
	placed(g, "NTT");
	g = keel_graph_new();
	x = input(g, DIMS(1, 4));
	y = node(g, KEEL_OP_ADD, node(g, KEEL_OP_TANH, x, NULL, 2, x->dims), x, 2, x->dims);
	keel_graph_add_output(g, node(g, KEEL_OP_EXP, y, NULL, 2, x->dims));
	keel_graph_add_output(g, y);
	placed(g, "NNT");
}
END_TEST

/* What the NPU alone can do. */
static struct keel_tensor *lrn(struct keel_graph *g, struct keel_tensor *x)
{
	struct keel_tensor *y = node(g, KEEL_OP_LRN, x, NULL, 4, x->dims);

	y->producer->size = 3;
	y->producer->bias = 1;
	return y;
}

static struct keel_tensor *unary(struct keel_graph *g, enum keel_op op, struct keel_tensor *x)
{
	return node(g, op, x, NULL, 4, x->dims);
}

static struct keel_tensor *chosen(struct keel_tensor *t)
{
	t->producer->on_host = true;
	return t;
}

START_TEST(host_between)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = input(g, DIMS(1, 4, 5, 6)), *y, *z;

	keel_graph_add_output(g, lrn(g, unary(g, KEEL_OP_EXP, lrn(g, x))));
	placed_in(g, "NMN", "001");
	/* What lies between two of them stays there, what only touches one does not. */
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	y = unary(g, KEEL_OP_TANH, unary(g, KEEL_OP_EXP, lrn(g, x)));
	y = unary(g, KEEL_OP_TANH, unary(g, KEEL_OP_EXP, y));
	keel_graph_add_output(g, lrn(g, y));
	placed_in(g, "NMMMNN", "000011");
	/* Somebody else wants it. */
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	y = unary(g, KEEL_OP_TANH, unary(g, KEEL_OP_EXP, lrn(g, x)));
	z = lrn(g, y);
	keel_graph_add_output(g, lrn(g, unary(g, KEEL_OP_EXP, y)));
	keel_graph_add_output(g, z);
	placed_in(g, "NMNNMN", "001112");
	/* Branches share round trips. */
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	y = lrn(g, unary(g, KEEL_OP_EXP, lrn(g, x)));
	z = lrn(g, unary(g, KEEL_OP_EXP, lrn(g, x)));
	keel_graph_add_output(g, node(g, KEEL_OP_ADD, y, z, 4, x->dims));
	placed_in(g, "NMNNMNN", "0010011");
}
END_TEST

START_TEST(host_by_choice)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = input(g, DIMS(1, 4, 5, 6));

	keel_graph_add_output(g, lrn(g, chosen(unary(g, KEEL_OP_TANH, lrn(g, x)))));
	placed_in(g, "NMN", "001");
	/* At the edges it is a head or a tail, and takes nothing along. */
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	keel_graph_add_output(g, lrn(g, unary(g, KEEL_OP_TANH, chosen(unary(g, KEEL_OP_ABS, x)))));
	placed_in(g, "ENN", "000");
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	x = chosen(unary(g, KEEL_OP_ABS, unary(g, KEEL_OP_TANH, lrn(g, x))));
	keel_graph_add_output(g, chosen(unary(g, KEEL_OP_SIN, x)));
	placed(g, "NNTT");
	/* Behind it nothing but movement, which would only cost a round trip. */
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	x = chosen(lrn(g, lrn(g, x)));
	x = node(g, KEEL_OP_RESHAPE, x, NULL, DIMS(1, 120));
	keel_graph_add_output(g, x);
	placed(g, "NTT");
	/* Behind it a node that could be on the host, but wasn't chosen. */
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	x = chosen(unary(g, KEEL_OP_ABS, lrn(g, x)));
	keel_graph_add_output(g, unary(g, KEEL_OP_SIN, x));
	placed_in(g, "NMN", "001");
	g = keel_graph_new();
	x = input(g, DIMS(1, 4, 5, 6));
	keel_graph_add_output(g, chosen(node(g, KEEL_OP_DEPTH_TO_SPACE, x, NULL, 4, x->dims)));
	placed(g, "U");
}
END_TEST

/* A reason with advice of its own; one that is longer than its field. */
START_TEST(advice)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = input(g, DIMS(2, 4, 5, 6)), *y;
	struct keel_verdict v[2];
	char text[400];

	y = node(g, KEEL_OP_LRN, x, NULL, 4, x->dims);
	y->producer->size = 3;
	y->producer->bias = 1;
	y = node(g, KEEL_OP_UNSUPPORTED, y, NULL, 4, x->dims);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	memcpy(text + 10, "; ", 2);
	y->producer->reason = text;
	ck_assert_uint_eq(keel_place(g, v), 2);
	ck_assert_str_eq(v[0].reason, "the batch is limited to 1");
	ck_assert_ptr_nonnull(strstr(v[0].suggestion, "export the network with a batch of 1"));
	ck_assert_uint_eq(strlen(v[1].reason), sizeof(v[1].reason) - 1);
	ck_assert_ptr_nonnull(strstr(v[1].suggestion, "replace it"));
	keel_graph_del(g);
}
END_TEST

/* Chains that are long enough to notice anything quadratic. */
START_TEST(long_chains)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *y = input(g, DIMS(1, 4));
	struct keel_error e = {""};
	struct lower_rig r;
	int i;

	for (i = 0; i < 20000; i++)
		y = node(g, i % 2 ? KEEL_OP_TANH : KEEL_OP_NEG, y, NULL, 2, y->dims);
	keel_graph_add_output(g, y);
	r = (struct lower_rig){.g = g};
	r.verdicts = calloc(g->nr_nodes, sizeof(*r.verdicts));
	r.weights = calloc(g->nr_nodes, sizeof(*r.weights));
	for (i = 0; i < (int)g->nr_tensors; i++)
		g->tensors[i]->quant = (struct keel_quant){.scale = 1};
	ck_assert_uint_eq(keel_place(g, r.verdicts), 0);
	r.options = (struct keel_lower_options){r.verdicts, r.weights};
	ck_assert_msg(!keel_lower(g, &r.options, &r.l, &e), "%s", e.text);
	ck_assert_uint_eq(r.l.nr_commands, 20001);
	ck_assert_uint_le(r.l.scratch_bytes, 128);
	lower_rig_free(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lowering");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, memory_plans, 0, 10);
	tcase_add_test(t, too_large);
	tcase_add_test(t, too_many_commands);
	tcase_add_test(t, borders);
	tcase_add_test(t, host_between);
	tcase_add_test(t, host_by_choice);
	tcase_add_test(t, advice);
	tcase_add_test(t, long_chains);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
