/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PREPROCESS_H
#define KEEL_PREPROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resample.h"

/*
 * From a decoded picture to the numbers a network wants. What is done is
 * written in a small text file of "key = value" lines (docs/preprocess.md).
 * Steps, in this order: colour, crop-fraction, resize, crop, values, layout.
 */

/** enum keel_fit - how the picture gets its size */
enum keel_fit {
	KEEL_FIT_INPUT,	    /* the whole picture squashed to the network's input */
	KEEL_FIT_NONE,	    /* left as it is */
	KEEL_FIT_SIZE,	    /* the whole picture squashed to a given size */
	KEEL_FIT_SHORTER,   /* the shorter side gets a given length, aspect kept */
	KEEL_FIT_LETTERBOX, /* fits into a size, aspect kept, the rest is pad colour */
};

/** enum keel_colour - what the tensor's channels are */
enum keel_colour {
	KEEL_COLOUR_AUTO, /* gray for one channel, rgb for three */
	KEEL_COLOUR_RGB,
	KEEL_COLOUR_BGR,
	KEEL_COLOUR_GRAY,
};

/** enum keel_layout - order of a picture in the tensor */
enum keel_layout {
	KEEL_LAYOUT_AUTO, /* nchw when that leaves 1 or 3 channels, else nhwc */
	KEEL_LAYOUT_NCHW,
	KEEL_LAYOUT_NHWC,
};

/** struct keel_preprocess - the contents of a preprocess file
 * @fit: how the picture gets its size
 * @width: of KEEL_FIT_SIZE and KEEL_FIT_LETTERBOX; the side of KEEL_FIT_SHORTER;
 *	0 for KEEL_FIT_LETTERBOX: the network's input
 * @height: the same
 * @mode: how pixels are interpolated
 * @crop_fraction: share of each side that is kept, around the centre, before resizing; 0 < f <= 1
 * @crop: cut or pad to @crop_width x @crop_height around the centre after resizing
 * @crop_width: 0: the network's input
 * @crop_height: 0: the network's input
 * @pad: red, green and blue of what letterbox and crop add
 * @colour: what the tensor's channels are
 * @layout: their order in the tensor
 * @scale: values are (pixel * scale - mean) / std, pixels being 0 to 255
 * @nr_mean: number of means: 1, or one for each channel in the tensor's order
 * @mean: subtracted after scaling
 * @nr_std: number of standard deviations: 1 or one for each channel
 * @std: divided by, nonzero
 * @nr_labels: number of class names
 * @labels: class names, index 0 first; never contain control characters
 */
struct keel_preprocess {
	enum keel_fit fit;
	uint32_t width, height;
	enum keel_resample mode;
	double crop_fraction;
	bool crop;
	uint32_t crop_width, crop_height;
	uint8_t pad[3];
	enum keel_colour colour;
	enum keel_layout layout;
	double scale;
	unsigned int nr_mean, nr_std;
	double mean[3], std[3];
	unsigned int nr_labels;
	char **labels;
};

/* Limits of the text; label files included. */
#define KEEL_PREPROCESS_MAX_FILE   ((size_t)4 << 20)
#define KEEL_PREPROCESS_MAX_LABELS 65536u

/**
 * keel_preprocess_init() - what is done when nobody says anything
 *
 * The whole picture squashed to the network's input, antialiased, RGB or gray by
 * the number of channels, values pixel / 255.
 */
void keel_preprocess_init(struct keel_preprocess *p);

/** keel_preprocess_free() - give the labels back */
void keel_preprocess_free(struct keel_preprocess *p);

/**
 * keel_preprocess_parse() - read the text of a preprocess file
 * @text: the text, hostile until checked; need not end with a zero
 * @size: bytes
 * @name: what sentences call the file
 * @folder: where a relative "labels =" file is looked for; NULL: the key is refused, as in the
 *	text stored in a .keel file, which carries the names themselves
 * @p: initialised here
 *
 * Return: 0; -EINVAL, -EFBIG, -ENOMEM or the errno of reading the labels, with a sentence that
 * names file, line and key.
 */
int keel_preprocess_parse(const char *text, size_t size, const char *name, const char *folder,
			  struct keel_preprocess *p, struct keel_error *e);

/** keel_preprocess_load() - read a preprocess file; see keel_preprocess_parse() */
int keel_preprocess_load(const char *path, struct keel_preprocess *p, struct keel_error *e);

/**
 * keel_preprocess_find() - the preprocess file that belongs to a network
 * @model: path of the network: net.onnx or net.keel
 * @path: malloc'ed path of net.preprocess beside it when there is one, else NULL
 */
int keel_preprocess_find(const char *model, char **path, struct keel_error *e);

/**
 * keel_preprocess_print() - canonical text
 * @text: malloc'ed, ends with a zero that @size doesn't count
 *
 * Every key appears, in one order, numbers in the shortest form that reads back as the
 * same number, class names written out: parsing it gives an equal structure, and equal
 * structures give the same bytes.
 */
int keel_preprocess_print(const struct keel_preprocess *p, char **text, size_t *size,
			  struct keel_error *e);

/** keel_preprocess_label() - class name of an index, NULL when there is none */
const char *keel_preprocess_label(const struct keel_preprocess *p, int64_t index);

/**
 * keel_preprocess_index() - index of a class name or of a decimal number
 * @count: number of classes; numbers must be below; 0 when unknown
 *
 * A name wins over a number.
 *
 * Return: the index, or -1.
 */
int64_t keel_preprocess_index(const struct keel_preprocess *p, const char *text, int64_t count);

/** struct keel_preprocess_plan - preprocessing made concrete for one network input
 * @p: the steps; must outlive the plan
 * @width: of the network's input
 * @height: of the network's input
 * @channels: 1 or 3
 * @colour: never KEEL_COLOUR_AUTO
 * @pixel_step: floats from a pixel to the next one of its row
 * @channel_step: floats from a channel to the next one of the pixel
 * @value: tensor value of each 8-bit level, by channel of the tensor
 *
 * Constant after keel_preprocess_plan_init(): threads may share it.
 */
struct keel_preprocess_plan {
	const struct keel_preprocess *p;
	uint32_t width, height, channels;
	enum keel_colour colour;
	size_t pixel_step, channel_step;
	float value[3][256];
};

/**
 * keel_preprocess_plan_init() - make preprocessing concrete
 * @rank: of the input: 4 with a batch of 1, 3, or 2 (a gray picture)
 * @dims: its extents
 *
 * Return: 0; -EINVAL with a sentence when the input can't be a picture or the steps
 * don't fit it.
 */
int keel_preprocess_plan_init(struct keel_preprocess_plan *plan, const struct keel_preprocess *p,
			      unsigned int rank, const int64_t *dims, struct keel_error *e);

/**
 * keel_preprocess_apply() - fill a tensor from a picture
 * @img: the picture; not changed
 * @name: what sentences call it
 * @out: as many floats as the input has elements
 */
int keel_preprocess_apply(const struct keel_preprocess_plan *plan, const struct keel_image *img,
			  const char *name, float *out, struct keel_error *e);

/** keel_preprocess_levels() - the same, but 8-bit levels, for keel_preprocess_values() */
int keel_preprocess_levels(const struct keel_preprocess_plan *plan, const struct keel_image *img,
			   const char *name, uint8_t *levels, struct keel_error *e);

/**
 * keel_preprocess_values() - apply only (pixel * scale - mean) / std
 * @in: 8-bit levels already in the tensor's size and layout
 */
void keel_preprocess_values(const struct keel_preprocess_plan *plan, const uint8_t *in, float *out);

/**
 * keel_preprocess_describe() - the steps as one sentence, for announcements
 *
 * For example "whole picture to 224 x 224 (antialias), rgb, (x * 1/255 - 0) / 1".
 */
void keel_preprocess_describe(const struct keel_preprocess_plan *plan, char *text, size_t size);

/** keel_preprocess_number() - shortest decimal form of a number; n/255 for small multiples */
void keel_preprocess_number(double v, char text[32]);

#endif
