// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess.h"

void keel_preprocess_init(struct keel_preprocess *p)
{
	*p = (struct keel_preprocess){
		.fit = KEEL_FIT_INPUT,
		.mode = KEEL_RESAMPLE_ANTIALIAS,
		.crop_fraction = 1,
		.scale = 1.0 / 255,
		.nr_mean = 1,
		.nr_std = 1,
		.std = {1},
	};
}

/* Where a batch of one, channels, rows and columns are among the dimensions. */
static bool split_dims(const int64_t *d, unsigned int rank, enum keel_layout layout, int64_t *c,
		       int64_t *h, int64_t *w, bool *nhwc)
{
	*nhwc = false;
	if (rank == 2) {
		*c = 1;
		*h = d[0];
		*w = d[1];
		return true;
	}
	if (rank == 4 && *d++ != 1)
		return false;
	if (rank != 3 && rank != 4)
		return false;
	*nhwc = layout == KEEL_LAYOUT_NHWC ||
		(layout == KEEL_LAYOUT_AUTO && d[0] != 1 && d[0] != 3);
	*c = *nhwc ? d[2] : d[0];
	*h = *nhwc ? d[0] : d[1];
	*w = *nhwc ? d[1] : d[2];
	return *c == 1 || *c == 3;
}

static int plan_shape(struct keel_preprocess_plan *plan, unsigned int rank, const int64_t *dims,
		      struct keel_error *e)
{
	int64_t c, h, w;
	bool nhwc;

	if (!split_dims(dims, rank, plan->p->layout, &c, &h, &w, &nhwc))
		return keel_error_set(
			e, -EINVAL,
			"the network's input is no picture: it must be 1xCxHxW or 1xHxWxC with "
			"1 or 3 channels (key layout); give it a tensor file instead");
	if (h < 1 || w < 1 || h > KEEL_IMAGE_MAX_SIDE || w > KEEL_IMAGE_MAX_SIDE)
		return keel_error_set(
			e, -EINVAL,
			"the network's input of %lld x %lld pixels is beyond the limit of %u "
			"a side",
			(long long)w, (long long)h, KEEL_IMAGE_MAX_SIDE);
	plan->channels = c;
	plan->height = h;
	plan->width = w;
	plan->pixel_step = nhwc ? c : 1;
	plan->channel_step = nhwc ? 1 : h * w;
	return 0;
}

static int plan_colour(struct keel_preprocess_plan *plan, struct keel_error *e)
{
	plan->colour = plan->p->colour;
	if (plan->colour == KEEL_COLOUR_AUTO)
		plan->colour = plan->channels == 1 ? KEEL_COLOUR_GRAY : KEEL_COLOUR_RGB;
	if (plan->channels == 1 && plan->colour != KEEL_COLOUR_GRAY)
		return keel_error_set(
			e, -EINVAL,
			"key colour asks for three channels, the network's input has one; "
			"write colour = gray");
	return 0;
}

static int check_count(const char *key, unsigned int n, uint32_t channels, struct keel_error *e)
{
	if (n == 1 || n == channels)
		return 0;
	return keel_error_set(
		e, -EINVAL,
		"key %s has %u values, the network's input has %u channel%s; give one value "
		"or one for each channel",
		key, n, channels, channels > 1 ? "s" : "");
}

static int plan_values(struct keel_preprocess_plan *plan, struct keel_error *e)
{
	const struct keel_preprocess *p = plan->p;
	unsigned int c, x;
	int err;

	err = check_count("mean", p->nr_mean, plan->channels, e);
	if (!err)
		err = check_count("std", p->nr_std, plan->channels, e);
	if (err)
		return err;
	for (c = 0; c < plan->channels; c++)
		for (x = 0; x < 256; x++) {
			double mean = p->mean[p->nr_mean > 1 ? c : 0];
			double std = p->std[p->nr_std > 1 ? c : 0];

			plan->value[c][x] = (x * p->scale - mean) / std;
			if (!isfinite(plan->value[c][x]))
				return keel_error_set(
					e, -ERANGE,
					"keys scale, mean and std turn level %u into a "
					"number too large for a float",
					x);
		}
	return 0;
}

int keel_preprocess_plan_init(struct keel_preprocess_plan *plan, const struct keel_preprocess *p,
			      unsigned int rank, const int64_t *dims, struct keel_error *e)
{
	int err;

	*plan = (struct keel_preprocess_plan){.p = p};
	err = plan_shape(plan, rank, dims, e);
	if (!err)
		err = plan_colour(plan, e);
	if (!err)
		err = plan_values(plan, e);
	return err;
}

/** struct work - a picture on its way
 * @plan: where it goes
 * @name: for sentences
 * @img: as it is now; owned, except at the start
 * @owned: whether @img is ours to free
 */
struct work {
	const struct keel_preprocess_plan *plan;
	const char *name;
	struct keel_image img;
	bool owned;
};

static void replace(struct work *w, const struct keel_image *img)
{
	if (w->owned)
		keel_image_free(&w->img);
	w->img = *img;
	w->owned = true;
}

static int to_gray(struct work *w, struct keel_error *e)
{
	struct keel_image gray;
	const uint8_t *in = w->img.pixels;
	size_t i, n = (size_t)w->img.width * w->img.height;
	int err;

	if (w->plan->colour != KEEL_COLOUR_GRAY || w->img.channels == 1)
		return 0;
	err = keel_image_alloc(&gray, w->img.width, w->img.height, 1, w->name, e);
	if (err)
		return err;
	for (i = 0; i < n; i++, in += 3)
		gray.pixels[i] = keel_image_luma(in[0], in[1], in[2]);
	replace(w, &gray);
	return 0;
}

static void fill_pad(struct keel_image *img, const uint8_t *pad)
{
	size_t i, n = (size_t)img->width * img->height * img->channels;
	uint8_t gray = keel_image_luma(pad[0], pad[1], pad[2]);

	for (i = 0; i < n; i++)
		img->pixels[i] = img->channels == 1 ? gray : pad[i % 3];
}

/** struct span - one side of a frame laid over a picture
 * @from: first pixel taken from the picture
 * @to: where it goes in the frame
 * @count: pixels taken
 */
struct span {
	uint32_t from, to, count;
};

/* Half the difference, rounded to even when cutting, down when padding. */
static struct span centre(uint32_t side, uint32_t frame)
{
	uint32_t half;

	if (side < frame)
		return (struct span){0, (frame - side) / 2, side};
	half = (side - frame) / 2;
	if ((side - frame) % 2)
		half += half % 2;
	return (struct span){half, 0, frame};
}

/* Cut or pad to width x height around the centre. */
static int frame_picture(struct work *w, uint32_t width, uint32_t height, struct keel_error *e)
{
	struct span sx = centre(w->img.width, width), sy = centre(w->img.height, height);
	uint32_t y, ch = w->img.channels;
	struct keel_image out;
	int err;

	if (width == w->img.width && height == w->img.height)
		return 0;
	err = keel_image_alloc(&out, width, height, ch, w->name, e);
	if (err)
		return err;
	if (sx.count < width || sy.count < height)
		fill_pad(&out, w->plan->p->pad);
	for (y = 0; y < sy.count; y++)
		memcpy(out.pixels + ((size_t)(sy.to + y) * width + sx.to) * ch,
		       w->img.pixels + ((size_t)(sy.from + y) * w->img.width + sx.from) * ch,
		       (size_t)sx.count * ch);
	replace(w, &out);
	return 0;
}

static uint32_t round_side(double v)
{
	v = floor(v + 0.5);
	return v < 1 ? 1 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static int crop_fraction(struct work *w, struct keel_error *e)
{
	double f = w->plan->p->crop_fraction;

	if (f >= 1)
		return 0;
	return frame_picture(w, round_side(w->img.width * f), round_side(w->img.height * f), e);
}

static int resize_to(struct work *w, uint32_t width, uint32_t height, struct keel_error *e)
{
	struct keel_image out;
	int err;

	if (width == w->img.width && height == w->img.height)
		return 0;
	err = keel_image_resize(&w->img, width, height, w->plan->p->mode, w->name, &out, e);
	if (!err)
		replace(w, &out);
	return err;
}

static int fit_input(struct work *w, struct keel_error *e)
{
	return resize_to(w, w->plan->width, w->plan->height, e);
}

static int fit_none(struct work *w, struct keel_error *e)
{
	return 0;
}

static int fit_size(struct work *w, struct keel_error *e)
{
	return resize_to(w, w->plan->p->width, w->plan->p->height, e);
}

static int fit_shorter(struct work *w, struct keel_error *e)
{
	uint64_t side = w->plan->p->width, x = w->img.width, y = w->img.height;

	/* Below 2^28: sides have limits. The longer side is rounded down. */
	if (x < y)
		return resize_to(w, side, side * y / x, e);
	return resize_to(w, side * x / y, side, e);
}

static int fit_letterbox(struct work *w, struct keel_error *e)
{
	const struct keel_preprocess *p = w->plan->p;
	uint32_t width = p->width ? p->width : w->plan->width;
	uint32_t height = p->height ? p->height : w->plan->height;
	double sx = (double)width / w->img.width, sy = (double)height / w->img.height;
	double s = sx < sy ? sx : sy;
	int err;

	err = resize_to(w, round_side(w->img.width * s), round_side(w->img.height * s), e);
	if (!err)
		err = frame_picture(w, width, height, e);
	return err;
}

static int (*const fits[])(struct work *w, struct keel_error *e) = {
	[KEEL_FIT_INPUT] = fit_input,	      [KEEL_FIT_NONE] = fit_none,
	[KEEL_FIT_SIZE] = fit_size,	      [KEEL_FIT_SHORTER] = fit_shorter,
	[KEEL_FIT_LETTERBOX] = fit_letterbox,
};

static int crop(struct work *w, struct keel_error *e)
{
	const struct keel_preprocess *p = w->plan->p;

	if (!p->crop)
		return 0;
	return frame_picture(w, p->crop_width ? p->crop_width : w->plan->width,
			     p->crop_height ? p->crop_height : w->plan->height, e);
}

/* Channel of the picture that a channel of the tensor shows. */
static uint32_t source_channel(const struct work *w, uint32_t c)
{
	if (w->img.channels == 1)
		return 0;
	return w->plan->colour == KEEL_COLOUR_BGR ? 2 - c : c;
}

static void write_channel(const struct work *w, uint32_t c, uint8_t *levels)
{
	const struct keel_preprocess_plan *plan = w->plan;
	const uint8_t *in = w->img.pixels + source_channel(w, c);
	size_t i, n = (size_t)plan->width * plan->height;

	for (i = 0; i < n; i++)
		levels[i * plan->pixel_step] = in[i * w->img.channels];
}

static int write_tensor(struct work *w, uint8_t *levels, struct keel_error *e)
{
	const struct keel_preprocess_plan *plan = w->plan;
	uint32_t c;

	if (w->img.width != plan->width || w->img.height != plan->height)
		return keel_error_set(
			e, -EINVAL,
			"%s: the picture is %u x %u after resize and crop, the network wants "
			"%u x %u; write resize = input or crop = center",
			w->name, w->img.width, w->img.height, plan->width, plan->height);
	for (c = 0; c < plan->channels; c++)
		write_channel(w, c, levels + c * plan->channel_step);
	return 0;
}

int keel_preprocess_levels(const struct keel_preprocess_plan *plan, const struct keel_image *img,
			   const char *name, uint8_t *levels, struct keel_error *e)
{
	struct work w = {.plan = plan, .name = name, .img = *img};
	int err;

	err = to_gray(&w, e);
	if (!err)
		err = crop_fraction(&w, e);
	if (!err)
		err = fits[plan->p->fit](&w, e);
	if (!err)
		err = crop(&w, e);
	if (!err)
		err = write_tensor(&w, levels, e);
	if (w.owned)
		keel_image_free(&w.img);
	return err;
}

static size_t count(const struct keel_preprocess_plan *plan)
{
	return (size_t)plan->width * plan->height * plan->channels;
}

int keel_preprocess_apply(const struct keel_preprocess_plan *plan, const struct keel_image *img,
			  const char *name, float *out, struct keel_error *e)
{
	uint8_t *levels = malloc(count(plan));
	int err = -ENOMEM;

	if (levels)
		err = keel_preprocess_levels(plan, img, name, levels, e);
	else
		keel_error_set(e, err, "%s: no memory for the picture", name);
	if (!err)
		keel_preprocess_values(plan, levels, out);
	free(levels);
	return err;
}

void keel_preprocess_values(const struct keel_preprocess_plan *plan, const uint8_t *in, float *out)
{
	size_t i, n = (size_t)plan->width * plan->height;
	uint32_t c;

	for (c = 0; c < plan->channels; c++)
		for (i = 0; i < n; i++) {
			size_t at = i * plan->pixel_step + c * plan->channel_step;

			out[at] = plan->value[c][in[at]];
		}
}
