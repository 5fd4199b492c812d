// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "dataset_private.h"
#include "idx.h"

#define MAX_LABEL_FILE ((size_t)256 << 20)
#define NAME_SIZE      4096

static int reset_labels(struct keel_dataset *ds, struct keel_error *e)
{
	size_t i;

	free(ds->labels);
	ds->labels = malloc(ds->nr_items * sizeof(*ds->labels));
	if (!ds->labels)
		return keel_error_set(e, -ENOMEM, "no memory for the labels");
	for (i = 0; i < ds->nr_items; i++)
		ds->labels[i] = -1;
	return 0;
}

static int wrong_count(const struct keel_dataset *ds, const char *path, size_t n,
		       struct keel_error *e)
{
	return keel_error_set(e, -EINVAL, "%s: has %zu labels, there are %zu samples", path, n,
			      ds->nr_items);
}

int keel_dataset_use_labels(struct keel_dataset *ds, const struct keel_array *a, const char *path,
			    int64_t classes, struct keel_error *e)
{
	int64_t v;
	size_t i;
	int err;

	if (a->rank != 1 || a->count != ds->nr_items)
		return wrong_count(ds, path, a->count, e);
	err = reset_labels(ds, e);
	if (err)
		return err;
	for (i = 0; i < a->count; i++) {
		if (!keel_array_integer(a, i, &v) || v < 0 || (classes && v >= classes))
			return keel_error_set(e, -EINVAL,
					      "%s: label %zu is no class number of the network",
					      path, i);
		ds->labels[i] = v;
	}
	return 0;
}

/** struct named - a name under which an item can be looked up
 * @name: the sample's name, or its last part
 * @item: index of the item
 * @part: it is the last part only
 */
struct named {
	char *name;
	size_t item;
	bool part;
};

/** struct label_reader - a text of labels
 * @name: of the file, for sentences
 * @line: number of the line, from 1
 * @classes: number of classes or 0
 * @count: labels read
 * @columns: lines are "file,label"
 * @found: samples that got a label
 * @index: names sorted, for @columns
 * @nr_index: number of them
 */
struct label_reader {
	struct keel_dataset *ds;
	const char *name;
	unsigned int line;
	int64_t classes;
	size_t count, found;
	bool columns;
	struct named *index;
	size_t nr_index;
};

/* Whole names before last parts, so that a whole name wins. */
static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (int)x->part - (int)y->part;
}

static char *item_name(const struct keel_dataset *ds, size_t i)
{
	const struct keel_source *s = &ds->sources[ds->items[i].source];
	char *name;

	if (s->samples == 1)
		return strdup(s->name);
	return asprintf(&name, "%s[%u]", s->name, ds->items[i].index) < 0 ? NULL : name;
}

static void free_index(struct label_reader *r)
{
	size_t i;

	for (i = 0; i < r->nr_index; i++)
		free(r->index[i].name);
	free(r->index);
}

static bool add_name(struct label_reader *r, char *name, size_t item, bool part)
{
	if (!name)
		return false;
	r->index[r->nr_index++] = (struct named){name, item, part};
	return true;
}

/* "a/b/c.png" is also found as "c.png". */
static bool add_names(struct label_reader *r, size_t item)
{
	char *name = item_name(r->ds, item);
	const char *slash = name ? strrchr(name, '/') : NULL;

	return add_name(r, name, item, false) &&
	       (!slash || add_name(r, strdup(slash + 1), item, true));
}

static int make_index(struct label_reader *r, struct keel_error *e)
{
	size_t i, n = r->ds->nr_items;

	r->index = calloc(n, 2 * sizeof(*r->index));
	for (i = 0; r->index && i < n; i++)
		if (!add_names(r, i))
			break;
	if (!r->index || i < n)
		return keel_error_set(e, -ENOMEM, "%s: no memory for the labels", r->name);
	qsort(r->index, r->nr_index, sizeof(*r->index), by_name);
	return 0;
}

/* First entry that isn't before @file */
static size_t lower_bound(const struct label_reader *r, const char *file)
{
	size_t low = 0, high = r->nr_index, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(r->index[middle].name, file) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* NULL when there is none, or when only last parts of several names are the same. */
static const struct named *find_item(const struct label_reader *r, const char *file)
{
	size_t i = lower_bound(r, file);

	if (i == r->nr_index || strcmp(r->index[i].name, file))
		return NULL;
	if (r->index[i].part && i + 1 < r->nr_index && !strcmp(r->index[i + 1].name, file))
		return NULL;
	return &r->index[i];
}

/*
 * Cut the next field off @text: to the next comma, or between double quotes,
 * where two of them stand for one. NULL when the quotes don't close.
 */
static char *take_field(char **text)
{
	char *in, *out, *field = *text + strspn(*text, " \t");

	if (*field != '"') {
		*text = field + strcspn(field, ",");
		if (**text)
			*(*text)++ = 0;
		return field;
	}
	for (in = out = field + 1; *in && (*in != '"' || in[1] == '"'); in++) {
		in += *in == '"';
		*out++ = *in;
	}
	if (!*in)
		return NULL;
	*out = 0;
	in += 1 + strcspn(in + 1, ",");
	*text = in + (*in == ',');
	return field + 1;
}

static void trim_end(char *text)
{
	size_t n = strlen(text);

	while (n && strchr(" \t\r", text[n - 1]))
		n--;
	text[n] = 0;
}

static int set_label(struct label_reader *r, size_t item, const char *label, struct keel_error *e)
{
	int64_t v = keel_preprocess_index(r->ds->p, label, r->classes);

	if (v < 0)
		return keel_error_set(
			e, -EINVAL,
			"%s:%u: '%.100s' is no class name of the preprocess file and no class "
			"number of the network",
			r->name, r->line, label);
	r->found += r->ds->labels[item] < 0;
	r->ds->labels[item] = v;
	return 0;
}

static int read_columns(struct label_reader *r, char *line, struct keel_error *e)
{
	const struct named *item;
	char *file, *label = NULL;

	file = take_field(&line);
	if (file)
		label = take_field(&line);
	if (!label)
		return keel_error_set(e, -EINVAL, "%s:%u: a double quote is missing", r->name,
				      r->line);
	trim_end(file);
	trim_end(label);
	/* Labels of files that aren't here are no mistake; those of none at all are, see below */
	item = find_item(r, file);
	return item ? set_label(r, item->item, label, e) : 0;
}

static int read_positional(struct label_reader *r, char *line, struct keel_error *e)
{
	char *label = take_field(&line);

	if (!label)
		return keel_error_set(e, -EINVAL, "%s:%u: a double quote is missing", r->name,
				      r->line);
	trim_end(label);
	if (r->count >= r->ds->nr_items)
		return 0; /* counted on, reported at the end */
	return set_label(r, r->count, label, e);
}

/* A comma outside of quotes */
static bool has_columns(const char *line)
{
	bool quoted = false;

	for (; *line; line++) {
		quoted ^= *line == '"';
		if (*line == ',' && !quoted)
			return true;
	}
	return false;
}

static int read_line(struct label_reader *r, char *line, struct keel_error *e)
{
	bool columns = has_columns(line);
	int err;

	if (!r->count)
		r->columns = columns;
	if (columns != r->columns)
		return keel_error_set(
			e, -EINVAL,
			"%s:%u: some lines are 'file,label' and some are a label alone; "
			"put names with a comma in double quotes",
			r->name, r->line);
	if (columns && !r->index) {
		err = make_index(r, e);
		if (err)
			return err;
	}
	err = columns ? read_columns(r, line, e) : read_positional(r, line, e);
	r->count++;
	return err;
}

static int check_found(const struct label_reader *r, struct keel_error *e)
{
	if (!r->columns && r->count != r->ds->nr_items)
		return wrong_count(r->ds, r->name, r->count, e);
	if (!r->found)
		return keel_error_set(e, -EINVAL, "%s: none of its %zu files is among the samples",
				      r->name, r->count);
	return 0;
}

static int read_text(struct label_reader *r, char *text, struct keel_error *e)
{
	char *line;
	int err = 0;

	while (!err && (line = strsep(&text, "\n"))) {
		r->line++;
		line += strspn(line, " \t\r");
		trim_end(line);
		if (*line && *line != '#')
			err = read_line(r, line, e);
	}
	return err ? err : check_found(r, e);
}

static int read_blob(struct keel_dataset *ds, struct keel_blob *b, const char *path,
		     int64_t classes, struct keel_error *e)
{
	struct label_reader r = {.ds = ds, .name = path, .classes = classes};
	struct keel_array a;
	int err;

	if (keel_idx_sniff(b->data, b->size)) {
		err = keel_idx_parse(b->data, b->size, path, &a, e);
		if (!err)
			err = keel_dataset_use_labels(ds, &a, path, classes, e);
		keel_array_free(&a);
		return err;
	}
	if (memchr(b->data, 0, b->size))
		return keel_error_set(e, -EINVAL,
				      "%s: is neither IDX nor text, so it has no labels", path);
	err = reset_labels(ds, e);
	if (!err)
		err = read_text(&r, keel_blob_text(b), e);
	free_index(&r);
	return err;
}

int keel_dataset_labels(struct keel_dataset *ds, const char *path, int64_t classes,
			struct keel_error *e)
{
	struct keel_blob b;
	int err;

	err = keel_blob_read(path, MAX_LABEL_FILE, &b, e);
	if (err)
		return err;
	err = keel_blob_gunzip(&b, path, MAX_LABEL_FILE, e);
	if (!err)
		err = read_blob(ds, &b, path, classes, e);
	keel_blob_free(&b);
	if (err) {
		free(ds->labels);
		ds->labels = NULL;
	}
	return err;
}

/* Last folder of the path; false when it has none or a very long one. */
static bool folder_name(const char *path, char folder[NAME_SIZE])
{
	const char *end = strrchr(path, '/');
	const char *start = end;

	while (start && start > path && start[-1] != '/')
		start--;
	if (!end || end == start || end - start >= NAME_SIZE)
		return false;
	memcpy(folder, start, end - start);
	folder[end - start] = 0;
	return true;
}

int keel_dataset_folder_labels(struct keel_dataset *ds, int64_t classes, struct keel_error *e)
{
	char folder[NAME_SIZE];
	const char *path;
	size_t i;
	int err;

	err = reset_labels(ds, e);
	if (err)
		return err;
	for (i = 0; i < ds->nr_items; i++) {
		path = ds->sources[ds->items[i].source].path;
		if (folder_name(path, folder))
			ds->labels[i] = keel_preprocess_index(ds->p, folder, classes);
		if (ds->labels[i] < 0)
			goto err_unknown;
	}
	return 0;

err_unknown:
	free(ds->labels);
	ds->labels = NULL;
	return keel_error_set(
		e, -EINVAL,
		"%s: the folder it is in is no class name of the preprocess file and no "
		"class number; give a file of labels",
		path);
}

int64_t keel_dataset_label(const struct keel_dataset *ds, size_t i)
{
	return ds->labels ? ds->labels[ds->order[i]] : -1;
}

size_t keel_dataset_labelled(const struct keel_dataset *ds)
{
	size_t i, n = 0;

	for (i = 0; i < ds->nr_order; i++)
		n += keel_dataset_label(ds, i) >= 0;
	return n;
}
