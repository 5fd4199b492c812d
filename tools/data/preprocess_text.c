// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blob.h"
#include "preprocess_private.h"

int keel_prep_bad(const struct keel_prep_reader *r, struct keel_error *e, const char *fmt, ...)
{
	char why[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return keel_error_set(e, -EINVAL, "%s:%u: key %.32s: %s", r->name, r->line, r->key, why);
}

char *keel_prep_trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r", end[-1]))
		end--;
	*end = 0;
	return text;
}

static const struct keel_prep_key *find_key(const char *name)
{
	const struct keel_prep_key *k;

	for (k = keel_prep_keys; k < keel_prep_keys + keel_prep_nr_keys; k++)
		if (!strcmp(k->name, name) || (k->alias && !strcmp(k->alias, name)))
			return k;
	return NULL;
}

/* A comment starts at a '#' that follows a blank or nothing. */
static void cut_comment(char *text)
{
	char *p;

	for (p = text; *p; p++)
		if (*p == '#' && (p == text || p[-1] == ' ' || p[-1] == '\t')) {
			*p = 0;
			return;
		}
}

/* @first: line where each key was first seen, 0 for not yet */
static int parse_line(struct keel_prep_reader *r, char *text, unsigned int *first,
		      struct keel_error *e)
{
	const struct keel_prep_key *k;
	char *equals = strchr(text, '=');
	unsigned int *seen;

	if (!equals)
		return keel_error_set(e, -EINVAL, "%s:%u: '%.100s' is no 'key = value'", r->name,
				      r->line, text);
	*equals = 0;
	r->key = keel_prep_trim(text);
	r->value = equals + 1;
	k = find_key(r->key);
	if (!k)
		return keel_prep_bad(r, e, "is unknown; docs/preprocess.md lists the keys");
	seen = &first[k - keel_prep_keys];
	if (*seen && !k->repeats)
		return keel_prep_bad(r, e, "was given on line %u already", *seen);
	*seen = r->line;
	if (!k->literal)
		cut_comment(r->value);
	r->value = keel_prep_trim(r->value);
	if (!*r->value)
		return keel_prep_bad(r, e, "has no value");
	return k->parse(r, e);
}

static int parse_lines(struct keel_prep_reader *r, char *text, struct keel_error *e)
{
	unsigned int first[32] = {0};
	char *line;
	int err = 0;

	while (!err && (line = strsep(&text, "\n"))) {
		r->line++;
		line = keel_prep_trim(line);
		if (*line && *line != '#')
			err = parse_line(r, line, first, e);
	}
	return err;
}

int keel_preprocess_parse(const char *text, size_t size, const char *name, const char *folder,
			  struct keel_preprocess *p, struct keel_error *e)
{
	struct keel_prep_reader r = {.p = p, .name = name, .folder = folder};
	char *copy;
	int err;

	keel_preprocess_init(p);
	if (size > KEEL_PREPROCESS_MAX_FILE)
		return keel_error_set(e, -EFBIG, "%s: has %zu bytes, the limit is %zu", name, size,
				      KEEL_PREPROCESS_MAX_FILE);
	if (memchr(text, 0, size))
		return keel_error_set(e, -EINVAL, "%s: contains a zero byte, so it is no text",
				      name);
	copy = strndup(text, size);
	if (!copy)
		return keel_error_set(e, -ENOMEM, "%s: no memory to read it", name);
	err = parse_lines(&r, copy, e);
	free(copy);
	if (err)
		keel_preprocess_free(p);
	return err;
}

/* The folder part of a path, "." when it has none. malloc'ed. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : slash - path);
}

int keel_preprocess_load(const char *path, struct keel_preprocess *p, struct keel_error *e)
{
	struct keel_blob file;
	char *folder, *text;
	int err;

	keel_preprocess_init(p);
	err = keel_blob_read(path, KEEL_PREPROCESS_MAX_FILE, &file, e);
	if (err)
		return err;
	folder = folder_of(path);
	text = keel_blob_text(&file);
	if (folder)
		err = keel_preprocess_parse(text, file.size - (text - (char *)file.data), path,
					    folder, p, e);
	else
		err = keel_error_set(e, -ENOMEM, "%s: no memory to read it", path);
	free(folder);
	keel_blob_free(&file);
	return err;
}

int keel_preprocess_find(const char *model, char **path, struct keel_error *e)
{
	const char *slash = strrchr(model, '/');
	const char *dot = strrchr(model, '.');
	int stem = strlen(model);

	/* A dot in a folder's name, or one that starts the file's name, is no suffix. */
	if (dot && dot > (slash ? slash + 1 : model))
		stem = dot - model;
	if (asprintf(path, "%.*s.preprocess", stem, model) < 0) {
		*path = NULL;
		return keel_error_set(e, -ENOMEM, "%s: no memory for its name", model);
	}
	if (access(*path, F_OK)) {
		free(*path);
		*path = NULL;
	}
	return 0;
}

/* Shortest form that reads back the same; fractions of 255 are common and have none. */
void keel_preprocess_number(double v, char text[32])
{
	int n, digits;

	for (digits = 1; digits <= 17; digits++) {
		snprintf(text, 32, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	for (n = 1; digits > 6 && n < 255; n++)
		if (n / 255.0 == v)
			snprintf(text, 32, "%d/255", n);
}

int keel_preprocess_print(const struct keel_preprocess *p, char **text, size_t *size,
			  struct keel_error *e)
{
	FILE *f = open_memstream(text, size);
	unsigned int i;

	if (!f)
		goto err_memory;
	for (i = 0; i < keel_prep_nr_keys; i++) {
		if (!keel_prep_keys[i].print)
			continue;
		fprintf(f, "%s = ", keel_prep_keys[i].name);
		keel_prep_keys[i].print(p, f);
		fputc('\n', f);
	}
	for (i = 0; i < p->nr_labels; i++)
		fprintf(f, "label = %s\n", p->labels[i]);
	if (!fclose(f))
		return 0;
	free(*text);
err_memory:
	*text = NULL;
	return keel_error_set(e, -ENOMEM, "no memory for the text of the preprocessing");
}

static void describe_fit(const struct keel_preprocess_plan *plan, FILE *f)
{
	const struct keel_preprocess *p = plan->p;
	uint32_t w = p->width ? p->width : plan->width, h = p->height ? p->height : plan->height;

	if (p->crop_fraction < 1)
		fprintf(f, "central %g of each side, ", p->crop_fraction);
	if (p->fit == KEEL_FIT_NONE)
		fprintf(f, "picture as it is");
	else if (p->fit == KEEL_FIT_SHORTER)
		fprintf(f, "shorter side to %u", p->width);
	else
		fprintf(f, "whole picture %s %u x %u",
			p->fit == KEEL_FIT_LETTERBOX ? "fitted into" : "resized to", w, h);
	if (p->fit != KEEL_FIT_NONE)
		fprintf(f, " (%s)", keel_resample_name(p->mode));
	if (p->crop)
		fprintf(f, ", %u x %u around the centre",
			p->crop_width ? p->crop_width : plan->width,
			p->crop_height ? p->crop_height : plan->height);
}

static void describe_values(const struct keel_preprocess *p, FILE *f)
{
	unsigned int i;
	char t[32];

	keel_preprocess_number(p->scale, t);
	fprintf(f, ", (x * %s - ", t);
	for (i = 0; i < p->nr_mean; i++) {
		keel_preprocess_number(p->mean[i], t);
		fprintf(f, "%s%s%s",
			i		 ? ", "
			: p->nr_mean > 1 ? "["
					 : "",
			t, i && i == p->nr_mean - 1 ? "]" : "");
	}
	fputs(") / ", f);
	for (i = 0; i < p->nr_std; i++) {
		keel_preprocess_number(p->std[i], t);
		fprintf(f, "%s%s%s",
			i		? ", "
			: p->nr_std > 1 ? "["
					: "",
			t, i && i == p->nr_std - 1 ? "]" : "");
	}
}

void keel_preprocess_describe(const struct keel_preprocess_plan *plan, char *text, size_t size)
{
	static const char *const names[] = {"", "rgb", "bgr", "gray"};
	FILE *f = fmemopen(text, size, "w");

	if (!f) {
		snprintf(text, size, "no memory to describe the preprocessing");
		return;
	}
	describe_fit(plan, f);
	fprintf(f, ", %s", names[plan->colour]);
	describe_values(plan->p, f);
	fclose(f);
	text[size - 1] = 0;
}
