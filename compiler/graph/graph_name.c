// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_private.h"

/* The set of tensor names; it makes "unique in the graph" cheap for large graphs. */

static uint64_t name_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h ^ (h >> 29);
}

static struct keel_graph_name *name_slot(struct keel_graph_name *names, unsigned int cap,
					 const char *name)
{
	unsigned int i = name_hash(name) & (cap - 1);

	while (names[i].name && strcmp(names[i].name, name))
		i = (i + 1) & (cap - 1);
	return &names[i];
}

static int names_grow(struct keel_graph_private *p)
{
	unsigned int i, cap = p->cap_names ? p->cap_names * 2 : 256;
	struct keel_graph_name *names;

	if (p->nr_names < p->cap_names / 2)
		return 0;
	names = calloc(cap, sizeof(*names));
	if (!names)
		return -1;
	for (i = 0; i < p->cap_names; i++)
		if (p->names[i].name)
			*name_slot(names, cap, p->names[i].name) = p->names[i];
	free(p->names);
	p->names = names;
	p->cap_names = cap;
	return 0;
}

static char *name_add(struct keel_graph *g, const char *name)
{
	char *copy = keel_graph_strdup(g, name);

	if (!copy)
		return NULL;
	name_slot(g->priv->names, g->priv->cap_names, name)->name = copy;
	g->priv->nr_names++;
	return copy;
}

char *keel_graph_name_claim(struct keel_graph *g, const char *wanted)
{
	struct keel_graph_private *p = g->priv;
	struct keel_graph_name *slot;
	char *suffixed, *copy = NULL;
	size_t bytes = strlen(wanted) + 12;

	if (names_grow(p))
		return NULL;
	slot = name_slot(p->names, p->cap_names, wanted);
	if (!slot->name)
		return name_add(g, wanted);
	suffixed = malloc(bytes);
	if (!suffixed)
		return NULL;
	do
		snprintf(suffixed, bytes, "%s_%u", wanted, ++slot->next_suffix);
	while (name_slot(p->names, p->cap_names, suffixed)->name);
	copy = name_add(g, suffixed);
	free(suffixed);
	return copy;
}
