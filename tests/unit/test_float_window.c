// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"

/* Convolutions, pools and products against loops in double written from the definitions. */

#define TOLERANCE 2e-5

/** struct geometry - a random sliding window and the shapes around it */
struct geometry {
	int64_t n, c, h, w, o, oh, ow;
	struct keel_window window;
	int groups;
};

static bool window_random(struct geometry *q, uint64_t *r)
{
	struct keel_window *w = &q->window;
	int64_t in[2] = {q->h, q->w}, out[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		w->kernel[i] = rig_between(r, 1, 5);
		w->stride[i] = rig_between(r, 1, 3);
		w->dilation[i] = rig_between(r, 0, 3) ? 1 : rig_between(r, 2, 3);
		w->pad[i] = rig_between(r, 0, w->kernel[i] - 1);
		w->pad[2 + i] = rig_between(r, 0, w->kernel[i] - 1);
		out[i] =
			in[i] + w->pad[i] + w->pad[2 + i] - 1 - w->dilation[i] * (w->kernel[i] - 1);
		if (out[i] < 0)
			return false;
		out[i] = out[i] / w->stride[i] + 1;
	}
	q->oh = out[0];
	q->ow = out[1];
	return true;
}

static struct geometry geometry_random(uint64_t *r)
{
	static const int64_t channels[] = {1, 2, 3, 5, 8, 16, 24, 33};
	struct geometry q = {0};

	do {
		int64_t per = channels[rig_between(r, 0, 7)];

		q.n = rig_between(r, 0, 4) ? 1 : 2;
		q.groups = rig_between(r, 0, 2) ? 1 : rig_between(r, 2, 4);
		q.c = per * q.groups;
		q.o = channels[rig_between(r, 0, 7)] * q.groups;
		if (!rig_between(r, 0, 3)) {
			q.c = q.o = channels[rig_between(r, 0, 7)];
			q.groups = q.c;
		}
		q.h = rig_between(r, 1, 13);
		q.w = rig_between(r, 1, 13);
	} while (!window_random(&q, r));
	return q;
}

static int64_t at4(int64_t a, int64_t b, int64_t nb, int64_t c, int64_t nc, int64_t d, int64_t nd)
{
	return ((a * nb + b) * nc + c) * nd + d;
}

/* One output of a convolution; @out counts outputs in ONNX order. */
static double conv_at(const struct geometry *q, const float *x, const float *w, const float *b,
		      int64_t out)
{
	int64_t ox = out % q->ow, oy = out / q->ow % q->oh, o = out / q->ow / q->oh % q->o;
	int64_t n = out / q->ow / q->oh / q->o, per = q->c / q->groups, c, ky, kx;
	const struct keel_window *v = &q->window;
	double sum = b ? b[o] : 0;

	for (c = 0; c < per; c++)
		for (ky = 0; ky < v->kernel[0]; ky++)
			for (kx = 0; kx < v->kernel[1]; kx++) {
				int64_t y = oy * v->stride[0] - v->pad[0] + ky * v->dilation[0];
				int64_t z = ox * v->stride[1] - v->pad[1] + kx * v->dilation[1];
				int64_t from = o / (q->o / q->groups) * per + c;

				if (y < 0 || y >= q->h || z < 0 || z >= q->w)
					continue;
				sum += (double)x[at4(n, from, q->c, y, q->h, z, q->w)] *
				       w[at4(o, c, per, ky, v->kernel[0], kx, v->kernel[1])];
			}
	return sum;
}

/* With everything constant or not, in pixels or dense, by @i. */
static void conv_check(const struct geometry *q, uint64_t *r, int i)
{
	const int64_t w[] = {q->o, q->c / q->groups, q->window.kernel[0], q->window.kernel[1]};
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x = rig_input(g, r, DIMS(q->n, q->c, q->h, q->w)), *in[3];
	struct keel_node *n;
	const float *y;
	int64_t k;

	in[0] = i & 1 ? rig_pixels(g, x) : x;
	in[1] = i % 3 ? rig_const(g, r, 4, w) : rig_input(g, r, 4, w);
	in[2] = i & 2 ? rig_const(g, r, DIMS(q->o)) : NULL;
	n = rig_node(g, KEEL_OP_CONV, 3, in, KEEL_F32, DIMS(q->n, q->o, q->oh, q->ow));
	n->window = q->window;
	n->groups = q->groups;
	y = rig_run(g);
	for (k = 0; k < q->n * q->o * q->oh * q->ow; k++)
		rig_near(y[k],
			 conv_at(q, rig_values(g, x), rig_values(g, in[1]),
				 in[2] ? rig_values(g, in[2]) : NULL, k),
			 TOLERANCE, "conv", k);
	keel_graph_del(g);
}

START_TEST(conv)
{
	uint64_t r = _i + 1;
	struct geometry q = geometry_random(&r);

	conv_check(&q, &r, _i);
}
END_TEST

/* What oneDNN 2.6's brgconv gets wrong: more padding on the right than half of the outputs. */
START_TEST(much_padding)
{
	static const struct {
		int64_t w;
		int kernel, dilation, left, right;
	} shapes[] = {
		{7, 5, 2, 4, 4},  {7, 8, 1, 3, 4},  {7, 9, 1, 4, 4},  {9, 6, 2, 5, 5},
		{10, 5, 2, 1, 4}, {11, 7, 2, 6, 6}, {13, 6, 2, 0, 4}, {15, 9, 2, 6, 6},
		{15, 5, 3, 0, 4}, {19, 5, 5, 4, 4},
	};
	uint64_t r = _i + 1;
	struct geometry q = {
		.n = 1, .c = 4, .h = 1, .w = shapes[_i].w, .o = 64, .oh = 1, .groups = 1};

	q.window = (struct keel_window){
		.kernel = {1, shapes[_i].kernel},
		.stride = {1, 1},
		.dilation = {1, shapes[_i].dilation},
		.pad = {0, shapes[_i].left, 0, shapes[_i].right},
	};
	q.ow = q.w + q.window.pad[1] + q.window.pad[3] -
	       (q.window.kernel[1] - 1) * q.window.dilation[1];
	conv_check(&q, &r, 4);
}
END_TEST

/* Scatters every input over the outputs it reaches. */
static void deconv_all(const struct geometry *q, const float *x, const float *w, double *y)
{
	const struct keel_window *v = &q->window;
	int64_t per = q->o / q->groups, i, o, ky, kx;

	for (i = 0; i < q->n * q->c * q->h * q->w; i++)
		for (o = 0; o < per; o++)
			for (ky = 0; ky < v->kernel[0]; ky++)
				for (kx = 0; kx < v->kernel[1]; kx++) {
					int64_t c = i / (q->h * q->w) % q->c;
					int64_t n = i / (q->h * q->w) / q->c;
					int64_t to = c / (q->c / q->groups) * per + o;
					int64_t oy = i / q->w % q->h * v->stride[0] - v->pad[0] +
						     ky * v->dilation[0];
					int64_t ox = i % q->w * v->stride[1] - v->pad[1] +
						     kx * v->dilation[1];

					if (oy < 0 || oy >= q->oh || ox < 0 || ox >= q->ow)
						continue;
					y[at4(n, to, q->o, oy, q->oh, ox, q->ow)] +=
						(double)x[i] * w[at4(c, o, per, ky, v->kernel[0],
								     kx, v->kernel[1])];
				}
}

static bool deconv_shape(struct geometry *q, uint64_t *r)
{
	struct keel_window *w = &q->window;
	int64_t in[2] = {q->h, q->w}, out[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		w->output_pad[i] = rig_between(r, 0, w->stride[i] - 1);
		out[i] = (in[i] - 1) * w->stride[i] + w->dilation[i] * (w->kernel[i] - 1) + 1 -
			 w->pad[i] - w->pad[2 + i] + w->output_pad[i];
		if (out[i] < 1)
			return false;
	}
	q->oh = out[0];
	q->ow = out[1];
	return true;
}

START_TEST(conv_transpose)
{
	uint64_t r = _i + 1000;
	struct geometry q;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[3];
	struct keel_node *n;
	const float *y, *bias;
	double *expected;
	int64_t i, nr;

	do
		q = geometry_random(&r);
	while (!deconv_shape(&q, &r));
	nr = q.n * q.o * q.oh * q.ow;
	in[0] = rig_input(g, &r, DIMS(q.n, q.c, q.h, q.w));
	in[1] = rig_const(g, &r, DIMS(q.c, q.o / q.groups, q.window.kernel[0], q.window.kernel[1]));
	in[2] = rig_const(g, &r, DIMS(q.o));
	n = rig_node(g, KEEL_OP_CONV_TRANSPOSE, 3, in, KEEL_F32, DIMS(q.n, q.o, q.oh, q.ow));
	n->window = q.window;
	n->groups = q.groups;
	y = rig_run(g);
	expected = calloc(nr, sizeof(*expected));
	deconv_all(&q, rig_values(g, in[0]), rig_values(g, in[1]), expected);
	bias = rig_values(g, in[2]);
	for (i = 0; i < nr; i++)
		rig_near(y[i], expected[i] + bias[i / (q.oh * q.ow) % q.o], TOLERANCE,
			 "conv transpose", i);
	free(expected);
	keel_graph_del(g);
}
END_TEST

/* @counted: positions of the window that exist, for averages that include padding */
static double pool_at(const struct geometry *q, const float *x, bool average, int64_t out)
{
	const struct keel_window *v = &q->window;
	int64_t ox = out % q->ow, oy = out / q->ow % q->oh, plane = out / q->ow / q->oh, ky, kx;
	double sum = 0, top = -INFINITY;
	int inside = 0, counted = 0;

	for (ky = 0; ky < v->kernel[0]; ky++)
		for (kx = 0; kx < v->kernel[1]; kx++) {
			int64_t y = oy * v->stride[0] - v->pad[0] + ky * v->dilation[0];
			int64_t z = ox * v->stride[1] - v->pad[1] + kx * v->dilation[1];
			double value;

			counted += y < q->h + v->pad[2] - v->ceil_pad[0] &&
				   z < q->w + v->pad[3] - v->ceil_pad[1];
			if (y < 0 || y >= q->h || z < 0 || z >= q->w)
				continue;
			value = x[(plane * q->h + y) * q->w + z];
			sum += value;
			top = fmax(top, value);
			inside++;
		}
	if (!average)
		return top;
	inside = v->count_include_pad ? counted : inside;
	return inside ? sum / inside : 0;
}

START_TEST(pool)
{
	uint64_t r = _i + 2000;
	struct geometry q = geometry_random(&r);
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *x, *in;
	bool average = _i & 1;
	const float *y;
	int64_t i;

	q.window.count_include_pad = _i & 2;
	for (i = 0; i < 2; i++)
		q.window.ceil_pad[i] = rig_between(&r, 0, q.window.pad[2 + i]);
	x = rig_input(g, &r, DIMS(q.n, q.c, q.h, q.w));
	in = _i & 4 ? rig_pixels(g, x) : x;
	rig_node(g, average ? KEEL_OP_AVERAGE_POOL : KEEL_OP_MAX_POOL, 1, &in, KEEL_F32,
		 DIMS(q.n, q.c, q.oh, q.ow))
		->window = q.window;
	y = rig_run(g);
	for (i = 0; i < q.n * q.c * q.oh * q.ow; i++) {
		double expected = pool_at(&q, rig_values(g, x), average, i);

		if (isinf(expected))
			ck_assert(isinf(y[i]));
		else
			rig_near(y[i], expected, TOLERANCE, "pool", i);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(fully_connected)
{
	uint64_t r = _i + 3000;
	int64_t rows = rig_between(&r, 0, 1) ? 1 : rig_between(&r, 2, 9), i, k;
	int64_t depth = rig_between(&r, 1, 70), cols = rig_between(&r, 1, 70);
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *xt = rig_input(g, &r, DIMS(rows, depth));
	struct keel_tensor *wt = rig_const(g, &r, DIMS(cols, depth));
	struct keel_tensor *in[3] = {xt, wt, _i & 1 ? rig_const(g, &r, DIMS(cols)) : NULL};
	const float *y, *x = rig_values(g, xt), *w = rig_values(g, wt);

	rig_node(g, KEEL_OP_FC, 3, in, KEEL_F32, DIMS(rows, cols));
	y = rig_run(g);
	for (i = 0; i < rows * cols; i++) {
		double sum = in[2] ? rig_values(g, in[2])[i % cols] : 0;

		for (k = 0; k < depth; k++)
			sum += (double)x[i / cols * depth + k] * w[i % cols * depth + k];
		rig_near(y[i], sum, TOLERANCE, "fc", i);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(matmul_broadcasts_batches)
{
	uint64_t r = _i + 4000;
	int64_t b[2], a0 = rig_between(&r, 1, 3), m = rig_between(&r, 1, 6), i, k;
	int64_t depth = rig_between(&r, 1, 20), n = rig_between(&r, 1, 6);
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[2];
	const float *y, *x, *w;

	b[0] = _i & 1 ? a0 : 1;
	b[1] = rig_between(&r, 1, 3);
	in[0] = rig_input(g, &r, DIMS(a0, 1, m, depth));
	in[1] = rig_input(g, &r, DIMS(b[0], b[1], depth, n));
	rig_node(g, KEEL_OP_MATMUL, 2, in, KEEL_F32, DIMS(a0, b[1], m, n));
	y = rig_run(g);
	x = rig_values(g, in[0]);
	w = rig_values(g, in[1]);
	for (i = 0; i < a0 * b[1] * m * n; i++) {
		int64_t col = i % n, row = i / n % m, q = i / n / m % b[1], p = i / n / m / b[1];
		double sum = 0;

		for (k = 0; k < depth; k++)
			sum += (double)x[(p * m + row) * depth + k] *
			       w[(((b[0] > 1 ? p : 0) * b[1] + q) * depth + k) * n + col];
		rig_near(y[i], sum, TOLERANCE, "matmul", i);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(matmul_of_vectors)
{
	uint64_t r = 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *vector = rig_input(g, &r, DIMS(4));
	struct keel_tensor *in[2] = {vector, rig_input(g, &r, DIMS(3, 4, 2))};
	const float *y, *x = rig_values(g, in[0]), *w = rig_values(g, in[1]);
	int64_t i, k;

	rig_node(g, KEEL_OP_MATMUL, 2, in, KEEL_F32, DIMS(3, 2));
	y = rig_run(g);
	for (i = 0; i < 6; i++) {
		double sum = 0;

		for (k = 0; k < 4; k++)
			sum += (double)x[k] * w[i / 2 * 8 + k * 2 + i % 2];
		rig_near(y[i], sum, TOLERANCE, "vector", i);
	}
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("float windows and products");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, conv, 0, 160);
	tcase_add_loop_test(t, much_padding, 0, 10);
	tcase_add_loop_test(t, conv_transpose, 0, 120);
	tcase_add_loop_test(t, pool, 0, 120);
	tcase_add_loop_test(t, fully_connected, 0, 20);
	tcase_add_loop_test(t, matmul_broadcasts_batches, 0, 20);
	tcase_add_test(t, matmul_of_vectors);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
