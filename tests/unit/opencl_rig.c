// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "opencl_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/opencl/opencl.h"
#include "keel_disassemble.h"

static void die(const char *what, const struct keel_error *e)
{
	fprintf(stderr, "%s: %s\n", what, e->text);
	abort();
}

void rig_program_init(struct rig_program *p)
{
	memset(p, 0, sizeof(*p));
}

void rig_program_fini(struct rig_program *p)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		free(p->slots[i].data);
	free(p->commands);
	free(p->origin);
	memset(p, 0, sizeof(*p));
}

uint64_t rig_append(struct rig_program *p, unsigned int slot, const void *data, uint64_t bytes)
{
	struct rig_image *s = &p->slots[slot];
	uint64_t at = (s->bytes + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN, end = at + bytes;

	if (end > s->room) {
		s->room = end * 2;
		s->data = realloc(s->data, s->room);
	}
	memset(s->data + s->bytes, 0, at - s->bytes);
	if (data)
		memcpy(s->data + at, data, bytes);
	else
		memset(s->data + at, 0, bytes);
	s->bytes = end;
	return at;
}

void rig_command(struct rig_program *p, const union keel_command *c)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 64;
		p->commands = realloc(p->commands, p->room * sizeof(*p->commands));
		p->origin = realloc(p->origin, p->room * sizeof(*p->origin));
	}
	p->commands[p->n] = *c;
	memset(p->origin[p->n], 0, sizeof(p->origin[p->n]));
	p->n++;
}

static void move_fm(struct keel_fm *fm, const uint64_t *origin)
{
	fm->offset += (uint32_t)origin[fm->slot];
}

static void move_mac(struct keel_cmd_mac *m, const uint64_t *origin)
{
	move_fm(&m->ifm, origin);
	move_fm(&m->ofm, origin);
	move_fm(&m->ifm2, origin);
	m->weights_offset += (uint32_t)origin[m->weights_slot];
	m->channels_offset += (uint32_t)origin[m->channels_slot];
	m->table_offset += (uint32_t)origin[m->table_slot];
	m->psum_offset += (uint32_t)origin[m->psum_slot];
}

static void move_command(union keel_command *c, const uint64_t *origin)
{
	switch (keel_command_desc(c->h.opcode)->layout) {
	case KEEL_LAYOUT_ID_COPY:
		c->copy.src_offset += (uint32_t)origin[c->copy.src_slot];
		c->copy.dst_offset += (uint32_t)origin[c->copy.dst_slot];
		break;
	case KEEL_LAYOUT_ID_WEIGHTS:
		c->weights.src_offset += (uint32_t)origin[c->weights.src_slot];
		c->weights.dst_offset += (uint32_t)origin[c->weights.dst_slot];
		break;
	case KEEL_LAYOUT_ID_MAC:
		move_mac(&c->mac, origin);
		break;
	case KEEL_LAYOUT_ID_ELTWISE:
		move_fm(&c->eltwise.ifm, origin);
		move_fm(&c->eltwise.ofm, origin);
		move_fm(&c->eltwise.ifm2, origin);
		break;
	case KEEL_LAYOUT_ID_UNARY:
		move_fm(&c->unary.ifm, origin);
		move_fm(&c->unary.ofm, origin);
		c->unary.table_offset += (uint32_t)origin[c->unary.table_slot];
		break;
	case KEEL_LAYOUT_ID_POOL:
	case KEEL_LAYOUT_ID_RESIZE:
	case KEEL_LAYOUT_ID_REDUCE:
	case KEEL_LAYOUT_ID_TRANSPOSE:
		move_fm(&c->pool.ifm, origin);
		move_fm(&c->pool.ofm, origin);
		break;
	default:
		break;
	}
}

void rig_add(struct rig_program *p, const union keel_command *c, const struct keel_random_memory *m)
{
	uint64_t origin[KEEL_SLOT_COUNT] = {0};
	union keel_command moved = *c;
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (m->slots[i].bytes)
			origin[i] = rig_append(p, i, m->slots[i].base,
					       m->slots[i].bytes + KEEL_RANDOM_GUARD);
	move_command(&moved, origin);
	rig_command(p, &moved);
	memcpy(p->origin[p->n - 1], origin, sizeof(origin));
}

int rig_open(struct rig_device *d, const char *tier, uint32_t threads)
{
	const struct keel_device_options options = {.threads = threads};
	struct keel_error e = {""};
	int r;

	if (tier)
		setenv("KEEL_OPENCL_TIER", tier, 1);
	memset(d, 0, sizeof(*d));
	r = keel_backend_opencl.open(&options, &d->counters, &d->device, &e);
	if (r)
		fprintf(stderr, "%s\n", e.text);
	else
		keel_backend_opencl.get_info(d->device, &d->info);
	return r;
}

void rig_close(struct rig_device *d)
{
	keel_backend_opencl.close(d->device);
}

int rig_tier_supported(const char *tier)
{
	const struct keel_cl_tier *t = keel_cl_tier_find(tier);

	return !strcmp(tier, "portable") || (t && t->supported());
}

static void make_model(struct rig_run *r)
{
	const struct rig_program *p = r->program;
	unsigned int i;

	memset(&r->model, 0, sizeof(r->model));
	r->model.commands = p->commands;
	r->model.nr_commands = p->n;
	r->model.constants = p->slots[KEEL_SLOT_CONSTANTS].data;
	r->model.constants_bytes = p->slots[KEEL_SLOT_CONSTANTS].bytes;
	r->model.scratch_bytes = p->slots[KEEL_SLOT_SCRATCH].bytes;
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		r->model.info.need[i] = p->slots[i].bytes;
}

static void make_buffer(struct rig_run *r, unsigned int slot)
{
	const struct rig_image *s = &r->program->slots[slot];
	const struct keel_backend *b = &keel_backend_opencl;
	struct keel_error e;
	void *data = NULL;

	if (b->buffer_new(r->device->device, s->bytes, NULL, &r->buffers[slot], &e) ||
	    b->buffer_map(r->buffers[slot], KEEL_MAP_WRITE, &data, &e))
		die("buffer", &e);
	memcpy(data, s->data, s->bytes);
	if (b->buffer_unmap(r->buffers[slot], &e))
		die("buffer", &e);
	r->bindings[slot] = (struct keel_backend_binding){r->buffers[slot], 0, s->bytes};
}

static void fill_private(struct rig_run *r, unsigned int slot)
{
	const struct rig_image *s = &r->program->slots[slot];
	struct keel_error e;

	if (s->bytes && keel_backend_opencl.job_access(r->job, slot, 0, s->bytes, s->data, 1, &e))
		die("scratch", &e);
}

void rig_load(struct rig_run *r, struct rig_device *d, const struct rig_program *p)
{
	const struct keel_backend *b = &keel_backend_opencl;
	struct keel_error e;
	unsigned int i;

	memset(r, 0, sizeof(*r));
	r->device = d;
	r->program = p;
	make_model(r);
	if (b->program_new(d->device, &r->model, &r->loaded, &e) ||
	    b->job_new(r->loaded, KEEL_PRIORITY_NORMAL, &r->job, &e))
		die("load", &e);
	for (i = KEEL_SLOT_INPUT; i < KEEL_SLOT_SRAM; i++)
		if (p->slots[i].bytes)
			make_buffer(r, i);
	fill_private(r, KEEL_SLOT_SCRATCH);
	fill_private(r, KEEL_SLOT_SRAM);
}

void rig_start(struct rig_run *r, uint32_t first, uint32_t count, int profile)
{
	const struct keel_backend_range range = {r->bindings, first, count, profile};
	struct keel_error e;

	if (keel_backend_opencl.job_submit(r->job, &range, &e))
		die("submit", &e);
}

int rig_wait(struct rig_run *r, struct keel_job_result *result)
{
	struct keel_error e = {""};

	memset(result, 0, sizeof(*result));
	if (keel_backend_opencl.job_wait(r->job, UINT64_MAX, result, &e))
		die("wait", &e);
	return result->status;
}

void rig_unload(struct rig_run *r)
{
	unsigned int i;

	keel_backend_opencl.job_del(r->job);
	keel_backend_opencl.program_del(r->loaded);
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (r->buffers[i])
			keel_backend_opencl.buffer_del(r->buffers[i]);
}

void rig_fetch(struct rig_run *r, unsigned int slot, uint8_t *data)
{
	const struct rig_image *s = &r->program->slots[slot];
	const struct keel_backend *b = &keel_backend_opencl;
	struct keel_error e;
	void *mapped;

	if (slot == KEEL_SLOT_SCRATCH || slot == KEEL_SLOT_SRAM) {
		if (b->job_access(r->job, slot, 0, s->bytes, data, 0, &e))
			die("scratch", &e);
	} else if (slot != KEEL_SLOT_CONSTANTS) {
		if (b->buffer_map(r->buffers[slot], KEEL_MAP_READ, &mapped, &e))
			die("buffer", &e);
		memcpy(data, mapped, s->bytes);
		if (b->buffer_unmap(r->buffers[slot], &e))
			die("buffer", &e);
	} else {
		memcpy(data, s->data, s->bytes);
	}
}

/* The last command that has its memory at or before @offset of @slot. */
static void report(struct rig_run *r, unsigned int slot, uint64_t offset, uint8_t want, uint8_t got)
{
	const struct rig_program *p = r->program;
	uint32_t i, at = 0;
	char text[2048];

	for (i = 0; i < p->n; i++)
		if (p->origin[i][slot] <= offset && p->origin[i][slot] >= p->origin[at][slot])
			at = i;
	keel_disassemble(&p->commands[at], text, sizeof(text));
	fprintf(stderr,
		"%s: command %u: slot %u byte %llu (%llu of the command's): %u instead of %u\n%s\n",
		r->device->info.tier, at, slot, (unsigned long long)offset,
		(unsigned long long)(offset - p->origin[at][slot]), got, want, text);
}

static int compare(struct rig_run *r, const struct keel_memory *want)
{
	unsigned int i;
	uint64_t k;
	int differ = 0;

	for (i = 0; i < KEEL_SLOT_COUNT && !differ; i++) {
		uint8_t *got = malloc(want[i].bytes + 1);

		if (want[i].bytes)
			rig_fetch(r, i, got);
		differ = want[i].bytes && memcmp(got, want[i].base, want[i].bytes);
		for (k = 0; differ && got[k] == want[i].base[k]; k++)
			;
		if (differ)
			report(r, i, k, want[i].base[k], got[k]);
		free(got);
	}
	return differ;
}

static void run_reference(const struct rig_program *p, struct keel_memory *memory)
{
	uint32_t i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		memory[i] = (struct keel_memory){NULL, p->slots[i].bytes};
		if (!memory[i].bytes)
			continue;
		memory[i].base = aligned_alloc(KEEL_ALIGN, (memory[i].bytes + 63) / 64 * 64);
		memcpy(memory[i].base, p->slots[i].data, memory[i].bytes);
	}
	for (i = 0; i < p->n; i++)
		keel_execute(&p->commands[i], memory);
}

int rig_check(struct rig_device *d, const struct rig_program *p)
{
	struct keel_memory want[KEEL_SLOT_COUNT];
	struct keel_job_result result;
	struct rig_run r;
	unsigned int i;
	int differ;

	rig_load(&r, d, p);
	rig_start(&r, 0, p->n, 0);
	run_reference(p, want);
	differ = rig_wait(&r, &result);
	differ = differ ? differ : compare(&r, want);
	rig_unload(&r);
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		free(want[i].base);
	return differ;
}
