// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess_private.h"

/*
 * The keys of a preprocess file: one row each with how it is read and how it
 * is printed. Defaults are keel_preprocess_init()'s.
 */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Digits only: strtoul() would take signs and blanks. Returns what follows, NULL on failure. */
static const char *read_side(const char *s, uint32_t *side)
{
	uint32_t v = 0;
	const char *start = s;

	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + *s - '0';
		if (v > KEEL_IMAGE_MAX_SIDE)
			return NULL;
	}
	if (s == start || !v)
		return NULL;
	*side = v;
	return s;
}

/* "WxH" to the end of the string */
static bool read_size(const char *s, uint32_t *width, uint32_t *height)
{
	s = read_side(s, width);
	if (!s || *s++ != 'x')
		return false;
	s = read_side(s, height);
	return s && !*s;
}

/* When @s is @word, alone or followed by a blank: what comes after; else NULL. */
static const char *after_word(const char *s, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(s, word, n) || (s[n] && s[n] != ' ' && s[n] != '\t'))
		return NULL;
	return s + n + strspn(s + n, " \t");
}

/* A finite number or a fraction of two; returns what follows, NULL on failure. */
static const char *read_number(const char *s, double *v)
{
	double below;
	char *end;

	*v = strtod(s, &end);
	if (end == s)
		return NULL;
	s = end + strspn(end, " \t");
	if (*s == '/') {
		below = strtod(s + 1, &end);
		if (end == s + 1 || below == 0)
			return NULL;
		*v /= below;
		s = end + strspn(end, " \t");
	}
	return isfinite(*v) ? s : NULL;
}

static int read_numbers(struct keel_prep_reader *r, double *v, unsigned int *n,
			struct keel_error *e)
{
	const char *s = r->value;

	for (*n = 0; *n < 3; s++) {
		s = read_number(s, &v[*n]);
		if (!s)
			break;
		++*n;
		if (!*s)
			return 0;
		if (*s != ',')
			break;
	}
	return keel_prep_bad(r, e, "'%.100s' must be one number or three, separated by commas",
			     r->value);
}

/* One of @names; returns its index or a negative errno. */
static int read_choice(struct keel_prep_reader *r, const char *const *names, unsigned int n,
		       struct keel_error *e)
{
	char all[128] = "";
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!strcmp(r->value, names[i]))
			return i;
		strcat(all, i ? ", " : "");
		strcat(all, names[i]);
	}
	return keel_prep_bad(r, e, "'%.100s' is none of %s", r->value, all);
}

static int parse_resize(struct keel_prep_reader *r, struct keel_error *e)
{
	struct keel_preprocess *p = r->p;
	const char *rest;

	p->width = 0;
	p->height = 0;
	if (!strcmp(r->value, "input")) {
		p->fit = KEEL_FIT_INPUT;
		return 0;
	}
	if (!strcmp(r->value, "none")) {
		p->fit = KEEL_FIT_NONE;
		return 0;
	}
	rest = after_word(r->value, "shorter");
	if (rest) {
		p->fit = KEEL_FIT_SHORTER;
		rest = read_side(rest, &p->width);
		if (rest && !*rest)
			return 0;
	}
	rest = after_word(r->value, "letterbox");
	if (rest) {
		p->fit = KEEL_FIT_LETTERBOX;
		if (!*rest || read_size(rest, &p->width, &p->height))
			return 0;
	}
	p->fit = KEEL_FIT_SIZE;
	if (read_size(r->value, &p->width, &p->height))
		return 0;
	return keel_prep_bad(r, e,
			     "'%.100s' must be input, none, WIDTHxHEIGHT, shorter N, letterbox or "
			     "letterbox WIDTHxHEIGHT, with sides of 1 to %u",
			     r->value, KEEL_IMAGE_MAX_SIDE);
}

static void print_resize(const struct keel_preprocess *p, FILE *f)
{
	static const char *const words[] = {
		[KEEL_FIT_INPUT] = "input",
		[KEEL_FIT_NONE] = "none",
		[KEEL_FIT_SIZE] = "",
		[KEEL_FIT_SHORTER] = "shorter ",
		[KEEL_FIT_LETTERBOX] = "letterbox",
	};

	fputs(words[p->fit], f);
	if (p->fit == KEEL_FIT_SHORTER)
		fprintf(f, "%u", p->width);
	else if (p->fit == KEEL_FIT_LETTERBOX && p->width)
		fprintf(f, " %ux%u", p->width, p->height);
	else if (p->fit == KEEL_FIT_SIZE)
		fprintf(f, "%ux%u", p->width, p->height);
}

static int parse_mode(struct keel_prep_reader *r, struct keel_error *e)
{
	const char *names[KEEL_RESAMPLE_COUNT];
	int i;

	for (i = 0; i < KEEL_RESAMPLE_COUNT; i++)
		names[i] = keel_resample_name(i);
	i = read_choice(r, names, KEEL_RESAMPLE_COUNT, e);
	if (i < 0)
		return i;
	r->p->mode = i;
	return 0;
}

static void print_mode(const struct keel_preprocess *p, FILE *f)
{
	fputs(keel_resample_name(p->mode), f);
}

static int parse_fraction(struct keel_prep_reader *r, struct keel_error *e)
{
	double *v = &r->p->crop_fraction;
	const char *rest = read_number(r->value, v);

	if (rest && !*rest && *v > 0 && *v <= 1)
		return 0;
	return keel_prep_bad(r, e, "'%.100s' must be a number over 0 and up to 1", r->value);
}

static void print_number(double v, FILE *f)
{
	char text[32];

	keel_preprocess_number(v, text);
	fputs(text, f);
}

static void print_fraction(const struct keel_preprocess *p, FILE *f)
{
	print_number(p->crop_fraction, f);
}

static int parse_crop(struct keel_prep_reader *r, struct keel_error *e)
{
	struct keel_preprocess *p = r->p;
	const char *rest = after_word(r->value, "center");

	p->crop_width = 0;
	p->crop_height = 0;
	p->crop = false;
	if (!strcmp(r->value, "none"))
		return 0;
	p->crop = true;
	if (rest && (!*rest || read_size(rest, &p->crop_width, &p->crop_height)))
		return 0;
	return keel_prep_bad(r, e,
			     "'%.100s' must be none, center or center WIDTHxHEIGHT, with sides of "
			     "1 to %u",
			     r->value, KEEL_IMAGE_MAX_SIDE);
}

static void print_crop(const struct keel_preprocess *p, FILE *f)
{
	fputs(p->crop ? "center" : "none", f);
	if (p->crop && p->crop_width)
		fprintf(f, " %ux%u", p->crop_width, p->crop_height);
}

static int parse_pad(struct keel_prep_reader *r, struct keel_error *e)
{
	unsigned int i, n;
	double v[3];
	int err;

	err = read_numbers(r, v, &n, e);
	if (err)
		return err;
	for (i = 0; i < 3; i++) {
		double x = v[n == 3 ? i : 0];

		if (n == 2 || !(x >= 0 && x <= 255) || x != floor(x))
			return keel_prep_bad(
				r, e,
				"'%.100s' must be one gray level or red, green and blue, "
				"whole numbers of 0 to 255",
				r->value);
		r->p->pad[i] = x;
	}
	return 0;
}

static void print_pad(const struct keel_preprocess *p, FILE *f)
{
	fprintf(f, "%u, %u, %u", p->pad[0], p->pad[1], p->pad[2]);
}

static const char *const colours[] = {
	[KEEL_COLOUR_AUTO] = "auto",
	[KEEL_COLOUR_RGB] = "rgb",
	[KEEL_COLOUR_BGR] = "bgr",
	[KEEL_COLOUR_GRAY] = "gray",
};

static int parse_colour(struct keel_prep_reader *r, struct keel_error *e)
{
	int i = read_choice(r, colours, COUNT(colours), e);

	if (i < 0)
		return i;
	r->p->colour = i;
	return 0;
}

static void print_colour(const struct keel_preprocess *p, FILE *f)
{
	fputs(colours[p->colour], f);
}

static const char *const layouts[] = {
	[KEEL_LAYOUT_AUTO] = "auto",
	[KEEL_LAYOUT_NCHW] = "nchw",
	[KEEL_LAYOUT_NHWC] = "nhwc",
};

static int parse_layout(struct keel_prep_reader *r, struct keel_error *e)
{
	int i = read_choice(r, layouts, COUNT(layouts), e);

	if (i < 0)
		return i;
	r->p->layout = i;
	return 0;
}

static void print_layout(const struct keel_preprocess *p, FILE *f)
{
	fputs(layouts[p->layout], f);
}

static int parse_scale(struct keel_prep_reader *r, struct keel_error *e)
{
	const char *rest = read_number(r->value, &r->p->scale);

	if (rest && !*rest && r->p->scale != 0)
		return 0;
	return keel_prep_bad(r, e, "'%.100s' must be a number other than 0, such as 1/255",
			     r->value);
}

static void print_scale(const struct keel_preprocess *p, FILE *f)
{
	print_number(p->scale, f);
}

static void print_numbers(const double *v, unsigned int n, FILE *f)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		fputs(i ? ", " : "", f);
		print_number(v[i], f);
	}
}

static int check_per_channel(struct keel_prep_reader *r, unsigned int n, struct keel_error *e)
{
	if (n != 2)
		return 0;
	return keel_prep_bad(r, e, "'%.100s' must be one number or three, separated by commas",
			     r->value);
}

static int parse_mean(struct keel_prep_reader *r, struct keel_error *e)
{
	int err = read_numbers(r, r->p->mean, &r->p->nr_mean, e);

	return err ? err : check_per_channel(r, r->p->nr_mean, e);
}

static void print_mean(const struct keel_preprocess *p, FILE *f)
{
	print_numbers(p->mean, p->nr_mean, f);
}

static int parse_std(struct keel_prep_reader *r, struct keel_error *e)
{
	struct keel_preprocess *p = r->p;
	unsigned int i;
	int err;

	err = read_numbers(r, p->std, &p->nr_std, e);
	if (!err)
		err = check_per_channel(r, p->nr_std, e);
	for (i = 0; !err && i < p->nr_std; i++)
		if (p->std[i] == 0)
			err = keel_prep_bad(r, e, "is divided by and can't be 0");
	return err;
}

static void print_std(const struct keel_preprocess *p, FILE *f)
{
	print_numbers(p->std, p->nr_std, f);
}

static int parse_label(struct keel_prep_reader *r, struct keel_error *e)
{
	return keel_prep_add_label(r, r->value, e);
}

const struct keel_prep_key keel_prep_keys[] = {
	{"colour", "color", parse_colour, print_colour},
	{"crop-fraction", NULL, parse_fraction, print_fraction},
	{"resize", NULL, parse_resize, print_resize},
	{"resize-mode", NULL, parse_mode, print_mode},
	{"crop", NULL, parse_crop, print_crop},
	{"pad", NULL, parse_pad, print_pad},
	{"scale", NULL, parse_scale, print_scale},
	{"mean", NULL, parse_mean, print_mean},
	{"std", NULL, parse_std, print_std},
	{"layout", NULL, parse_layout, print_layout},
	{"labels", NULL, keel_prep_read_labels, NULL},
	{"label", NULL, parse_label, NULL, .repeats = true, .literal = true},
};

const unsigned int keel_prep_nr_keys = COUNT(keel_prep_keys);
