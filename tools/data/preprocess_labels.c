// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "preprocess_private.h"

#define LABEL_MAX 256

static int no_memory(const struct keel_prep_reader *r, struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM, "%s: no memory for the class names", r->name);
}

static int check_label(const struct keel_prep_reader *r, const char *text, struct keel_error *e)
{
	const unsigned char *p;

	if (!*text)
		return keel_prep_bad(r, e, "class name %u is empty", r->p->nr_labels);
	if (strlen(text) > LABEL_MAX)
		return keel_prep_bad(r, e, "class name %u is longer than %d bytes", r->p->nr_labels,
				     LABEL_MAX);
	for (p = (const unsigned char *)text; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return keel_prep_bad(r, e, "class name %u has a control character",
					     r->p->nr_labels);
	if (r->p->nr_labels == KEEL_PREPROCESS_MAX_LABELS)
		return keel_prep_bad(r, e, "there are more than %u class names",
				     KEEL_PREPROCESS_MAX_LABELS);
	return 0;
}

int keel_prep_add_label(struct keel_prep_reader *r, const char *text, struct keel_error *e)
{
	struct keel_preprocess *p = r->p;
	char **labels;
	int err;

	err = check_label(r, text, e);
	if (err)
		return err;
	/* Grown whenever the number of names reaches a power of two */
	if (!(p->nr_labels & (p->nr_labels - 1))) {
		size_t room = p->nr_labels ? 2 * (size_t)p->nr_labels : 1;

		labels = realloc(p->labels, room * sizeof(*labels));
		if (!labels)
			return no_memory(r, e);
		p->labels = labels;
	}
	p->labels[p->nr_labels] = strdup(text);
	if (!p->labels[p->nr_labels])
		return no_memory(r, e);
	p->nr_labels++;
	return 0;
}

static int add_lines(struct keel_prep_reader *r, char *text, struct keel_error *e)
{
	size_t end = strlen(text);
	char *line;
	int err = 0;

	/* Blank lines at the end don't count; elsewhere they would shift every later index. */
	while (end && strchr(" \t\r\n", text[end - 1]))
		end--;
	text[end] = 0;
	while (!err && (line = strsep(&text, "\n")))
		err = keel_prep_add_label(r, keel_prep_trim(line), e);
	return err;
}

static int read_file(struct keel_prep_reader *r, const char *path, struct keel_error *e)
{
	struct keel_prep_reader file = {.p = r->p, .name = r->name, .line = r->line, .key = r->key};
	struct keel_blob b;
	struct keel_error why;
	int err;

	err = keel_blob_read(path, KEEL_PREPROCESS_MAX_FILE, &b, &why);
	if (err) {
		keel_prep_bad(r, e, "%s", why.text);
		return err;
	}
	if (memchr(b.data, 0, b.size))
		err = keel_prep_bad(r, e, "%s contains a zero byte, so it is no text", path);
	else
		err = add_lines(&file, keel_blob_text(&b), e);
	keel_blob_free(&b);
	return err;
}

int keel_prep_read_labels(struct keel_prep_reader *r, struct keel_error *e)
{
	char *path;
	int err;

	if (!r->folder)
		return keel_prep_bad(r, e, "can't name a file here; write the names with label =");
	if (r->value[0] == '/')
		return read_file(r, r->value, e);
	if (asprintf(&path, "%s/%s", r->folder, r->value) < 0)
		return no_memory(r, e);
	err = read_file(r, path, e);
	free(path);
	return err;
}

void keel_preprocess_free(struct keel_preprocess *p)
{
	unsigned int i;

	for (i = 0; i < p->nr_labels; i++)
		free(p->labels[i]);
	free(p->labels);
	p->labels = NULL;
	p->nr_labels = 0;
}

const char *keel_preprocess_label(const struct keel_preprocess *p, int64_t index)
{
	return index >= 0 && index < p->nr_labels ? p->labels[index] : NULL;
}

static int64_t read_index(const char *text, int64_t count)
{
	int64_t limit = count > 0 ? count : INT32_MAX, v = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		v = v * 10 + *text - '0';
		if (v >= limit)
			return -1;
	}
	return v;
}

int64_t keel_preprocess_index(const struct keel_preprocess *p, const char *text, int64_t count)
{
	unsigned int i;

	for (i = 0; i < p->nr_labels; i++)
		if (!strcmp(p->labels[i], text))
			return i;
	return read_index(text, count);
}
