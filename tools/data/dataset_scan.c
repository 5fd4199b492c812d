// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "blob.h"
#include "dataset_private.h"
#include "idx.h"
#include "npy.h"

#define MAX_DEPTH   32
#define MAX_SOURCES ((size_t)1 << 24)

static int no_memory(const char *path, struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM, "%s: no memory for the list of files", path);
}

/* Takes @path over, also when it fails. */
static int add_source(struct keel_dataset *ds, char *path, size_t name_at,
		      enum keel_input_kind kind, struct keel_error *e)
{
	size_t room = ds->room ? ds->room * 2 : 64;
	struct keel_source *grown;

	if (ds->nr_sources == ds->room) {
		grown = ds->room < MAX_SOURCES ? realloc(ds->sources, room * sizeof(*grown)) : NULL;
		if (!grown) {
			no_memory(path, e);
			free(path);
			return -ENOMEM;
		}
		ds->sources = grown;
		ds->room = room;
	}
	ds->sources[ds->nr_sources++] = (struct keel_source){
		.path = path, .name = path + name_at, .kind = kind, .samples = 1};
	return 0;
}

static void skip_file(struct keel_dataset *ds, const char *name)
{
	ds->skipped++;
	/* Folders are read in any order: remember the first by name, to be reproducible */
	if (ds->first_skipped && strcmp(ds->first_skipped, name) <= 0)
		return;
	free(ds->first_skipped);
	ds->first_skipped = strdup(name);
}

/** struct walk - a folder being searched
 * @root: length of the path that the user gave, with its slash
 */
struct walk {
	struct keel_dataset *ds;
	size_t root;
	bool recursive;
};

static int scan_folder(struct walk *w, const char *path, unsigned int depth, struct keel_error *e);

static int scan_file(struct walk *w, char *path, struct keel_error *e)
{
	int kind;

	w->ds->seen++;
	kind = keel_input_kind(path, e);
	if (kind < 0) {
		free(path);
		return kind;
	}
	if (kind == KEEL_INPUT_NONE || kind == KEEL_INPUT_IDX) {
		skip_file(w->ds, path + w->root);
		free(path);
		return 0;
	}
	return add_source(w->ds, path, w->root, kind, e);
}

/* Takes @path over. Links to files are followed, links to folders are not: they may be circles. */
static int scan_entry(struct walk *w, char *path, unsigned int depth, struct keel_error *e)
{
	struct stat st;
	int err = 0;

	if (lstat(path, &st)) {
		err = keel_error_set(e, -errno, "%s: %s", path, strerror(errno));
	} else if (S_ISLNK(st.st_mode) && stat(path, &st)) {
		/* it leads nowhere, or in a circle */
		w->ds->seen++;
		skip_file(w->ds, path + w->root);
	} else if (S_ISREG(st.st_mode)) {
		return scan_file(w, path, e);
	} else if (!S_ISDIR(st.st_mode)) {
		w->ds->seen++;
		skip_file(w->ds, path + w->root);
	} else if (w->recursive && !lstat(path, &st) && S_ISDIR(st.st_mode)) {
		err = scan_folder(w, path, depth + 1, e);
	}
	free(path);
	return err;
}

static int scan_folder(struct walk *w, const char *path, unsigned int depth, struct keel_error *e)
{
	size_t length = strlen(path);
	const char *slash = length && path[length - 1] == '/' ? "" : "/";
	struct dirent *d;
	char *full;
	DIR *dir;
	int err = 0;

	if (depth > MAX_DEPTH)
		return keel_error_set(e, -ELOOP, "%s: is more than %d folders deep, the limit",
				      path, MAX_DEPTH);
	dir = opendir(path);
	if (!dir)
		return keel_error_set(e, -errno, "%s: can't be opened: %s", path, strerror(errno));
	while (!err && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		if (asprintf(&full, "%s%s%s", path, slash, d->d_name) < 0)
			err = no_memory(path, e);
		else
			err = scan_entry(w, full, depth, e);
	}
	closedir(dir);
	return err;
}

static int by_name(const void *a, const void *b)
{
	const struct keel_source *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int add_folder(struct keel_dataset *ds, const char *path, bool recursive,
		      struct keel_error *e)
{
	struct walk w = {.ds = ds, .recursive = recursive};
	size_t first = ds->nr_sources;
	int err;

	w.root = strlen(path) + (path[strlen(path) - 1] != '/');
	err = scan_folder(&w, path, 0, e);
	if (!err && ds->nr_sources > first)
		qsort(ds->sources + first, ds->nr_sources - first, sizeof(*ds->sources), by_name);
	return err;
}

/* IDX files are read at once: what they hold is what tells pictures from labels. */
static int add_idx(struct keel_dataset *ds, char *path, bool alone, struct keel_error *e)
{
	struct keel_array a;
	int64_t v;
	int err;

	err = keel_idx_read(path, &a, e);
	if (err) {
		free(path);
		return err;
	}
	if (a.rank == 1 && !alone && !ds->label_array.data && keel_array_integer(&a, 0, &v)) {
		ds->label_array = a;
		ds->label_path = path;
		return 0;
	}
	err = add_source(ds, path, 0, KEEL_INPUT_IDX, e);
	if (err)
		keel_array_free(&a);
	else
		ds->sources[ds->nr_sources - 1].array = a;
	return err;
}

static int add_file(struct keel_dataset *ds, const char *path, bool alone, struct keel_error *e)
{
	char *copy;
	int kind;

	kind = keel_input_kind(path, e);
	if (kind < 0)
		return kind;
	if (kind == KEEL_INPUT_NONE)
		return keel_error_set(
			e, -ENOTSUP,
			"%s: is no input; JPEG, PNG, PGM, PPM, .npy, .pb, IDX and raw files "
			"(.raw .bin .f32 .u8 .i8) are",
			path);
	copy = strdup(path);
	if (!copy)
		return no_memory(path, e);
	return kind == KEEL_INPUT_IDX ? add_idx(ds, copy, alone, e)
				      : add_source(ds, copy, 0, kind, e);
}

static int add_path(struct keel_dataset *ds, const struct keel_dataset_options *o, unsigned int i,
		    struct keel_error *e)
{
	const char *path = o->paths[i];
	struct stat st;

	if (!*path)
		return keel_error_set(e, -EINVAL, "an empty name is no input file");
	if (stat(path, &st))
		return keel_error_set(e, -errno, "%s: can't be opened: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return add_folder(ds, path, o->recursive, e);
	return add_file(ds, path, o->nr_paths == 1, e);
}

/* How many samples, and, where there are several, their elements in memory. */
static int open_source(struct keel_dataset *ds, struct keel_source *s, struct keel_error *e)
{
	uint8_t head[KEEL_NPY_HEAD];
	int n, err;

	if (s->kind != KEEL_INPUT_NPY && s->kind != KEEL_INPUT_IDX)
		return 0;
	if (s->kind == KEEL_INPUT_NPY) {
		n = keel_blob_head(s->path, head, sizeof(head), e);
		err = n < 0 ? n : keel_npy_header(head, n, s->path, &s->array, e);
		if (err)
			return err;
	}
	err = keel_view_init(&s->view, ds, &s->array, s->path, e);
	if (err)
		return err;
	s->samples = s->view.samples;
	if (s->kind == KEEL_INPUT_NPY && s->samples > 1) {
		err = keel_input_array(s->path, s->kind, ds->rank, ds->dims, &s->array, e);
		if (!err) /* the file may have changed in between */
			err = keel_view_init(&s->view, ds, &s->array, s->path, e);
		s->samples = s->view.samples;
	}
	return err;
}

static int make_notice(struct keel_dataset *ds, struct keel_error *e)
{
	if (!ds->skipped)
		return 0;
	if (asprintf(&ds->notice, "%zu of %zu files %s no input and %s skipped (%s%s)", ds->skipped,
		     ds->seen, ds->skipped > 1 ? "are" : "is", ds->skipped > 1 ? "were" : "was",
		     ds->first_skipped ? ds->first_skipped : "",
		     ds->skipped > 1 ? ", ..." : "") < 0) {
		ds->notice = NULL;
		return no_memory(ds->first_skipped ? ds->first_skipped : "", e);
	}
	return 0;
}

int keel_dataset_scan(struct keel_dataset *ds, const struct keel_dataset_options *o,
		      struct keel_error *e)
{
	unsigned int i;
	size_t s;
	int err = 0;

	if (!o->nr_paths)
		return keel_error_set(e, -EINVAL, "no input files were named");
	for (i = 0; i < o->nr_paths && !err; i++)
		err = add_path(ds, o, i, e);
	if (err)
		return err;
	if (!ds->nr_sources)
		return keel_error_set(
			e, -ENOENT, "%s: no picture or tensor file in it%s (%zu files skipped)",
			o->paths[0], o->recursive ? "" : ", folders inside not counted",
			ds->skipped);
	for (s = 0; s < ds->nr_sources && !err; s++)
		err = open_source(ds, &ds->sources[s], e);
	return err ? err : make_notice(ds, e);
}
