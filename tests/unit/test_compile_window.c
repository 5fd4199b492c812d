// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "compile_rig.h"

/* Pools, reductions, softmax, normalization and resizing. */

#define ROUNDING     0.5
#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

/** struct pool_row - a pool over an input of 5 channels */
static const struct pool_row {
	enum keel_op op;
	int64_t h, w;
	struct keel_window win;
	double steps;
} pools[] = {
	{KEEL_OP_MAX_POOL, 8, 8, {{2, 2}, {2, 2}, {1, 1}}, 0},
	{KEEL_OP_MAX_POOL, 9, 7, {{3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, 0},
	{KEEL_OP_MAX_POOL, 9, 7, {{3, 2}, {1, 3}, {1, 1}, {0, 1, 2, 0}}, 0},
	/* ceil_mode */
	{KEEL_OP_MAX_POOL, 6, 6, {{3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, .ceil_pad = {1, 1}}, 0},
	{KEEL_OP_AVERAGE_POOL, 8, 8, {{2, 2}, {2, 2}, {1, 1}}, ROUNDING},
	{KEEL_OP_AVERAGE_POOL, 9, 8, {{3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}}, ROUNDING},
	{KEEL_OP_AVERAGE_POOL,
	 9,
	 8,
	 {{3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}, .count_include_pad = true},
	 ROUNDING},
	{KEEL_OP_AVERAGE_POOL,
	 6,
	 6,
	 {{3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, .ceil_pad = {1, 1}},
	 ROUNDING},
	{KEEL_OP_AVERAGE_POOL,
	 6,
	 6,
	 {{3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, .ceil_pad = {1, 1}, .count_include_pad = true},
	 ROUNDING},
	/* the whole picture */
	{KEEL_OP_AVERAGE_POOL, 7, 7, {{7, 7}, {1, 1}, {1, 1}}, ROUNDING},
	{KEEL_OP_AVERAGE_POOL, 1, 1, {{1, 1}, {1, 1}, {1, 1}}, ROUNDING},
	{KEEL_OP_MAX_POOL, 7, 5, {{7, 5}, {1, 1}, {1, 1}}, 0},
	{KEEL_OP_MAX_POOL, 300, 260, {{300, 260}, {1, 1}, {1, 1}}, 0},
	{KEEL_OP_AVERAGE_POOL, 300, 3, {{300, 3}, {300, 300}, {1, 1}}, ROUNDING},
	/* one window, but not over all of the picture */
	{KEEL_OP_MAX_POOL, 9, 9, {{7, 7}, {7, 7}, {1, 1}}, 0},
	{KEEL_OP_AVERAGE_POOL, 9, 9, {{7, 9}, {7, 7}, {1, 1}}, ROUNDING},
	{KEEL_OP_AVERAGE_POOL, 40, 40, {{31, 25}, {4, 4}, {1, 1}}, ROUNDING},
};

static struct keel_tensor *pool(struct crig *c, const struct pool_row *r, struct keel_tensor *x)
{
	return crig_node(c, (struct keel_node){.op = r->op, .window = r->win}, 1, x);
}

/* Averages that keep the scale are rounded to the steps of the input, which sees more. */
START_TEST(every_pool)
{
	const struct pool_row *r = &pools[_i];
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = crig_input(c, DIMS(1, 5, r->h, r->w)), *y = pool(c, r, x);
	char what[32];

	snprintf(what, sizeof(what), "pool %d", _i);
	crig_output(c, y);
	crig_check(c, r->steps, r->h > 50 ? 0 : 20, what);
	c = crig_new(_i);
	x = crig_input(c, DIMS(1, 5, r->h, r->w));
	y = pool(c, r, crig_slice(c, x, 1, 1, 3, 1));
	crig_output(c, crig_concat(c, 1, 2, y, crig_unary(c, KEEL_OP_NEG, y)));
	crig_check(c, r->steps + 0.6, r->h > 50 ? 0 : 20, what);
}
END_TEST

/* The pool's input has a scale of its own that is not the pool's output's. */
START_TEST(pools_between_scales)
{
	const struct pool_row *r = &pools[_i];
	struct crig *c = crig_new(_i);
	struct keel_tensor *x, *y;

	x = crig_input_in(c, -4, 4, DIMS(1, 5, r->h, r->w));
	y = pool(c, r, crig_unary(c, KEEL_OP_SIGMOID, x));
	crig_output(c, crig_concat(c, 1, 2, y, crig_pool(c, KEEL_OP_MAX_POOL, y, 1, 1, 0)));
	crig_check(c, 1.6, 20, "pool of a sigmoid");
}
END_TEST

static const struct {
	unsigned int rank;
	int64_t dims[6];
} shapes[] = {
	{1, {13}},	   {2, {1, 10}},      {2, {4, 7}},
	{3, {1, 5, 6}},	   {3, {3, 5, 6}},    {4, {1, 5, 4, 3}},
	{4, {2, 3, 4, 5}}, {4, {1, 1, 4, 3}}, {5, {2, 2, 3, 4, 3}},
};

static const enum keel_op reductions[] = {KEEL_OP_REDUCE_MEAN, KEEL_OP_REDUCE_SUM,
					  KEEL_OP_REDUCE_MAX};

static void check_reduce(int shape, enum keel_op op, unsigned int axes, bool keepdims, bool inside)
{
	struct crig *c = crig_new(axes);
	struct keel_tensor *x = crig_input(c, shapes[shape].rank, shapes[shape].dims), *y;
	char what[64];

	if (inside)
		x = crig_unary(c, KEEL_OP_NEG, x);
	y = crig_node(c, (struct keel_node){.op = op, .axes = axes, .keepdims = keepdims}, 1, x);
	if (inside && y->rank)
		y = crig_concat(c, y->rank - 1, 2, y, crig_unary(c, KEEL_OP_NEG, y));
	crig_output(c, y);
	snprintf(what, sizeof(what), "%s of shape %d, axes %x, keepdims %d, inside %d",
		 keel_op_name(op), shape, axes, keepdims, inside);
	/* Inputs are half a step off their range's end after the negation. */
	crig_check(c, inside ? 1.7 : op == KEEL_OP_REDUCE_MAX ? 0 : ROUNDING, -INFINITY, what);
}

START_TEST(every_reduction)
{
	unsigned int axes;
	int op, flags;

	for (axes = 1; axes < 1u << shapes[_i].rank; axes++)
		for (op = 0; op < COUNT(reductions); op++)
			for (flags = 0; flags < 4; flags++)
				check_reduce(_i, reductions[op], axes, flags & 1, flags & 2);
}
END_TEST

/* More than a command's three dimensions, and longer than its fields. */
START_TEST(large_reductions)
{
	struct crig *c = crig_new(1);
	struct keel_tensor *x = crig_input(c, DIMS(3, 300, 300, 2));

	crig_output(c, crig_node(c, (struct keel_node){.op = KEEL_OP_REDUCE_MAX, .axes = 6}, 1, x));
	crig_output(c, crig_node(c, (struct keel_node){.op = KEEL_OP_REDUCE_SUM, .axes = 7}, 1, x));
	crig_check(c, ROUNDING, -INFINITY, "large");
	c = crig_new(1);
	x = crig_input(c, DIMS(4, 4000, 2000));
	crig_output(c,
		    crig_node(c, (struct keel_node){.op = KEEL_OP_REDUCE_MEAN, .axes = 7}, 1, x));
	crig_refused(c, "2^23");
}
END_TEST

START_TEST(argmax_along_every_axis)
{
	unsigned int axis, flags;

	for (axis = 0; axis < shapes[_i].rank; axis++)
		for (flags = 0; flags < 8; flags++) {
			struct keel_node n = {.op = KEEL_OP_ARGMAX,
					      .axis = axis,
					      .keepdims = flags & 1,
					      .select_last = flags & 2};
			struct crig *c = crig_new(flags);
			struct keel_tensor *x = crig_input_in(c, -1, flags & 4 ? 1 : -1.5,
							      shapes[_i].rank, shapes[_i].dims);

			crig_output(c, crig_node(c, n, 1, x));
			crig_check(c, 0, -INFINITY, "argmax");
		}
}
END_TEST

static struct keel_tensor *softmax(struct crig *c, struct keel_tensor *x, int axis)
{
	return crig_node(c, (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = axis}, 1, x);
}

START_TEST(softmax_along_every_axis)
{
	static const int perms[][5] = {{0}, {1, 0}, {1, 2, 0}, {3, 1, 0, 2}, {4, 2, 0, 1, 3}};
	unsigned int rank = shapes[_i].rank;
	int axis;

	for (axis = 0; axis < (int)rank; axis++) {
		struct crig *c = crig_new(axis);
		struct keel_tensor *x = crig_input_in(c, -4, 4, rank, shapes[_i].dims), *y;

		crig_output(c, softmax(c, x, axis));
		crig_output(c, softmax(c, crig_transpose(c, x, perms[rank - 1]), axis));
		crig_check(c, 0.6, 25, "softmax");
		/* The negation of the lowest level saturates, a step of 8/255 in the exponent. */
		c = crig_new(axis);
		x = crig_input_in(c, -4, 4, rank, shapes[_i].dims);
		y = softmax(c, crig_unary(c, KEEL_OP_NEG, x), axis);
		crig_output(c, crig_concat(c, axis, 2, y, crig_unary(c, KEEL_OP_NEG, y)));
		y = softmax(c, crig_slice(c, x, rank - 1, 1, shapes[_i].dims[rank - 1] - 1, 1),
			    axis);
		crig_output(c, crig_concat(c, axis, 2, y, crig_unary(c, KEEL_OP_NEG, y)));
		crig_check(c, 2.5, 25, "softmax inside");
	}
}
END_TEST

/* The output's place asks for another order of rows than the input has. */
START_TEST(softmax_of_swapped_rows)
{
	static const int swap[] = {1, 0, 2};
	struct crig *c = crig_new(1);
	struct keel_tensor *x = crig_input_in(c, -4, 4, DIMS(5, 4, 6)), *y;

	y = softmax(c, crig_transpose(c, x, swap), 2);
	crig_output(c, crig_concat(c, 0, 2, y, crig_unary(c, KEEL_OP_NEG, y)));
	crig_check(c, 1.2, 25, "softmax of swapped rows");
}
END_TEST

START_TEST(lrn)
{
	static const struct keel_node rows[] = {
		{.op = KEEL_OP_LRN, .size = 5, .alpha = 1e-4, .beta = 0.75, .bias = 1},
		{.op = KEEL_OP_LRN, .size = 3, .alpha = 0.9, .beta = 0.5, .bias = 1},
		{.op = KEEL_OP_LRN, .size = 4, .alpha = 2, .beta = 1, .bias = 2},
		{.op = KEEL_OP_LRN, .size = 21, .alpha = 0.5, .beta = 0.75, .bias = 0.5},
		{.op = KEEL_OP_LRN, .size = 1, .alpha = 3, .beta = 0.75, .bias = 1},
	};
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = crig_input_in(c, -3, 3, DIMS(1, 20, 4, 5));

	crig_output(c, crig_node(c, rows[_i], 1, x));
	/* straight lines between the entries of a table */
	crig_check(c, 1.1, 30, "LRN");
}
END_TEST

/** struct resize_row - from @h x @w to @oh x @ow; a scale of 0: what the extents say */
static const struct resize_row {
	int64_t h, w, oh, ow;
	double sy, sx;
} resizes[] = {
	{4, 5, 8, 10, 2, 2},	   {4, 5, 12, 5, 3, 1},
	{8, 10, 4, 5, 0.5, 0.5},   {9, 9, 3, 3, 1.0 / 3, 1.0 / 3},
	{5, 7, 8, 10, 0, 0},	   {10, 10, 7, 3, 0, 0},
	{10, 10, 7, 6, 0.75, 0.6}, {1, 1, 5, 4, 5, 4},
	{6, 5, 1, 1, 0, 0},	   {3, 3, 7, 8, 2.5, 2.7},
	{13, 17, 26, 51, 2, 3},
};

static struct keel_tensor *resize(struct crig *c, const struct resize_row *r,
				  struct keel_resize how, struct keel_tensor *x)
{
	struct keel_node n = {.op = KEEL_OP_RESIZE, .resize = how};

	n.resize.scale[0] = n.resize.scale[1] = 1;
	n.resize.scale[2] = r->sy > 0 ? r->sy : (double)r->oh / r->h;
	n.resize.scale[3] = r->sx > 0 ? r->sx : (double)r->ow / r->w;
	return crig_wanted(c, n, x, DIMS(1, x->dims[1], r->oh, r->ow));
}

START_TEST(nearest)
{
	const struct resize_row *r = &resizes[_i];
	int transform, round;

	for (transform = 0; transform < KEEL_RESIZE_HALF_PIXEL_SYMMETRIC; transform++)
		for (round = 0; round < 4; round++) {
			struct crig *c = crig_new(round);
			struct keel_tensor *x = crig_input(c, DIMS(1, 3, r->h, r->w));
			char what[64];

			snprintf(what, sizeof(what), "nearest %d, transform %d, rounding %d", _i,
				 transform, round);
			crig_output(c, resize(c, r,
					      (struct keel_resize){.transform = transform,
								   .round = round},
					      x));
			crig_check(c, 0, 100, what);
		}
}
END_TEST

START_TEST(bilinear)
{
	const struct resize_row *r = &resizes[_i];
	int transform;

	for (transform = 0; transform < KEEL_RESIZE_HALF_PIXEL_SYMMETRIC; transform++) {
		struct crig *c = crig_new(transform);
		struct keel_tensor *x = crig_input(c, DIMS(1, 3, r->h, r->w)), *y;
		char what[64];

		snprintf(what, sizeof(what), "bilinear %d, transform %d", _i, transform);
		y = resize(c, r, (struct keel_resize){.linear = true, .transform = transform}, x);
		crig_output(c, y);
		crig_check(c, ROUNDING, 25, what);
		c = crig_new(transform);
		x = crig_input(c, DIMS(1, 6, r->h, r->w));
		y = resize(c, r, (struct keel_resize){.linear = true, .transform = transform},
			   crig_slice(c, x, 1, 1, 3, 2));
		crig_output(c, crig_concat(c, 1, 2, y, crig_unary(c, KEEL_OP_NEG, y)));
		crig_check(c, 1.2, 25, what);
	}
}
END_TEST

START_TEST(refused)
{
	struct keel_node n = {.op = KEEL_OP_LRN, .size = 300, .alpha = 1, .beta = 1, .bias = 1};
	struct crig *c = crig_new(1);
	struct resize_row prime = {1009, 1013, 997, 991, 0, 0};
	struct keel_tensor *x;

	crig_output(c, crig_node(c, n, 1, crig_input(c, DIMS(1, 3, 4, 4))));
	crig_refused(c, "255");
	c = crig_new(1);
	n.size = 3;
	n.bias = 0;
	crig_output(c, crig_node(c, n, 1, crig_input(c, DIMS(1, 3, 4, 4))));
	crig_refused(c, "bias must be positive");
	c = crig_new(1);
	x = crig_input(c, DIMS(1, 1, 4, 4));
	crig_output(c,
		    resize(c, &resizes[0],
			   (struct keel_resize){.transform = KEEL_RESIZE_HALF_PIXEL_SYMMETRIC}, x));
	crig_refused(c, "half_pixel_symmetric");
	c = crig_new(1);
	x = crig_input(c, DIMS(1, 1, prime.h * 5, prime.w * 5));
	prime.h *= 5;
	prime.w *= 5;
	prime.oh *= 5;
	prime.ow *= 5;
	crig_output(c, resize(c, &prime, (struct keel_resize){.linear = true}, x));
	crig_check(c, ROUNDING, 25, "primes");

	c = crig_new(1);
	crig_output(c, crig_node(c,
				 (struct keel_node){.op = KEEL_OP_AVERAGE_POOL,
						    .window = {{3, 3},
							       {2, 2},
							       {1, 1},
							       {1, 1, 2, 2},
							       .ceil_pad = {1, 1},
							       .count_include_pad = true}},
				 1, crig_input(c, DIMS(1, 3, 6, 6))));
	crig_refused(c, "ceil_mode");
	c = crig_new(1);
	crig_output(c, crig_node(c,
				 (struct keel_node){.op = KEEL_OP_MAX_POOL,
						    .window = {{300, 3}, {1, 1}, {1, 1}}},
				 1, crig_input(c, DIMS(1, 1, 310, 6))));
	crig_refused(c, "255");
	c = crig_new(1);
	crig_output(c, crig_node(c,
				 (struct keel_node){.op = KEEL_OP_MAX_POOL,
						    .window = {{2, 2}, {1, 1}, {2, 1}}},
				 1, crig_input(c, DIMS(1, 1, 9, 6))));
	crig_refused(c, "dilated");
	/* 256 of 300 rows: one window, that no field can say */
	c = crig_new(1);
	crig_output(c, crig_node(c,
				 (struct keel_node){.op = KEEL_OP_MAX_POOL,
						    .window = {{256, 1}, {255, 1}, {1, 1}}},
				 1, crig_input(c, DIMS(1, 1, 300, 1))));
	crig_refused(c, "255");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compile: windows, reductions, resizing");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, every_pool, 0, COUNT(pools));
	tcase_add_loop_test(t, pools_between_scales, 0, 12);
	tcase_add_loop_test(t, every_reduction, 0, COUNT(shapes));
	tcase_add_test(t, large_reductions);
	tcase_add_loop_test(t, argmax_along_every_axis, 0, COUNT(shapes));
	tcase_add_loop_test(t, softmax_along_every_axis, 0, COUNT(shapes));
	tcase_add_test(t, softmax_of_swapped_rows);
	tcase_add_loop_test(t, lrn, 0, 5);
	tcase_add_loop_test(t, nearest, 0, COUNT(resizes));
	tcase_add_loop_test(t, bilinear, 0, COUNT(resizes));
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
