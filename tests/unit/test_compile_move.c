// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "compile_rig.h"

/*
 * Data movement: levels arrive exactly. Each movement is tried on an input and
 * on something computed, as an output and in front of a convolution or another
 * function.
 */

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))
#define EXACT	     0
#define SQNR	     100

typedef struct keel_tensor *(*movement)(struct crig *c, struct keel_tensor *x, int which);

/* What moves, first as it is: input to output, without a bit of difference. */
static void check_movement(unsigned int rank, const int64_t *dims, movement move, int which,
			   const char *name)
{
	struct crig *c = crig_new(which + 1);
	struct keel_tensor *x = crig_input(c, rank, dims), *y;
	char what[64];

	snprintf(what, sizeof(what), "%s %d", name, which);
	crig_output(c, move(c, x, which));
	crig_check(c, EXACT, SQNR, what);

	c = crig_new(which + 1);
	x = crig_unary(c, KEEL_OP_ABS, crig_input(c, rank, dims));
	y = move(c, x, which);
	crig_output(c, crig_unary(c, KEEL_OP_NEG, y));
	crig_output(c, y);
	crig_output(c, move(c, x, which));
	crig_check(c, 1.1, 35, what);

	c = crig_new(which + 1);
	x = crig_unary(c, KEEL_OP_ABS, crig_input(c, rank, dims));
	y = move(c, x, which);
	if (y->rank)
		y = crig_concat(c, 0, 2, y, crig_binary(c, KEEL_OP_MUL, y, y));
	crig_output(c, y);
	crig_check(c, 1.6, 30, what);

	c = crig_new(which + 1);
	y = move(c, crig_input(c, rank, dims), which);
	if (y->rank == 4 && y->dims[0] == 1)
		crig_output(c, crig_conv(c, y, 5, 3, 1, 1));
	else if (y->rank == 2)
		crig_output(c, crig_fc(c, y, 5));
	else
		crig_output(c, crig_unary(c, KEEL_OP_NEG, y));
	crig_check(c, 1, 30, what);
}

/** struct slice_row - part of a tensor */
static const struct slice_row {
	unsigned int rank, axis;
	int64_t dims[5], start, count, step;
} slices[] = {
	{4, 1, {1, 8, 4, 5}, 2, 4, 1},	  {4, 1, {1, 8, 4, 5}, 0, 4, 2},
	{4, 1, {1, 8, 4, 5}, 7, 1, 1},	  {4, 2, {1, 8, 4, 5}, 1, 2, 1},
	{4, 2, {1, 8, 7, 5}, 1, 3, 2},	  {4, 3, {1, 8, 4, 5}, 1, 3, 1},
	{4, 3, {1, 8, 4, 7}, 0, 3, 3},	  {4, 0, {4, 3, 4, 5}, 1, 2, 2},
	{4, 0, {4, 3, 4, 5}, 2, 1, 1},	  {3, 2, {1, 6, 8}, 4, 4, 1},
	{3, 1, {1, 6, 8}, 1, 5, 1},	  {2, 1, {3, 9}, 2, 3, 3},
	{2, 0, {5, 9}, 2, 3, 1},	  {1, 0, {9}, 2, 3, 2},
	{5, 3, {1, 2, 3, 4, 5}, 1, 2, 2},
};

static struct keel_tensor *slice(struct crig *c, struct keel_tensor *x, int which)
{
	const struct slice_row *r = &slices[which];

	return crig_slice(c, x, r->axis, r->start, r->count, r->step);
}

START_TEST(every_slice)
{
	check_movement(slices[_i].rank, slices[_i].dims, slice, _i, "slice");
}
END_TEST

static const struct transpose_row {
	unsigned int rank;
	int64_t dims[6];
	int perm[6];
} transposes[] = {
	{4, {1, 6, 4, 5}, {0, 2, 3, 1}},
	{4, {1, 6, 4, 5}, {0, 3, 1, 2}},
	{4, {1, 6, 4, 5}, {0, 1, 3, 2}},
	{4, {1, 6, 4, 5}, {3, 2, 1, 0}},
	{4, {2, 6, 4, 5}, {1, 0, 2, 3}},
	{4, {1, 1, 4, 5}, {0, 2, 1, 3}},
	{3, {1, 6, 7}, {0, 2, 1}},
	{3, {5, 6, 7}, {2, 0, 1}},
	{2, {6, 7}, {1, 0}},
	{5, {1, 2, 3, 4, 5}, {0, 2, 1, 3, 4}},
	{5, {2, 2, 3, 4, 5}, {4, 1, 3, 0, 2}},
	{6, {2, 2, 3, 2, 3, 2}, {5, 3, 1, 4, 2, 0}},
};

static struct keel_tensor *transpose(struct crig *c, struct keel_tensor *x, int which)
{
	return crig_transpose(c, x, transposes[which].perm);
}

START_TEST(every_transpose)
{
	check_movement(transposes[_i].rank, transposes[_i].dims, transpose, _i, "transpose");
}
END_TEST

static const struct reshape_row {
	unsigned int from, to;
	int64_t dims[6], shape[6];
} reshapes[] = {
	{4, 2, {1, 6, 4, 5}, {1, 120}},
	{4, 3, {1, 6, 4, 5}, {1, 6, 20}},
	{4, 4, {1, 6, 4, 5}, {1, 6, 20, 1}},
	{4, 4, {1, 6, 4, 5}, {1, 3, 8, 5}},
	{4, 5, {1, 6, 4, 5}, {1, 2, 3, 4, 5}},
	{4, 4, {1, 6, 4, 5}, {1, 5, 6, 4}},
	{4, 2, {1, 6, 4, 5}, {8, 15}},
	{2, 4, {1, 120}, {1, 6, 4, 5}},
	{2, 4, {1, 6}, {1, 6, 1, 1}},
	{4, 2, {1, 6, 1, 1}, {1, 6}},
	{3, 4, {1, 4, 9}, {1, 4, 3, 3}},
	{3, 2, {4, 3, 9}, {6, 18}},
	{1, 3, {24}, {2, 3, 4}},
	{1, 0, {1}, {0}},
	{0, 2, {0}, {1, 1}},
	{6, 4, {1, 2, 3, 2, 2, 3}, {1, 6, 4, 3}},
};

static struct keel_tensor *reshape(struct crig *c, struct keel_tensor *x, int which)
{
	return crig_reshape(c, x, reshapes[which].to, reshapes[which].shape);
}

START_TEST(every_reshape)
{
	check_movement(reshapes[_i].from, reshapes[_i].dims, reshape, _i, "reshape");
}
END_TEST

/* Channel shuffle, pixel unshuffle by hand, heads of a detector. */
static struct keel_tensor *chain(struct crig *c, struct keel_tensor *x, int which)
{
	static const int swap[] = {0, 2, 1, 3, 4}, blocks[] = {0, 3, 5, 1, 2, 4},
			 last[] = {0, 2, 3, 1};

	switch (which) {
	case 0:
		x = crig_transpose(c, crig_reshape(c, x, DIMS(1, 3, 4, 4, 6)), swap);
		return crig_reshape(c, x, DIMS(1, 12, 4, 6));
	case 1:
		x = crig_transpose(c, crig_reshape(c, x, DIMS(1, 12, 2, 2, 3, 2)), blocks);
		return crig_reshape(c, x, DIMS(1, 48, 2, 3));
	case 2:
		return crig_reshape(c, crig_transpose(c, x, last), DIMS(1, 72, 4));
	case 3:
		x = crig_slice(c, crig_reshape(c, crig_transpose(c, x, last), DIMS(1, 72, 4)), 2, 1,
			       2, 1);
		return crig_reshape(c, x, DIMS(1, 12, 12));
	default:
		x = crig_slice(c, x, 1, 2, 6, 1);
		return crig_reshape(c, crig_transpose(c, x, last), DIMS(1, 2, 2, 36));
	}
}

START_TEST(chains)
{
	check_movement(DIMS(1, 12, 4, 6), chain, _i, "chain");
}
END_TEST

static const struct expand_row {
	unsigned int rank;
	int64_t from[5], to[5];
} expands[] = {
	{4, {1, 6, 1, 1}, {1, 6, 4, 5}},
	{4, {1, 1, 4, 5}, {1, 6, 4, 5}},
	{4, {1, 6, 4, 1}, {1, 6, 4, 5}},
	{4, {1, 6, 1, 5}, {3, 6, 4, 5}},
	{3, {1, 1, 7}, {1, 5, 7}},
	{3, {1, 7, 1}, {2, 7, 5}},
	{2, {1, 1}, {4, 9}},
	{5, {1, 2, 1, 4, 1}, {2, 2, 3, 4, 5}},
};

static struct keel_tensor *expand(struct crig *c, struct keel_tensor *x, int which)
{
	return crig_wanted(c, (struct keel_node){.op = KEEL_OP_EXPAND}, x, expands[which].rank,
			   expands[which].to);
}

START_TEST(every_expand)
{
	check_movement(expands[_i].rank, expands[_i].from, expand, _i, "expand");
}
END_TEST

static const struct gather_row {
	unsigned int rank, indices_rank;
	int64_t dims[5], indices[3], values[8];
	int axis;
} gathers[] = {
	{4, 1, {1, 8, 3, 4}, {4}, {0, 1, 2, 3}, 1},
	{4, 1, {1, 8, 3, 4}, {5}, {7, 0, 1, 5, 5}, 1},
	{4, 0, {1, 8, 3, 4}, {0}, {3}, 1},
	{4, 0, {1, 8, 3, 4}, {0}, {3}, 3},
	{4, 1, {1, 8, 3, 4}, {3}, {2, 1, 0}, 2},
	{3, 2, {1, 6, 5}, {2, 3}, {0, 1, 2, 5, 3, 4}, 1},
	{2, 2, {6, 5}, {2, 2}, {4, 3, 2, 1}, 0},
	{3, 1, {2, 3, 5}, {2}, {4, 1}, 2},
	{1, 2, {9}, {2, 2}, {1, 2, 3, 8}, 0},
	{2, 3, {6, 5}, {2, 1, 2}, {4, 3, 2, 1}, 1},
};

static struct keel_tensor *gather(struct crig *c, struct keel_tensor *x, int which)
{
	const struct gather_row *r = &gathers[which];

	return crig_node(c, (struct keel_node){.op = KEEL_OP_GATHER, .axis = r->axis}, 2, x,
			 crig_ints(c, r->indices_rank, r->indices, r->values));
}

START_TEST(every_gather)
{
	check_movement(gathers[_i].rank, gathers[_i].dims, gather, _i, "gather");
}
END_TEST

static const struct pad_row {
	unsigned int rank;
	int64_t dims[5], begin[5], end[5];
	double value;
} pads[] = {
	{4, {1, 3, 4, 5}, {0, 0, 1, 2}, {0, 0, 3, 0}, 0},
	{4, {1, 3, 4, 5}, {0, 2, 0, 0}, {0, 3, 0, 0}, 0},
	{4, {1, 3, 4, 5}, {1, 0, 1, 1}, {0, 1, 1, 1}, 0.5},
	{3, {1, 6, 7}, {0, 1, 0}, {0, 0, 2}, -0.25},
	{2, {3, 4}, {0, 0}, {1, 5}, 0},
	{1, {5}, {3}, {0}, 0},
	{4, {1, 1, 300, 250}, {0, 0, 1, 2}, {0, 0, 3, 0}, 0},
};

static struct keel_tensor *pad(struct crig *c, struct keel_tensor *x, int which)
{
	struct keel_node n = {.op = KEEL_OP_PAD, .pad_value = pads[which].value};
	unsigned int i;

	for (i = 0; i < x->rank; i++) {
		n.pad_begin[i] = pads[which].begin[i];
		n.pad_end[i] = pads[which].end[i];
	}
	return crig_node(c, n, 1, x);
}

START_TEST(every_pad)
{
	/* A value other than 0 may lie between two levels. */
	if (pads[_i].value == 0)
		check_movement(pads[_i].rank, pads[_i].dims, pad, _i, "pad");
	else {
		struct crig *c = crig_new(_i);

		crig_output(c, pad(c, crig_input(c, pads[_i].rank, pads[_i].dims), _i));
		crig_check(c, 0.5, 40, "pad");
	}
}
END_TEST

static const struct {
	enum keel_op op;
	int64_t dims[4];
	int block;
	bool crd;
} blocks[] = {
	{KEEL_OP_DEPTH_TO_SPACE, {1, 12, 3, 4}, 2, false},
	{KEEL_OP_DEPTH_TO_SPACE, {1, 12, 3, 4}, 2, true},
	{KEEL_OP_DEPTH_TO_SPACE, {1, 4, 3, 4}, 2, true},
	{KEEL_OP_DEPTH_TO_SPACE, {1, 27, 1, 4}, 3, false},
	{KEEL_OP_DEPTH_TO_SPACE, {1, 9, 5, 1}, 3, true},
	{KEEL_OP_SPACE_TO_DEPTH, {1, 3, 6, 8}, 2, false},
	{KEEL_OP_SPACE_TO_DEPTH, {1, 1, 6, 9}, 3, false},
	{KEEL_OP_SPACE_TO_DEPTH, {1, 5, 4, 4}, 4, false},
};

static struct keel_tensor *block(struct crig *c, struct keel_tensor *x, int which)
{
	return crig_node(c,
			 (struct keel_node){.op = blocks[which].op,
					    .block = blocks[which].block,
					    .crd = blocks[which].crd},
			 1, x);
}

START_TEST(every_block)
{
	check_movement(4, blocks[_i].dims, block, _i, "block");
}
END_TEST

static const struct {
	unsigned int rank;
	int64_t a[5], b[5];
	int axis;
} concats[] = {
	{4, {1, 3, 4, 5}, {1, 2, 4, 5}, 1},
	{4, {1, 1, 4, 5}, {1, 1, 4, 5}, 1},
	{4, {1, 3, 4, 5}, {1, 3, 2, 5}, 2},
	{4, {1, 3, 4, 5}, {1, 3, 4, 2}, 3},
	{4, {1, 3, 4, 5}, {2, 3, 4, 5}, 0},
	{4, {1, 3, 1, 1}, {1, 4, 1, 1}, 1},
	{3, {1, 6, 4}, {1, 5, 4}, 1},
	{3, {1, 6, 4}, {1, 6, 3}, 2},
	{3, {2, 6, 4}, {1, 6, 4}, 0},
	{2, {3, 5}, {3, 4}, 1},
	{2, {3, 5}, {1, 5}, 0},
	{1, {3}, {4}, 0},
	{5, {1, 2, 3, 4, 2}, {1, 2, 3, 1, 2}, 3},
};

START_TEST(every_concat)
{
	unsigned int rank = concats[_i].rank;
	int axis = concats[_i].axis;
	struct crig *c = crig_new(_i);
	struct keel_tensor *a = crig_input(c, rank, concats[_i].a);
	struct keel_tensor *b = crig_input(c, rank, concats[_i].b), *y, *z;

	crig_output(c, crig_concat(c, axis, 2, a, b));
	crig_output(c, crig_concat(c, axis, 4, b, a, a, b));
	crig_check(c, EXACT, SQNR, "concat of inputs");

	/* Nested, shared, several times, and an output by itself. */
	c = crig_new(_i);
	a = crig_unary(c, KEEL_OP_NEG, crig_input(c, rank, concats[_i].a));
	b = crig_unary(c, KEEL_OP_ABS, crig_input(c, rank, concats[_i].b));
	y = crig_concat(c, axis, 3, a, b, a);
	z = crig_concat(c, axis, 4, y, b, y, crig_unary(c, KEEL_OP_NEG, b));
	crig_output(c, z);
	crig_output(c, y);
	crig_output(c, b);
	crig_output(c, crig_concat(c, axis, 2, z, b));
	crig_check(c, 1, 35, "nested concats");

	/* With constants, which may lie outside of what is computed. */
	c = crig_new(_i);
	a = crig_unary(c, KEEL_OP_NEG, crig_input_in(c, -0.5, 0.25, rank, concats[_i].a));
	b = crig_const(c, rank, concats[_i].b);
	crig_output(c, crig_concat(c, axis, 3, a, b, a));
	crig_check(c, 0.6, 35, "concat with a constant");

	/* Parts of quite different ranges that are fixed differently. */
	c = crig_new(_i);
	a = crig_unary(c, KEEL_OP_SIGMOID, crig_input_in(c, -5, 5, rank, concats[_i].a));
	b = crig_unary(c, KEEL_OP_TANH, crig_input_in(c, -3, 3, rank, concats[_i].b));
	crig_output(c, crig_concat(c, axis, 3, a, b, a));
	crig_check(c, 1.1, 30, "concat of scales");
}
END_TEST

/* Each layer reads all before it and writes behind it: in place, between its own input's channels.
 */
START_TEST(dense_blocks)
{
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = crig_input(c, DIMS(1, 4, _i & 1 ? 1 : 6, _i & 2 ? 1 : 7)), *y;
	unsigned int i;

	x = crig_conv(c, x, 8, 1, 1, 1);
	for (i = 0; i < 4; i++) {
		y = crig_unary(c, KEEL_OP_RELU, crig_conv(c, x, 6, _i & 1 ? 1 : 3, 1, 1));
		x = crig_concat(c, 1, 2, x, y);
	}
	crig_output(c, _i & 4 ? x : crig_conv(c, x, 5, 1, 1, 1));
	/* One scale for all layers: noise of the first ones is amplified by those behind. */
	crig_check(c, 40, 24, "dense block");
}
END_TEST

START_TEST(refused)
{
	struct crig *c = crig_new(1);
	struct keel_tensor *x = crig_input(c, DIMS(1, 3, 8, 8));
	struct keel_node n = {
		.op = KEEL_OP_PAD, .pad_mode = KEEL_PAD_REFLECT, .pad_begin = {0, 0, 1, 1}};

	crig_output(c, crig_node(c, n, 1, x));
	crig_refused(c, "reflect");

	/* Reversed inside of the network, which the host does. */
	c = crig_new(1);
	x = crig_conv(c, crig_input(c, DIMS(1, 3, 8, 8)), 4, 1, 1, 1);
	crig_output(c, crig_conv(c, crig_slice(c, x, 2, 7, 8, -1), 4, 1, 1, 1));
	crig_check(c, 30, 25, "reversed");
	c = crig_new(1);
	x = crig_conv(c, crig_input(c, DIMS(1, 3, 8, 8)), 4, 1, 1, 1);
	crig_output(c, crig_slice(c, x, 2, 7, 8, -1));
	crig_check(c, 1, 30, "reversed output");
	c = crig_new(1);
	x = crig_slice(c, crig_input(c, DIMS(1, 3, 8, 8)), 2, 7, 8, -1);
	crig_output(c, crig_conv(c, x, 4, 1, 1, 1));
	crig_check(c, 1, 30, "reversed input");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compile: data movement");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, every_slice, 0, COUNT(slices));
	tcase_add_loop_test(t, every_transpose, 0, COUNT(transposes));
	tcase_add_loop_test(t, every_reshape, 0, COUNT(reshapes));
	tcase_add_loop_test(t, chains, 0, 5);
	tcase_add_loop_test(t, every_expand, 0, COUNT(expands));
	tcase_add_loop_test(t, every_gather, 0, COUNT(gathers));
	tcase_add_loop_test(t, every_pad, 0, COUNT(pads));
	tcase_add_loop_test(t, every_block, 0, COUNT(blocks));
	tcase_add_loop_test(t, every_concat, 0, COUNT(concats));
	tcase_add_loop_test(t, dense_blocks, 0, 8);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
