// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image_private.h"
#include "resample.h"

/*
 * Separable filtering in fixed point: each output column is a weighted sum of
 * neighbouring input columns, then each output row of input rows. 22 bits of
 * fraction leave room for 8-bit samples, a sign and the overshoot of a cubic.
 */
#define FRACTION 22

static double triangle(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

/* Half open, so that a pixel on the border is counted once. */
static double box(double x)
{
	return x > -0.5 && x <= 0.5 ? 1 : 0;
}

/* Keys' cubic convolution with a = -1/2, by Horner's rule. */
static double cubic(double x)
{
	const double a = -0.5;

	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

/** struct filter - one way of weighting neighbours
 * @support: the weight is 0 beyond this distance, in pixels; 0: one tap, under the centre
 * @widen: distances are in output pixels when shrinking
 */
static const struct filter {
	const char *name;
	double (*weight)(double x);
	double support;
	bool widen;
} filters[KEEL_RESAMPLE_COUNT] = {
	[KEEL_RESAMPLE_ANTIALIAS] = {"antialias", triangle, 1, true},
	[KEEL_RESAMPLE_BILINEAR] = {"bilinear", triangle, 1, false},
	[KEEL_RESAMPLE_NEAREST] = {"nearest", NULL, 0, false},
	[KEEL_RESAMPLE_AREA] = {"area", box, 0.5, true},
	[KEEL_RESAMPLE_BICUBIC] = {"bicubic", cubic, 2, true},
};

const char *keel_resample_name(enum keel_resample mode)
{
	return mode < KEEL_RESAMPLE_COUNT ? filters[mode].name : "unknown";
}

/** struct taps - weights of one output position
 * @first: first input position
 * @count: number of weights
 * @weight: in units of 2^-FRACTION
 */
struct taps {
	uint32_t first, count;
	int32_t *weight;
};

/** struct axis - all output positions of a direction
 * @taps: one for each output position
 * @pool: memory of all weights
 * @scratch: weights of one position before rounding
 */
struct axis {
	struct taps *taps;
	int32_t *pool;
	double *scratch;
};

static void axis_free(struct axis *a)
{
	free(a->taps);
	free(a->pool);
	free(a->scratch);
}

static void round_weights(struct taps *t, const double *w, double sum)
{
	uint32_t i;

	for (i = 0; i < t->count; i++) {
		double v = (sum != 0 ? w[i] / sum : w[i]) * (1 << FRACTION);

		t->weight[i] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
	}
}

/* In integers: a centre that falls on a border belongs to the pixel after it. */
static void nearest_tap(struct taps *t, uint32_t at, uint32_t in, uint32_t out)
{
	t->first = (2 * (uint64_t)at + 1) * in / (2 * (uint64_t)out);
	t->count = 1;
	t->weight[0] = 1 << FRACTION;
}

static void filter_taps(const struct filter *f, struct taps *t, double centre, double stretch,
			uint32_t in, double *scratch)
{
	double support = f->support * stretch;
	double inverse = 1 / stretch;
	double low = centre - support + 0.5;
	double high = centre + support + 0.5;
	double sum = 0;
	uint32_t i;

	t->first = low > 0 ? (uint32_t)low : 0;
	t->count = (high < in ? (uint32_t)high : in) - t->first;
	for (i = 0; i < t->count; i++) {
		scratch[i] = f->weight((i + t->first - centre + 0.5) * inverse);
		sum += scratch[i];
	}
	round_weights(t, scratch, sum);
}

static int axis_init(struct axis *a, const struct filter *f, uint32_t in, uint32_t out)
{
	double scale = (double)in / out;
	double stretch = f->widen && scale > 1 ? scale : 1;
	size_t i, most = (size_t)ceil(f->support * stretch) * 2 + 1;

	/* most * out: about 2 * support * max(in, out), far from overflow */
	*a = (struct axis){
		.taps = calloc(out, sizeof(*a->taps)),
		.pool = calloc(most * out, sizeof(*a->pool)),
		.scratch = calloc(most, sizeof(*a->scratch)),
	};
	if (!a->taps || !a->pool || !a->scratch)
		return -ENOMEM;
	for (i = 0; i < out; i++) {
		a->taps[i].weight = a->pool + i * most;
		if (f->weight)
			filter_taps(f, &a->taps[i], (i + 0.5) * scale, stretch, in, a->scratch);
		else
			nearest_tap(&a->taps[i], i, in, out);
	}
	return 0;
}

static uint8_t to_byte(int32_t sum)
{
	int32_t v = sum >> FRACTION;

	return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void filter_row(const uint8_t *in, uint8_t *out, const struct axis *a, uint32_t width,
		       uint32_t channels)
{
	uint32_t x, c, i;

	for (x = 0; x < width; x++)
		for (c = 0; c < channels; c++) {
			const struct taps *t = &a->taps[x];
			const uint8_t *p = in + (size_t)t->first * channels + c;
			int32_t sum = 1 << (FRACTION - 1);

			for (i = 0; i < t->count; i++)
				sum += t->weight[i] * p[i * channels];
			*out++ = to_byte(sum);
		}
}

static void filter_columns(const uint8_t *in, uint8_t *out, const struct taps *t, size_t stride,
			   int32_t *sum)
{
	size_t x;
	uint32_t i;

	for (x = 0; x < stride; x++)
		sum[x] = 1 << (FRACTION - 1);
	for (i = 0; i < t->count; i++) {
		const uint8_t *p = in + (t->first + i) * stride;
		int32_t w = t->weight[i];

		for (x = 0; x < stride; x++)
			sum[x] += w * p[x];
	}
	for (x = 0; x < stride; x++)
		out[x] = to_byte(sum[x]);
}

static int resize_width(const struct keel_image *in, struct keel_image *out, const struct filter *f,
			struct axis *a)
{
	size_t y, step_in = (size_t)in->width * in->channels;
	size_t step_out = (size_t)out->width * out->channels;

	if (axis_init(a, f, in->width, out->width))
		return -ENOMEM;
	for (y = 0; y < in->height; y++)
		filter_row(in->pixels + y * step_in, out->pixels + y * step_out, a, out->width,
			   in->channels);
	return 0;
}

static int resize_height(const struct keel_image *in, struct keel_image *out,
			 const struct filter *f, struct axis *a)
{
	size_t y, stride = (size_t)in->width * in->channels;
	int32_t *sum;

	sum = malloc(stride * sizeof(*sum));
	if (!sum || axis_init(a, f, in->height, out->height)) {
		free(sum);
		return -ENOMEM;
	}
	for (y = 0; y < out->height; y++)
		filter_columns(in->pixels, out->pixels + y * stride, &a->taps[y], stride, sum);
	free(sum);
	return 0;
}

typedef int pass_fn(const struct keel_image *in, struct keel_image *out, const struct filter *f,
		    struct axis *a);

/* @out must have its final size; @run fills it. */
static int run_pass(pass_fn *run, const struct keel_image *in, struct keel_image *out,
		    uint32_t width, uint32_t height, const struct filter *f, const char *name,
		    struct keel_error *e)
{
	struct axis a = {0};
	int err;

	err = keel_image_alloc(out, width, height, in->channels, name, e);
	if (err)
		return err;
	err = run(in, out, f, &a);
	axis_free(&a);
	if (err)
		keel_error_set(e, err, "%s: no memory to resize it", name);
	return err;
}

int keel_image_resize(const struct keel_image *in, uint32_t width, uint32_t height,
		      enum keel_resample mode, const char *name, struct keel_image *out,
		      struct keel_error *e)
{
	const struct filter *f = &filters[mode];
	struct keel_image wide = {0};
	int err;

	*out = (struct keel_image){0};
	err = keel_image_check_size(name, width, height, KEEL_IMAGE_MAX_PIXELS, e);
	if (!err)
		err = run_pass(resize_width, in, &wide, width, in->height, f, name, e);
	if (!err)
		err = run_pass(resize_height, &wide, out, width, height, f, name, e);
	keel_image_free(&wide);
	if (err)
		keel_image_free(out);
	return err;
}
