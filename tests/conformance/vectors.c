// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "import.h"
#include "onnx.pb-c.h"

void *conformance_read(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	size_t got;

	*size = 0;
	if (!f)
		return NULL;
	do {
		char *grown = realloc(data, *size + (1 << 20));

		if (!grown)
			break;
		data = grown;
		got = fread(data + *size, 1, 1 << 20, f);
		*size += got;
	} while (got);
	fclose(f);
	return data;
}

char *conformance_path(const char *folder, const char *kind, size_t i, char path[4096])
{
	snprintf(path, 4096, "%s/%s_%zu.pb", folder, kind, i);
	return path;
}

static bool is_initializer(const Onnx__GraphProto *g, const char *name)
{
	size_t i;

	for (i = 0; i < g->n_initializer; i++)
		if (g->initializer[i]->name && !strcmp(g->initializer[i]->name, name))
			return true;
	return false;
}

/* The name behind input_@wanted.pb: inputs without an initializer are numbered in order. */
static const char *input_name(const Onnx__GraphProto *g, size_t wanted)
{
	size_t i, at = 0;

	for (i = 0; i < g->n_input; i++)
		if (!is_initializer(g, g->input[i]->name) && at++ == wanted)
			return g->input[i]->name;
	return NULL;
}

ptrdiff_t conformance_input(const Onnx__GraphProto *g, const char *name)
{
	const char *candidate;
	ptrdiff_t i;

	for (i = 0; (candidate = input_name(g, i)); i++)
		if (!strcmp(candidate, name))
			return i;
	return -1;
}

static Onnx__TensorProto *read_tensor(const char *path, const char *name)
{
	Onnx__TensorProto *t;
	size_t size;
	void *data = conformance_read(path, &size);

	t = data ? onnx__tensor_proto__unpack(NULL, size, data) : NULL;
	free(data);
	if (!t)
		return NULL;
	if (t->name && *t->name)
		free(t->name);
	t->name = strdup(name);
	return t;
}

/*
 * Many vectors feed weights, shapes or axes as inputs. A compiler needs them
 * as constants, which for a network they are: inputs from @first on become
 * initializers with the values of the vector.
 */
void *conformance_with_constants(Onnx__ModelProto *m, const char *folder, size_t first,
				 size_t *size)
{
	Onnx__GraphProto *g = m->graph;
	size_t i, had = g->n_initializer, wanted = 0;
	char path[4096];
	void *bytes;

	while (input_name(g, wanted))
		wanted++;
	g->initializer = realloc(g->initializer, (had + wanted) * sizeof(*g->initializer));
	for (i = wanted; i-- > first;) {
		const char *name = input_name(g, i);
		Onnx__TensorProto *t =
			read_tensor(conformance_path(folder, "input", i, path), name);

		if (t)
			g->initializer[g->n_initializer++] = t;
	}
	*size = onnx__model_proto__get_packed_size(m);
	bytes = malloc(*size ? *size : 1);
	if (bytes)
		onnx__model_proto__pack(m, bytes);
	while (g->n_initializer > had)
		onnx__tensor_proto__free_unpacked(g->initializer[--g->n_initializer], NULL);
	return bytes;
}

/* A vector as the float executor wants it: float, or int64 for every other type. */
void *conformance_values(const char *path, struct keel_tensor *like, struct keel_error *e)
{
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *t;
	void *values = NULL;
	int64_t i, count;

	if (g && !keel_import_tensor(path, g, &t, e)) {
		count = keel_tensor_count(t);
		values = calloc(count + 1, sizeof(int64_t));
		for (i = 0; values && i < count; i++) {
			if (t->type == KEEL_F32)
				((float *)values)[i] = ((float *)t->data)[i];
			else
				((int64_t *)values)[i] = conformance_int(t, i);
		}
		*like = *t;
		like->name = NULL;
		like->data = NULL;
	}
	keel_graph_del(g);
	return values;
}

bool conformance_same_shape(const struct keel_tensor *a, const struct keel_tensor *b)
{
	return a->rank == b->rank && (a->type == KEEL_F32) == (b->type == KEEL_F32) &&
	       !memcmp(a->dims, b->dims, a->rank * sizeof(*a->dims));
}

const char *conformance_case(const char *model, char name[256])
{
	const char *end = strrchr(model, '/'), *begin = end;

	while (begin > model && begin[-1] != '/')
		begin--;
	snprintf(name, 256, "%.*s", (int)(end - begin), begin);
	return name;
}
