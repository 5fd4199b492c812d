// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>
#include <sys/mman.h>

#include "float_private.h"

/*
 * Weights and values in huge pages, where the system grants them: what walks
 * through megabytes looks up fewer addresses, and is fetched ahead farther.
 * What fills none does without: there are networks of one layer by the hundred.
 */

#define PAGE  ((size_t)2 << 20)
#define FIRST (PAGE / 2)
#define CHUNK (8 * PAGE)
#define ALIGN ((size_t)64)

static size_t up(size_t bytes, size_t multiple)
{
	return (bytes + multiple - 1) & ~(multiple - 1);
}

void *keel_float_pages_new(size_t bytes)
{
	void *pages;

	if (bytes > SIZE_MAX - PAGE)
		return NULL;
	if (bytes < PAGE)
		return aligned_alloc(ALIGN, up(bytes + 1, ALIGN));
	bytes = up(bytes + 1, PAGE);
	pages = aligned_alloc(PAGE, bytes);
	/* Only advice: without it, it is slower. */
	if (pages)
		madvise(pages, bytes, MADV_HUGEPAGE);
	return pages;
}

static int chunk_new(struct keel_float_plan *p, size_t bytes)
{
	void *grown = reallocarray(p->chunks, p->nr_chunks + 1, sizeof(*p->chunks));
	size_t least = p->nr_chunks ? CHUNK : FIRST;

	if (!grown)
		return -1;
	p->chunks = grown;
	p->room = bytes > least ? bytes : least;
	p->next = keel_float_pages_new(p->room);
	if (!p->next) {
		p->room = 0;
		return -1;
	}
	p->chunks[p->nr_chunks++] = p->next;
	return 0;
}

/* What is left of a chunk is never touched, and so takes no memory. */
void *keel_float_plan_pages(struct keel_float_plan *p, size_t bytes)
{
	unsigned char *at;

	if (bytes > SIZE_MAX - ALIGN)
		return NULL;
	bytes = up(bytes, ALIGN);
	if (bytes > p->room && chunk_new(p, bytes))
		return NULL;
	at = p->next;
	p->next += bytes;
	p->room -= bytes;
	return at;
}
