// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "graph_private.h"

/* Where nodes came from, so that reports can speak of the file that the user knows. */

struct keel_origin *keel_graph_add_origin(struct keel_graph *g, const char *name, const char *op)
{
	struct keel_origin *o;

	if (!keel_graph_reserve(&g->origins, &g->priv->cap_origins, g->nr_origins))
		return NULL;
	o = keel_graph_alloc_packed(g, sizeof(*o), _Alignof(struct keel_origin));
	if (!o)
		return NULL;
	o->name = keel_graph_strdup(g, name);
	o->op = keel_graph_strdup(g, op);
	if (!o->name || !o->op)
		return NULL;
	o->id = g->nr_origins;
	g->origins[g->nr_origins++] = o;
	return o;
}

static struct keel_origin **origin_list(struct keel_graph *g, unsigned int nr)
{
	return keel_graph_alloc_packed(g, nr * sizeof(struct keel_origin *),
				       _Alignof(struct keel_origin *));
}

int keel_node_set_origin(struct keel_graph *g, struct keel_node *n, struct keel_origin *origin)
{
	struct keel_origin **list = origin_list(g, 1);

	if (!list)
		return -ENOMEM;
	list[0] = origin;
	n->origins = list;
	n->nr_origins = 1;
	return 0;
}

void keel_node_inherit(struct keel_node *n, const struct keel_node *from)
{
	n->sources = from->sources;
	n->origins = from->origins;
	n->nr_origins = from->nr_origins;
}

static int join_origins(struct keel_graph *g, struct keel_node *into, const struct keel_node *n)
{
	struct keel_origin **list;

	if (!n->nr_origins)
		return 0;
	list = origin_list(g, into->nr_origins + n->nr_origins);
	if (!list)
		return -ENOMEM;
	if (into->nr_origins)
		memcpy(list, into->origins, into->nr_origins * sizeof(*list));
	memcpy(list + into->nr_origins, n->origins, n->nr_origins * sizeof(*list));
	into->origins = list;
	into->nr_origins += n->nr_origins;
	return 0;
}

int keel_node_join(struct keel_graph *g, struct keel_node *into, const struct keel_node *n)
{
	size_t bytes = strlen(into->sources) + strlen(n->sources) + 2;
	char *joined = keel_graph_alloc(g, bytes);

	if (!joined || join_origins(g, into, n))
		return -ENOMEM;
	snprintf(joined, bytes, "%s+%s", into->sources, n->sources);
	into->sources = joined;
	return 0;
}
