// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "npu_private.h"
#include "operand.h"
#include "view.h"

/* Segments that are read at a time. */
#define SEGMENTS 64

#define SMALL_PAGE 4096u

/* Private memory longer than this isn't kept. */
#define MOST_KEPT (256ull << 20)

/** struct search - what is being looked up
 * @npu: whose memory it is
 * @context: of the MMU, or NULL
 * @v: result so far
 * @need: bytes that are wanted
 * @write: some are written
 */
struct search {
	struct sim_npu *npu;
	const struct sim_context *context;
	struct sim_view *v;
	uint64_t need;
	bool write;
};

/** struct step - a contiguous piece on the way */
struct step {
	uint8_t *host;
	uint64_t address;
	uint64_t bytes;
};

static void limit(struct sim_limit *l, uint64_t bytes, enum keel_hw_status status, uint64_t address)
{
	if (!l->status)
		*l = (struct sim_limit){bytes, status, address};
}

/* All of it if one region has it, else what is left of its page. */
static int find_host(struct search *s, struct step *step)
{
	step->host = sim_memory_at(s->npu->memory, step->address, step->bytes);
	if (step->host)
		return 0;
	if (step->bytes > SMALL_PAGE - step->address % SMALL_PAGE)
		step->bytes = SMALL_PAGE - step->address % SMALL_PAGE;
	step->host = sim_memory_at(s->npu->memory, step->address, step->bytes);
	return step->host ? 0 : -EFAULT;
}

static enum keel_hw_status find(struct search *s, uint64_t address, uint64_t bytes,
				struct step *step)
{
	struct sim_translation t;

	*step = (struct step){.address = address, .bytes = bytes};
	if (s->context) {
		if (sim_mmu_walk(s->npu->memory, s->context, address, &t))
			return KEEL_HW_TRANSLATION;
		step->address = t.address;
		step->bytes = t.bytes < bytes ? t.bytes : bytes;
		if (!t.writable && s->write)
			limit(&s->v->write, s->v->read.bytes, KEEL_HW_TRANSLATION, address);
	}
	return find_host(s, step) ? KEEL_HW_BUS_ERROR : KEEL_HW_DONE;
}

static int grow(struct sim_view *v)
{
	uint32_t room = v->room ? v->room * 2 : 16;
	struct sim_piece *p;

	if (v->nr_pieces < v->room)
		return 0;
	p = realloc(v->pieces, room * sizeof(*p));
	if (!p)
		return -ENOMEM;
	v->pieces = p;
	v->room = room;
	return 0;
}

/* Neighbours in one region become one piece. */
static int append(struct search *s, const struct step *step)
{
	struct sim_view *v = s->v;
	struct sim_piece *last = v->nr_pieces ? &v->pieces[v->nr_pieces - 1] : NULL;

	if (last && last->address + last->bytes == step->address &&
	    sim_memory_at(s->npu->memory, last->address, last->bytes + step->bytes)) {
		last->bytes += step->bytes;
	} else {
		if (grow(v))
			return -ENOMEM;
		v->pieces[v->nr_pieces++] =
			(struct sim_piece){step->host, step->address, v->read.bytes, step->bytes};
	}
	v->read.bytes += step->bytes;
	return 0;
}

/* Return: 0, also when an obstacle ends the view; -ENOMEM; -EINTR */
static int add_segment(struct search *s, uint64_t address, uint64_t bytes)
{
	struct sim_view *v = s->v;
	enum keel_hw_status status;
	struct step step;

	if (bytes > s->need - v->read.bytes)
		bytes = s->need - v->read.bytes;
	while (bytes) {
		if (s->npu->abort)
			return -EINTR;
		status = find(s, address, bytes, &step);
		if (status) {
			limit(&v->read, v->read.bytes, status, address);
			return 0;
		}
		if (append(s, &step))
			return -ENOMEM;
		address += step.bytes;
		bytes -= step.bytes;
	}
	return 0;
}

/* Looks at as many segments as are needed; those behind are nobody's business. */
static int add_segments(struct search *s, const struct keel_hw_memory *m)
{
	struct keel_hw_segment segments[SEGMENTS];
	uint64_t total = 0;
	uint32_t i, n, k;
	int err;

	for (i = 0; i < m->nr_segments && total < s->need; i += n) {
		n = m->nr_segments - i < SEGMENTS ? m->nr_segments - i : SEGMENTS;
		if (sim_memory_read(s->npu->memory, m->segments + i * sizeof(*segments), segments,
				    n * sizeof(*segments)))
			return -EFAULT;
		for (k = 0; k < n && total < s->need && !s->v->read.status; k++) {
			if (!segments[k].bytes || segments[k].bytes > m->bytes - total ||
			    segments[k].address + segments[k].bytes < segments[k].address)
				return -EINVAL;
			err = add_segment(s, segments[k].address, segments[k].bytes);
			if (err)
				return err;
			total += segments[k].bytes;
		}
		if (s->v->read.status)
			return 0;
	}
	return total < s->need ? -EINVAL : 0;
}

static uint8_t *map_copies(uint64_t bytes)
{
	/* Costs nothing until it is touched. */
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void sim_copies_drop(struct sim_copies *c)
{
	if (c->base)
		munmap(c->base, c->bytes);
	*c = (struct sim_copies){0};
}

static uint8_t *kept_copies(struct sim_copies *c, uint64_t bytes)
{
	if (c->bytes >= bytes)
		return c->base;
	sim_copies_drop(c);
	c->base = map_copies(bytes);
	c->bytes = c->base ? bytes : 0;
	return c->base;
}

static int make_contiguous(struct sim_view *v, struct sim_copies *copies)
{
	if (!v->nr_pieces)
		return 0;
	if (v->nr_pieces == 1 && (uintptr_t)v->pieces[0].host % KEEL_ALIGN == 0) {
		v->base = v->pieces[0].host;
		return 0;
	}
	v->fetched = true;
	v->own = !copies || v->read.bytes > MOST_KEPT;
	v->base = v->own ? map_copies(v->read.bytes) : kept_copies(copies, v->read.bytes);
	return v->base ? 0 : -ENOMEM;
}

static void set_limits(struct search *s, const struct sim_view_request *r)
{
	struct sim_view *v = s->v;

	if (!v->read.status)
		v->read.status = r->need > r->memory->bytes ? KEEL_HW_OUT_OF_SLOT : KEEL_HW_DONE;
	if (!v->write.status)
		v->write = v->read;
}

int sim_view_open(struct sim_npu *npu, const struct sim_view_request *r, struct sim_view *v)
{
	struct search s = {
		.npu = npu,
		.v = v,
		.need = r->need < r->memory->bytes ? r->need : r->memory->bytes,
		.write = r->write,
	};
	struct sim_context context;
	int err;

	memset(v, 0, sizeof(*v));
	if (r->space) {
		pthread_mutex_lock(&npu->lock);
		context = npu->contexts[r->space - 1];
		pthread_mutex_unlock(&npu->lock);
		s.context = &context;
	}
	err = add_segments(&s, r->memory);
	if (!err)
		err = make_contiguous(v, r->copies);
	if (err) {
		sim_view_close(v);
		return err;
	}
	set_limits(&s, r);
	return 0;
}

void sim_view_close(struct sim_view *v)
{
	if (v->own && v->base)
		munmap(v->base, v->read.bytes);
	free(v->pieces);
	memset(v, 0, sizeof(*v));
}

bool sim_view_is_there(struct sim_npu *npu, const struct sim_view *v)
{
	uint32_t i;

	for (i = 0; i < v->nr_pieces; i++)
		if (!sim_memory_at(npu->memory, v->pieces[i].address, v->pieces[i].bytes))
			return false;
	return true;
}

/** struct transfer - bytes on their way between a view's copies and the memory */
struct transfer {
	const struct sim_view *v;
	bool store;
};

static const struct sim_piece *piece_at(const struct sim_view *v, uint64_t offset)
{
	uint32_t lo = 0, hi = v->nr_pieces;

	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;

		if (v->pieces[mid].offset <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return &v->pieces[lo];
}

static void transfer_run(void *context, uint64_t offset, uint64_t bytes)
{
	const struct transfer *t = context;
	const struct sim_piece *p = piece_at(t->v, offset);

	while (bytes) {
		uint64_t inside = offset - p->offset;
		uint64_t n = p->bytes - inside < bytes ? p->bytes - inside : bytes;
		uint8_t *ours = t->v->base + offset;

		memcpy(t->store ? p->host + inside : ours, t->store ? ours : p->host + inside, n);
		offset += n;
		bytes -= n;
		p++;
	}
}

void sim_view_fetch(const struct sim_view *v, const struct keel_operand *o)
{
	struct transfer t = {v, false};

	if (v->fetched)
		sim_operand_runs(o, transfer_run, &t);
}

void sim_view_store(const struct sim_view *v, const struct keel_operand *o)
{
	struct transfer t = {v, true};

	if (v->fetched)
		sim_operand_runs(o, transfer_run, &t);
}

void sim_view_store_all(const struct sim_view *v, uint64_t bytes)
{
	struct transfer t = {v, true};

	if (v->fetched && bytes)
		transfer_run(&t, 0, bytes);
}
