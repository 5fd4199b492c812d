// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

/* A balanced tree: names come from the file, and a hash could be made to collide. */
struct keel_onnx_names {
	void *root;
};

static int compare(const void *a, const void *b)
{
	const struct keel_onnx_name *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct keel_onnx_names *keel_onnx_names_new(void)
{
	return calloc(1, sizeof(struct keel_onnx_names));
}

void keel_onnx_names_del(struct keel_onnx_names *names)
{
	if (names)
		tdestroy(names->root, free);
	free(names);
}

struct keel_onnx_name *keel_onnx_names_at(struct keel_onnx_names *names, const char *name)
{
	struct keel_onnx_name key = {.name = name}, *entry, **slot;

	slot = tfind(&key, &names->root, compare);
	if (slot)
		return *slot;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return NULL;
	*entry = key;
	if (tsearch(entry, &names->root, compare))
		return entry;
	free(entry);
	return NULL;
}
