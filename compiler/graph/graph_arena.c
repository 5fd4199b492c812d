// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>
#include <string.h>

#include "graph_private.h"

/*
 * Memory of a graph: chunks that are only freed together. Small requests share
 * a chunk; large ones, weights mostly, get one of their own, whose pages calloc
 * leaves untouched until they are written.
 */

#define CHUNK_BYTES (64u << 10)
#define DATA_ALIGN  64u

struct keel_graph_chunk {
	struct keel_graph_chunk *next;
	size_t used, size;
	unsigned char bytes[];
};

static void *chunk_carve(struct keel_graph_chunk *c, size_t bytes, size_t align)
{
	uintptr_t base = (uintptr_t)c->bytes;
	size_t at = ((base + c->used + align - 1) & ~(uintptr_t)(align - 1)) - base;

	if (at > c->size || bytes > c->size - at)
		return NULL;
	c->used = at + bytes;
	return c->bytes + at;
}

static struct keel_graph_chunk *chunk_new(size_t bytes, size_t align)
{
	struct keel_graph_chunk *c;
	size_t size, total;

	if (__builtin_add_overflow(bytes, align, &size))
		return NULL;
	if (size < CHUNK_BYTES / 8)
		size = CHUNK_BYTES;
	if (__builtin_add_overflow(size, sizeof(*c), &total))
		return NULL;
	c = calloc(1, total);
	if (c)
		c->size = size;
	return c;
}

/* A large request goes behind the current chunk, which still has room for small ones. */
static void chunk_link(struct keel_graph_private *p, struct keel_graph_chunk *c)
{
	if (p->chunks && c->size != CHUNK_BYTES) {
		c->next = p->chunks->next;
		p->chunks->next = c;
		return;
	}
	c->next = p->chunks;
	p->chunks = c;
}

void *keel_graph_alloc_packed(struct keel_graph *g, size_t bytes, size_t align)
{
	struct keel_graph_private *p = g->priv;
	struct keel_graph_chunk *c;
	void *at = NULL;

	if (!bytes)
		bytes = 1;
	if (p->chunks)
		at = chunk_carve(p->chunks, bytes, align);
	if (at)
		return at;
	c = chunk_new(bytes, align);
	if (!c)
		return NULL;
	chunk_link(p, c);
	return chunk_carve(c, bytes, align);
}

void *keel_graph_alloc(struct keel_graph *g, size_t bytes)
{
	return keel_graph_alloc_packed(g, bytes, DATA_ALIGN);
}

char *keel_graph_strdup(struct keel_graph *g, const char *s)
{
	size_t bytes = strlen(s) + 1;
	char *copy = keel_graph_alloc_packed(g, bytes, 1);

	return copy ? memcpy(copy, s, bytes) : NULL;
}

void keel_graph_arena_del(struct keel_graph *g)
{
	struct keel_graph_chunk *c = g->priv->chunks;

	while (c) {
		struct keel_graph_chunk *next = c->next;

		free(c);
		c = next;
	}
	g->priv->chunks = NULL;
}
