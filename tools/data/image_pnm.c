// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdbool.h>

#include "image_private.h"

#define MAX_SAMPLE 65535u

/** struct pnm - one picture being read
 * @at: read position
 * @max: the sample value that stands for white
 * @binary: samples are bytes, or pairs of bytes when @max is over 255; else decimal numbers
 */
struct pnm {
	const struct keel_image_source *src;
	size_t at;
	uint32_t width, height, channels, max;
	bool binary;
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(struct pnm *p)
{
	const struct keel_image_source *s = p->src;

	for (; p->at < s->size; p->at++) {
		if (s->data[p->at] == '#')
			while (p->at < s->size && s->data[p->at] != '\n')
				p->at++;
		else if (!is_blank(s->data[p->at]))
			break;
	}
}

/* A decimal number up to @limit; false when there is none or it is larger. */
static bool read_number(struct pnm *p, uint32_t limit, uint32_t *value)
{
	const struct keel_image_source *s = p->src;
	size_t start;
	uint64_t v = 0;

	skip_blanks(p);
	start = p->at;
	for (; p->at < s->size && s->data[p->at] >= '0' && s->data[p->at] <= '9'; p->at++) {
		v = v * 10 + s->data[p->at] - '0';
		if (v > limit)
			return false;
	}
	*value = v;
	return p->at > start;
}

static int damaged(const struct pnm *p, const char *why, struct keel_error *e)
{
	return keel_error_set(e, -EBADMSG, "%s: the PNM data is damaged at byte %zu: %s",
			      p->src->name, p->at, why);
}

static int read_header(struct pnm *p, struct keel_error *e)
{
	uint8_t kind = p->src->data[1];

	p->binary = kind == '5' || kind == '6';
	p->channels = kind == '3' || kind == '6' ? 3 : 1;
	p->at = 2;
	if (!read_number(p, INT32_MAX, &p->width) || !read_number(p, INT32_MAX, &p->height))
		return damaged(p, "the header has no width and height", e);
	if (!read_number(p, MAX_SAMPLE, &p->max) || !p->max)
		return damaged(p, "the largest sample value must be 1 to 65535", e);
	if (p->at >= p->src->size || !is_blank(p->src->data[p->at]))
		return damaged(p, "no blank follows the header", e);
	p->at++;
	return keel_image_check_size(p->src->name, p->width, p->height, p->src->max_pixels, e);
}

static bool read_sample(struct pnm *p, uint32_t *value)
{
	const uint8_t *d = p->src->data;

	if (!p->binary)
		return read_number(p, p->max, value);
	*value = d[p->at++];
	if (p->max > 255)
		*value = *value << 8 | d[p->at++];
	return *value <= p->max;
}

/* Binary samples may then be read without looking; a decimal one takes a digit and a blank. */
static int check_length(const struct pnm *p, struct keel_error *e)
{
	size_t samples = (size_t)p->width * p->height * p->channels;
	size_t need = p->binary ? samples * (p->max > 255 ? 2 : 1) : samples * 2 - 1;

	if (p->src->size - p->at < need)
		return damaged(p, "it ends too soon", e);
	return 0;
}

int keel_image_decode_pnm(const struct keel_image_source *src, struct keel_image *img,
			  struct keel_error *e)
{
	struct pnm p = {.src = src};
	uint32_t value;
	size_t i, n;
	int err;

	err = read_header(&p, e);
	if (err)
		return err;
	err = check_length(&p, e);
	if (err)
		return err;
	err = keel_image_alloc(img, p.width, p.height, p.channels, src->name, e);
	if (err)
		return err;
	n = (size_t)p.width * p.height * p.channels;
	for (i = 0; i < n; i++) {
		if (!read_sample(&p, &value))
			return damaged(&p, "no sample between 0 and the largest value", e);
		img->pixels[i] = (value * 255 + p.max / 2) / p.max;
	}
	return 0;
}
