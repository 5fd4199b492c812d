// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"

/*
 * Data movement, resizing and changes of type. Each case maps an output
 * coordinate to the input coordinate it must come from.
 */

static struct keel_tensor *picture(struct keel_graph *g, uint64_t *r, bool pixels,
				   struct keel_tensor **in)
{
	int64_t n = rig_between(r, 1, 2), c = rig_between(r, 2, 21);
	int64_t h = rig_between(r, 2, 9), w = rig_between(r, 2, 9);
	struct keel_tensor *x = rig_input(g, r, DIMS(n, c, h, w));

	*in = pixels ? rig_pixels(g, x) : x;
	return x;
}

static void coordinates(const struct keel_tensor *t, int64_t i, int64_t *at)
{
	unsigned int k;

	for (k = t->rank; k-- > 0; i /= t->dims[k])
		at[k] = i % t->dims[k];
}

static int64_t element(const struct keel_tensor *t, const int64_t *at)
{
	int64_t i = 0;
	unsigned int k;

	for (k = 0; k < t->rank; k++)
		i = i * t->dims[k] + at[k];
	return i;
}

/* Rewrites the output coordinate @at in place; false means the pad value. */
typedef bool (*origin)(const struct keel_node *n, const struct keel_tensor *x, int64_t *at);

static void check_origin(struct keel_graph *g, const struct keel_node *n,
			 const struct keel_tensor *x, origin from)
{
	const float *y = rig_run(g), *v = rig_values(g, x);
	const struct keel_tensor *out = n->outputs[0];
	int64_t at[KEEL_MAX_RANK], i;

	for (i = 0; i < keel_tensor_count(out); i++) {
		float expected = n->pad_value;

		coordinates(out, i, at);
		if (from(n, x, at))
			expected = v[element(x, at)];
		ck_assert_msg(y[i] == expected, "%s: element %lld is %g, not %g",
			      keel_op_name(n->op), (long long)i, y[i], expected);
	}
	keel_graph_del(g);
}

static bool slice_origin(const struct keel_node *n, const struct keel_tensor *x, int64_t *at)
{
	unsigned int k;

	for (k = 0; k < 4; k++)
		at[k] = n->start[k] + at[k] * n->step[k];
	return true;
}

START_TEST(slice)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	int64_t dims[4], start[4], step[4], k;
	struct keel_node *n;

	for (k = 0; k < 4; k++) {
		int64_t left;

		start[k] = rig_between(&r, 0, x->dims[k] - 1);
		step[k] = rig_between(&r, 1, 3);
		left = (x->dims[k] - 1 - start[k]) / step[k] + 1;
		if (rig_between(&r, 0, 2) == 0) {
			step[k] = -step[k];
			left = start[k] / -step[k] + 1;
		}
		dims[k] = rig_between(&r, 1, left);
	}
	n = rig_node(g, KEEL_OP_SLICE, 1, &in, KEEL_F32, 4, dims);
	memcpy(n->start, start, sizeof(start));
	memcpy(n->step, step, sizeof(step));
	check_origin(g, n, x, slice_origin);
}
END_TEST

static bool pad_origin(const struct keel_node *n, const struct keel_tensor *x, int64_t *at)
{
	unsigned int k;

	for (k = 0; k < 4; k++) {
		int64_t top = x->dims[k] - 1;

		at[k] -= n->pad_begin[k];
		if (n->pad_mode == KEEL_PAD_CONSTANT && (at[k] < 0 || at[k] > top))
			return false;
		if (n->pad_mode == KEEL_PAD_EDGE)
			at[k] = at[k] < 0 ? 0 : at[k] > top ? top : at[k];
		while (at[k] < 0 || at[k] > top)
			at[k] = top ? (at[k] < 0 ? -at[k] : 2 * top - at[k]) : 0;
	}
	return true;
}

START_TEST(pad)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	int64_t dims[4], begin[4], end[4], k;
	struct keel_node *n;

	for (k = 0; k < 4; k++) {
		do {
			begin[k] = rig_between(&r, -2, 4);
			end[k] = rig_between(&r, -2, 4);
			dims[k] = x->dims[k] + begin[k] + end[k];
		} while (dims[k] < 1);
	}
	n = rig_node(g, KEEL_OP_PAD, 1, &in, KEEL_F32, 4, dims);
	memcpy(n->pad_begin, begin, sizeof(begin));
	memcpy(n->pad_end, end, sizeof(end));
	n->pad_mode = _i / 2 % 3;
	n->pad_value = 0.25;
	check_origin(g, n, x, pad_origin);
}
END_TEST

static bool transpose_origin(const struct keel_node *n, const struct keel_tensor *x, int64_t *at)
{
	int64_t out[4];
	unsigned int k;

	memcpy(out, at, sizeof(out));
	for (k = 0; k < 4; k++)
		at[n->perm[k]] = out[k];
	return true;
}

START_TEST(transpose)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	int perm[4] = {0, 1, 2, 3}, k;
	int64_t dims[4];
	struct keel_node *n;

	for (k = 3; k > 0; k--) {
		int other = rig_between(&r, 0, k), keep = perm[k];

		perm[k] = perm[other];
		perm[other] = keep;
	}
	for (k = 0; k < 4; k++)
		dims[k] = x->dims[perm[k]];
	n = rig_node(g, KEEL_OP_TRANSPOSE, 1, &in, KEEL_F32, 4, dims);
	memcpy(n->perm, perm, sizeof(perm));
	check_origin(g, n, x, transpose_origin);
}
END_TEST

static bool expand_origin(const struct keel_node *n, const struct keel_tensor *x, int64_t *at)
{
	unsigned int k;

	for (k = 0; k < x->rank; k++) {
		at[k] = at[k + 4 - x->rank];
		at[k] = x->dims[k] == 1 ? 0 : at[k];
	}
	return true;
}

START_TEST(expand)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	int64_t dims[4], own[4];
	struct keel_tensor *x, *in;
	unsigned int k, drop = _i & 1 ? 0 : rig_between(&r, 0, 3);

	for (k = 0; k < 4; k++) {
		dims[k] = rig_between(&r, 1, 7);
		own[k] = rig_between(&r, 0, 1) ? dims[k] : 1;
	}
	x = rig_input(g, &r, 4 - drop, own + drop);
	in = _i & 1 ? rig_pixels(g, x) : x;
	check_origin(g, rig_node(g, KEEL_OP_EXPAND, 1, &in, KEEL_F32, 4, dims), x, expand_origin);
}
END_TEST

static bool deep_origin(const struct keel_node *n, const struct keel_tensor *x, int64_t *at)
{
	int64_t b = n->block, dy = at[2] % b, dx = at[3] % b, channels = x->dims[1] / (b * b);

	at[1] = n->crd ? (at[1] * b + dy) * b + dx : (dy * b + dx) * channels + at[1];
	at[2] /= b;
	at[3] /= b;
	return true;
}

static bool wide_origin(const struct keel_node *n, const struct keel_tensor *x, int64_t *at)
{
	int64_t b = n->block, place = at[1] / x->dims[1];

	at[1] %= x->dims[1];
	at[2] = at[2] * b + place / b;
	at[3] = at[3] * b + place % b;
	return true;
}

START_TEST(depth_and_space)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	int64_t b = 1 + _i / 2 % 4, c = rig_between(&r, 1, 5), h = rig_between(&r, 1, 5), w = 3;
	bool to_depth = _i & 8;
	struct keel_tensor *x, *in;
	struct keel_node *n;

	x = to_depth ? rig_input(g, &r, DIMS(2, c, h * b, w * b))
		     : rig_input(g, &r, DIMS(2, c * b * b, h, w));
	in = _i & 1 ? rig_pixels(g, x) : x;
	if (to_depth)
		n = rig_node(g, KEEL_OP_SPACE_TO_DEPTH, 1, &in, KEEL_F32, DIMS(2, c * b * b, h, w));
	else
		n = rig_node(g, KEEL_OP_DEPTH_TO_SPACE, 1, &in, KEEL_F32, DIMS(2, c, h * b, w * b));
	n->block = b;
	n->crd = _i & 16;
	check_origin(g, n, x, to_depth ? wide_origin : deep_origin);
}
END_TEST

START_TEST(concat)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	int64_t dims[4] = {2, 5, 4, 3}, at[KEEL_MAX_RANK], i, total = 0;
	struct keel_tensor *x[3], *in[3];
	int axis = _i / 4 % 4, k;
	const float *y;
	struct keel_node *n;

	for (k = 0; k < 3; k++) {
		dims[axis] = rig_between(&r, 1, 6);
		total += dims[axis];
		x[k] = k == 2 ? rig_const(g, &r, 4, dims) : rig_input(g, &r, 4, dims);
		in[k] = k < (_i & 3) ? rig_pixels(g, x[k]) : x[k];
	}
	dims[axis] = total;
	n = rig_node(g, KEEL_OP_CONCAT, 3, in, KEEL_F32, 4, dims);
	n->axis = axis;
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(n->outputs[0]); i++) {
		coordinates(n->outputs[0], i, at);
		for (k = 0; at[axis] >= x[k]->dims[axis]; k++)
			at[axis] -= x[k]->dims[axis];
		ck_assert_float_eq(y[i], rig_values(g, x[k])[element(x[k], at)]);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(gather)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[2], *x = picture(g, &r, _i & 1, &in[0]);
	int axis = _i / 2 % 4;
	int64_t dims[5], at[KEEL_MAX_RANK], i, extent = x->dims[axis];
	const int64_t *index;
	const float *y;
	struct keel_node *n;

	in[1] = rig_ints(g, &r, -extent, extent - 1, DIMS(2, 3));
	index = rig_int_values(g, in[1]);
	memcpy(dims, x->dims, axis * sizeof(*dims));
	dims[axis] = 2;
	dims[axis + 1] = 3;
	memcpy(dims + axis + 2, x->dims + axis + 1, (3 - axis) * sizeof(*dims));
	n = rig_node(g, KEEL_OP_GATHER, 2, in, KEEL_F32, 5, dims);
	n->axis = axis;
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(n->outputs[0]); i++) {
		int64_t from;

		coordinates(n->outputs[0], i, at);
		from = index[at[axis] * 3 + at[axis + 1]];
		at[axis] = from < 0 ? from + extent : from;
		memmove(at + axis + 1, at + axis + 2, (3 - axis) * sizeof(*at));
		ck_assert_float_eq(y[i], rig_values(g, x)[element(x, at)]);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(gather_refuses_a_wild_index)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(4));
	struct keel_tensor *in[2] = {x, rig_ints(g, &r, _i ? 4 : -5, _i ? 4 : -5, DIMS(1))};
	struct keel_error e = {""};
	struct keel_float *f;

	rig_node(g, KEEL_OP_GATHER, 2, in, KEEL_F32, DIMS(1));
	f = keel_float_new(g, &e);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_lt(keel_float_run(f, rig_inputs(g), NULL, NULL, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, _i ? "index 4" : "index -5"));
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

START_TEST(reshape_keeps_onnx_order)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 6, 4, 5)), *in = rig_pixels(g, x);

	rig_node(g, KEEL_OP_RESHAPE, 1, &in, KEEL_F32, DIMS(2, 60));
	ck_assert_mem_eq(rig_run(g), rig_values(g, x), 120 * sizeof(float));
	keel_graph_del(g);
}
END_TEST

/* Coordinate in the input, from the formulas of ONNX's Resize */
static double resize_coordinate(const struct keel_resize *r, double x, double in, double out,
				double scale)
{
	switch (r->transform) {
	case KEEL_RESIZE_HALF_PIXEL:
		return (x + 0.5) / scale - 0.5;
	case KEEL_RESIZE_PYTORCH_HALF_PIXEL:
		return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
	case KEEL_RESIZE_ALIGN_CORNERS:
		return out > 1 ? x * (in - 1) / (out - 1) : 0;
	case KEEL_RESIZE_ASYMMETRIC:
		return x / scale;
	default:
		return in / 2 * (1 - out / (scale * in)) + (x + 0.5) / scale - 0.5;
	}
}

static double resize_round(enum keel_resize_round round, double x)
{
	double low = floor(x), rest = x - low;

	switch (round) {
	case KEEL_RESIZE_ROUND_PREFER_FLOOR:
		return rest <= 0.5 ? low : low + 1;
	case KEEL_RESIZE_ROUND_PREFER_CEIL:
		return rest < 0.5 ? low : low + 1;
	case KEEL_RESIZE_FLOOR:
		return low;
	default:
		return rest > 0 ? low + 1 : low;
	}
}

static double inside(double x, double extent)
{
	return fmin(fmax(x, 0), extent - 1);
}

/* Weighted sum over the corners around the coordinate, all axes at once */
static double resize_at(const struct keel_node *n, const struct keel_tensor *x, const float *v,
			const int64_t *out)
{
	const int64_t *dims = n->outputs[0]->dims;
	int64_t at[KEEL_MAX_RANK];
	double sum = 0;
	unsigned int corner, k;

	for (corner = 0; corner < 16; corner++) {
		double weight = 1;

		for (k = 0; k < 4; k++) {
			double c = resize_coordinate(&n->resize, out[k], x->dims[k], dims[k],
						     n->resize.scale[k]);
			double low = floor(c), rest = c - low;

			if (!n->resize.linear) {
				low = resize_round(n->resize.round, c);
				rest = 0;
			}
			weight *= corner >> k & 1 ? rest : 1 - rest;
			at[k] = inside(low + (corner >> k & 1), x->dims[k]);
		}
		sum += weight * v[element(x, at)];
	}
	return sum;
}

START_TEST(resize)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	int64_t dims[4], at[KEEL_MAX_RANK], i;
	double scale[4] = {1, 1, 1, 1};
	const float *y, *v = rig_values(g, x);
	struct keel_node *n;

	memcpy(dims, x->dims, sizeof(dims));
	for (i = _i % 7 ? 2 : 1; i < 4; i++) {
		do
			scale[i] = rig_between(&r, 2, 30) / 8.0;
		while (floor(dims[i] * scale[i]) < 1);
		dims[i] = floor(dims[i] * scale[i]);
	}
	n = rig_node(g, KEEL_OP_RESIZE, 1, &in, KEEL_F32, 4, dims);
	n->resize.linear = _i & 2;
	n->resize.transform = _i / 4 % 5;
	n->resize.round = _i / 20 % 4;
	memcpy(n->resize.scale, scale, sizeof(scale));
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(n->outputs[0]); i++) {
		coordinates(n->outputs[0], i, at);
		rig_near(y[i], resize_at(n, x, v, at), 1e-5, "resize", i);
	}
	keel_graph_del(g);
}
END_TEST

/* Hand-checked: 1 2 / 3 4 doubled with half pixels */
START_TEST(resize_by_hand)
{
	static const float linear[] = {1,   1.25, 1.75, 2,   1.5, 1.75, 2.25, 2.5,
				       2.5, 2.75, 3.25, 3.5, 3,	  3.25, 3.75, 4};
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 1, 2, 2));
	float *v = (float *)rig_values(g, x);
	struct keel_node *n = rig_node(g, KEEL_OP_RESIZE, 1, &x, KEEL_F32, DIMS(1, 1, 4, 4));
	int i;

	for (i = 0; i < 4; i++)
		v[i] = i + 1;
	n->resize.linear = true;
	for (i = 0; i < 4; i++)
		n->resize.scale[i] = i < 2 ? 1 : 2;
	ck_assert_mem_eq(rig_run(g), linear, sizeof(linear));
	keel_graph_del(g);
}
END_TEST

START_TEST(quantize_and_back)
{
	static const float x[] = {-300, -1.25, -0.25, 0.25, 0.75, 63, 64, NAN};
	static const int64_t i8[] = {-128, -2, 0, 0, 2, 126, 127, -128};
	static const int64_t u8[] = {0, 126, 128, 128, 130, 254, 255, 0};
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	const int64_t zero = _i ? 128 : 0;
	const float scale = 0.5;
	struct keel_tensor *in[3], *levels;
	const int64_t *expected = _i ? u8 : i8, *q;
	const float *back;
	struct keel_float *f;
	int i;

	in[0] = rig_input(g, &r, DIMS(8));
	memcpy((void *)rig_values(g, in[0]), x, sizeof(x));
	in[1] = keel_graph_constant(g, "scale", KEEL_F32, 0, NULL, &scale);
	in[2] = keel_graph_constant(g, "zero", KEEL_I64, 0, NULL, &zero);
	levels = rig_node(g, KEEL_OP_QUANTIZE, 3, in, _i ? KEEL_U8 : KEEL_I8, DIMS(8))->outputs[0];
	in[0] = levels;
	rig_node(g, KEEL_OP_DEQUANTIZE, 3, in, KEEL_F32, DIMS(8));
	f = keel_float_new(g, NULL);
	ck_assert_int_eq(keel_float_run(f, rig_inputs(g), NULL, NULL, NULL), 0);
	q = keel_float_output(f, 0);
	back = keel_float_output(f, 1);
	for (i = 0; i < 8; i++) {
		ck_assert_int_eq(q[i], expected[i]);
		ck_assert_float_eq(back[i], (expected[i] - zero) * 0.5f);
	}
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

START_TEST(dequantize_per_axis_from_bytes)
{
	static const int8_t levels[] = {-128, 0, 127, 1, 2, 3};
	static const float scales[] = {0.5, 2};
	static const float expected[] = {-64, 0, 63.5, 2, 4, 6};
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[2];

	in[0] = keel_graph_constant(g, "levels", KEEL_I8, DIMS(2, 3), levels);
	in[1] = keel_graph_constant(g, "scales", KEEL_F32, DIMS(2), scales);
	rig_node(g, KEEL_OP_DEQUANTIZE, 2, in, KEEL_F32, DIMS(2, 3))->axis = 0;
	ck_assert_mem_eq(rig_run(g), expected, sizeof(expected));
	keel_graph_del(g);
}
END_TEST

START_TEST(cast)
{
	static const float x[] = {-1.75, 1.75, 300, 3e9, 1e30, -1e30, NAN, 0};
	static const struct {
		enum keel_dtype type;
		int64_t y[8];
	} cases[] = {
		{KEEL_I64, {-1, 1, 300, 3000000000, INT64_MAX, INT64_MIN, 0, 0}},
		{KEEL_U8, {255, 1, 44, 0, 255, 0, 0, 0}},
		{KEEL_BOOL, {1, 1, 1, 1, 1, 1, 1, 0}},
	};
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *in = rig_input(g, &r, DIMS(8));
	const int64_t *y;
	int i;

	memcpy((void *)rig_values(g, in), x, sizeof(x));
	rig_node(g, KEEL_OP_CAST, 1, &in, cases[_i].type, DIMS(8));
	y = rig_run(g);
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(y[i], cases[_i].y[i]);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("float movement");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, slice, 0, 40);
	tcase_add_loop_test(t, pad, 0, 60);
	tcase_add_loop_test(t, transpose, 0, 40);
	tcase_add_loop_test(t, expand, 0, 40);
	tcase_add_loop_test(t, depth_and_space, 0, 32);
	tcase_add_loop_test(t, concat, 0, 16);
	tcase_add_loop_test(t, gather, 0, 8);
	tcase_add_loop_test(t, gather_refuses_a_wild_index, 0, 2);
	tcase_add_test(t, reshape_keeps_onnx_order);
	tcase_add_loop_test(t, resize, 0, 160);
	tcase_add_test(t, resize_by_hand);
	tcase_add_loop_test(t, quantize_and_back, 0, 2);
	tcase_add_test(t, dequantize_per_axis_from_bytes);
	tcase_add_loop_test(t, cast, 0, 3);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
