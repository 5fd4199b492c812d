// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "float_private.h"

/*
 * Pools with channels innermost: each window position is a vector of channels.
 * Plain C, since ONNX's mix of dilation, ceil_mode and count_include_pad is more
 * than oneDNN's pools offer.
 */

static int pool_prepare(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_window *w = &s->node->window;
	const int64_t *x = s->in[0].t->dims, *y = s->out.t->dims;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1 || w->pad[i] < 0 ||
		    w->pad[2 + i] < 0)
			return keel_float_refuse(s, e,
						 "its window has an extent, stride or "
						 "dilation below 1, or negative padding");
		if (!x[2 + i])
			return keel_float_refuse(s, e, "its input is empty");
	}
	if (x[0] != y[0] || x[1] != y[1])
		return keel_float_refuse(s, e, "its input and output differ in channels");
	return 0;
}

/** struct span - positions of a window along one axis
 * @from: first input coordinate, inside the picture
 * @nr: positions inside the picture
 * @counted: positions that an average divides by
 */
struct span {
	int64_t from, nr, counted;
};

/* Positions i in [0, kernel) with low <= at + i * dilation < high. */
static int64_t positions(int64_t at, int64_t kernel, int64_t dilation, int64_t low, int64_t high,
			 int64_t *first)
{
	int64_t begin = at < low ? (low - at + dilation - 1) / dilation : 0;
	int64_t end = high > at ? (high - at + dilation - 1) / dilation : 0;

	*first = at + begin * dilation;
	end = end < kernel ? end : kernel;
	return end > begin ? end - begin : 0;
}

static struct span span_of(const struct keel_node *n, unsigned int axis, int64_t out,
			   int64_t extent)
{
	const struct keel_window *w = &n->window;
	int64_t at = out * w->stride[axis] - w->pad[axis], first;
	int64_t end = extent + w->pad[2 + axis] - w->ceil_pad[axis];
	struct span s;

	s.nr = positions(at, w->kernel[axis], w->dilation[axis], 0, extent, &s.from);
	s.counted = s.nr;
	if (w->count_include_pad)
		s.counted = positions(at, w->kernel[axis], w->dilation[axis], -w->pad[axis], end,
				      &first);
	return s;
}

static void fill_pixel(float *dst, float value, int64_t channels)
{
	int64_t c;

	for (c = 0; c < channels; c++)
		dst[c] = value;
}

/** struct pool - what stays the same for all windows of a picture
 * @merge_3: three times @merge in one pass over @dst
 */
struct pool {
	const struct keel_node *node;
	int64_t width, channels;
	void (*merge)(float *restrict dst, const float *restrict src, int64_t channels);
	void (*merge_3)(float *restrict dst, const float *restrict src, int64_t step,
			int64_t channels);
	float start;
	bool average;
};

/* @nr pixels, @step values apart */
static void pool_row(const struct pool *p, float *dst, const float *src, int64_t step, int64_t nr)
{
	for (; nr >= 3; nr -= 3, src += 3 * step)
		p->merge_3(dst, src, step, p->channels);
	for (; nr; nr--, src += step)
		p->merge(dst, src, p->channels);
}

static void pool_window(const struct pool *p, float *dst, const float *src, const struct span *y,
			const struct span *x)
{
	const struct keel_window *w = &p->node->window;
	int64_t i;

	fill_pixel(dst, p->start, p->channels);
	for (i = 0; i < y->nr; i++) {
		const float *row = src + (y->from + i * w->dilation[0]) * p->width * p->channels;

		pool_row(p, dst, row + x->from * p->channels, w->dilation[1] * p->channels, x->nr);
	}
	if (p->average && y->counted && x->counted)
		keel_float_loops()->divide(dst, (float)(y->counted * x->counted), p->channels);
}

static int pool_run(const struct keel_float_step *s, const struct keel_float_call *c,
		    const struct pool *p)
{
	const int64_t *x = s->in[0].t->dims, *y = s->out.t->dims;
	const float *src = c->in[0];
	float *dst = c->out;
	int64_t n, oy, ox;

	for (n = 0; n < y[0]; n++, src += x[1] * x[2] * x[3])
		for (oy = 0; oy < y[2]; oy++) {
			struct span sy = span_of(s->node, 0, oy, x[2]);

			for (ox = 0; ox < y[3]; ox++, dst += y[1]) {
				struct span sx = span_of(s->node, 1, ox, x[3]);

				pool_window(p, dst, src, &sy, &sx);
			}
		}
	return 0;
}

static int max_pool_run(const struct keel_float_step *s, const struct keel_float_call *c,
			struct keel_error *e)
{
	const struct pool p = {s->node,
			       s->in[0].t->dims[3],
			       s->in[0].t->dims[1],
			       keel_float_loops()->take_max,
			       keel_float_loops()->take_max_of_3,
			       -INFINITY,
			       false};

	return pool_run(s, c, &p);
}

static int average_pool_run(const struct keel_float_step *s, const struct keel_float_call *c,
			    struct keel_error *e)
{
	const struct pool p = {s->node,
			       s->in[0].t->dims[3],
			       s->in[0].t->dims[1],
			       keel_float_loops()->accumulate,
			       keel_float_loops()->accumulate_3,
			       0,
			       true};

	return pool_run(s, c, &p);
}

const struct keel_float_kernel keel_float_max_pool = {
	.rule = KEEL_RULE_PIXELS,
	.prepare = pool_prepare,
	.run = max_pool_run,
};

const struct keel_float_kernel keel_float_average_pool = {
	.rule = KEEL_RULE_PIXELS,
	.prepare = pool_prepare,
	.run = average_pool_run,
};
