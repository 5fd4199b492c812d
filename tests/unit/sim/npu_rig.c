// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../isa_fixture.h"
#include "keel_validate.h"
#include "npu_rig.h"

#define PAGE	     4096u
#define SHARED_BYTES (2 * PAGE + GUEST_ENTRIES * 256)
#define PATIENCE     30000u /* ms; sanitizers are slow */

static const uint64_t base[2] = {GUEST_LOW, GUEST_HIGH};
static const uint64_t size[2] = {GUEST_LOW_BYTES, GUEST_HIGH_BYTES};

static void on_irq(void *bus)
{
	((struct guest *)bus)->irqs++;
}

static void on_gone(void *bus)
{
	((struct guest *)bus)->gone = true;
}

static void open_memory(struct guest *r)
{
	struct sim_region regions[2];
	int i;

	for (i = 0; i < 2; i++) {
		int fd = memfd_create("guest", MFD_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(ftruncate(fd, (off_t)size[i]), 0);
		r->ram[i] = mmap(NULL, size[i], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ck_assert_ptr_ne(r->ram[i], MAP_FAILED);
		r->fd[i] = fd;
		regions[i] = (struct sim_region){base[i], size[i], dup(fd), 0};
	}
	r->memory = sim_memory_new();
	ck_assert_ptr_nonnull(r->memory);
	ck_assert_int_eq(sim_memory_set(r->memory, regions, 2), 0);
}

void guest_open(struct guest *r, const struct guest_options *o)
{
	struct sim_npu_options options = {.irq = on_irq, .gone = on_gone, .bus = r};
	static const struct guest_options none;
	struct keel_error e = {""};

	o = o ? o : &none;
	memset(r, 0, sizeof(*r));
	open_memory(r);
	if (o->faults)
		ck_assert_msg(!sim_faults_parse(o->faults, "test", &r->faults, &e), "%s", e.text);
	ck_assert_int_eq(keel_target_get("small", &options.target, &e), 0);
	if (o->target)
		options.target = *o->target;
	options.mmu_contexts = o->mmu_contexts;
	options.threads = o->threads ? o->threads : 2;
	options.race_seed = o->race_seed;
	options.real_time = o->real_time;
	options.faults = r->faults;
	ck_assert_msg(!sim_npu_new(&options, r->memory, &r->npu, &e), "%s", e.text);
}

void guest_close(struct guest *r)
{
	int i;

	sim_npu_del(r->npu);
	sim_memory_del(r->memory);
	sim_faults_del(r->faults);
	for (i = 0; i < 2; i++) {
		munmap(r->ram[i], size[i]);
		close(r->fd[i]);
	}
}

/* From both files in turn. */
uint64_t guest_alloc(struct guest *r, uint64_t bytes, uint64_t align)
{
	int i = r->next[0] > r->next[1];
	uint64_t at = (r->next[i] + align - 1) / align * align;

	ck_assert_uint_le(at + bytes, size[i]);
	memset(r->ram[i] + at, 0, bytes);
	r->next[i] = at + bytes;
	return base[i] + at;
}

void guest_reuse(struct guest *r)
{
	int i = r->shared >= GUEST_HIGH;

	r->next[i] = r->shared - base[i] + SHARED_BYTES;
	r->next[!i] = 0;
}

void *guest_at(struct guest *r, uint64_t address)
{
	int i = address >= GUEST_HIGH;

	ck_assert_uint_lt(address - base[i], size[i]);
	return r->ram[i] + (address - base[i]);
}

uint32_t guest_read(struct guest *r, enum keel_register reg)
{
	return sim_npu_read(r->npu, reg);
}

uint64_t guest_read64(struct guest *r, enum keel_register reg)
{
	uint64_t low = sim_npu_read(r->npu, reg);

	return low | (uint64_t)sim_npu_read(r->npu, reg + 4) << 32;
}

void guest_write(struct guest *r, enum keel_register reg, uint32_t value)
{
	sim_npu_write(r->npu, reg, value);
}

void guest_write64(struct guest *r, enum keel_register reg, uint64_t value)
{
	sim_npu_write(r->npu, reg, (uint32_t)value);
	sim_npu_write(r->npu, reg + 4, (uint32_t)(value >> 32));
}

static void nap(void)
{
	const struct timespec t = {.tv_nsec = 20000};

	nanosleep(&t, NULL);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool wait_masked(struct guest *r, enum keel_register reg, uint32_t mask, uint32_t value)
{
	uint64_t end = now_ms() + PATIENCE;

	while ((guest_read(r, reg) & mask) != value) {
		if (now_ms() > end)
			return false;
		nap();
	}
	return true;
}

bool guest_wait_for(struct guest *r, enum keel_register reg, uint32_t value)
{
	return wait_masked(r, reg, ~0u, value);
}

bool guest_wait_for_bit(struct guest *r, enum keel_register reg, uint32_t bit)
{
	return wait_masked(r, reg, bit, bit);
}

static uint32_t place_ring(struct keel_hw_ring *ring, uint32_t at, uint32_t entry)
{
	*ring = (struct keel_hw_ring){.offset = at, .entries = GUEST_ENTRIES};
	return at + GUEST_ENTRIES * entry;
}

static void prepare_shared(struct guest *r)
{
	const uint32_t bytes = SHARED_BYTES;
	uint32_t at = (sizeof(*r->s) + 63) / 64 * 64;

	r->shared = guest_alloc(r, bytes, PAGE);
	r->s = guest_at(r, r->shared);
	r->s->magic = KEEL_HW_MAGIC;
	r->s->abi_version = KEEL_HW_ABI_VERSION;
	r->s->bytes = bytes;
	at = place_ring(&r->s->submit, at, sizeof(struct keel_hw_submit));
	at = place_ring(&r->s->completion, at, sizeof(struct keel_hw_completion));
	place_ring(&r->s->log, at, sizeof(struct keel_hw_log));
	r->submit = guest_at(r, r->shared + r->s->submit.offset);
	r->completion = guest_at(r, r->shared + r->s->completion.offset);
	r->produced = 0;
	r->consumed = 0;
	guest_write64(r, KEEL_REG_BOOT_SHARED, r->shared);
}

void guest_prepare(struct guest *r, enum sim_image_defect defect)
{
	size_t bytes;
	uint8_t *image = sim_image_build(defect, &bytes);
	uint64_t at;

	ck_assert_ptr_nonnull(image);
	at = guest_alloc(r, bytes, PAGE);
	memcpy(guest_at(r, at), image, bytes);
	free(image);
	guest_write64(r, KEEL_REG_BOOT_IMAGE, at);
	guest_write(r, KEEL_REG_BOOT_BYTES, (uint32_t)bytes);
	prepare_shared(r);
}

void guest_boot(struct guest *r)
{
	guest_prepare(r, SIM_IMAGE_NONE);
	guest_write(r, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_ALL);
	guest_write(r, KEEL_REG_IRQ_ENABLE, KEEL_IRQ_ALL);
	guest_write(r, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	ck_assert(guest_wait_for(r, KEEL_REG_BOOT_STATUS, KEEL_BOOT_READY));
	/* That of a reset before may come late, too. */
	ck_assert(guest_wait_for_bit(r, KEEL_REG_IRQ_STATUS, KEEL_IRQ_BOOT));
	guest_write(r, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_ALL);
}

/** struct list - a list of segments being made */
struct list {
	struct keel_hw_segment *at;
	uint32_t count, room;
};

static void add_segment(struct list *l, uint64_t address, uint64_t bytes)
{
	ck_assert_uint_lt(l->count, l->room);
	l->at[l->count++] = (struct keel_hw_segment){address, bytes};
}

static uint64_t piece_bytes(uint64_t left, uint32_t i, enum guest_scatter scatter,
			    struct keel_random *random)
{
	uint64_t n = left;

	if (scatter == GUEST_SPLIT)
		n = 64 * (1 + keel_random_below(random, 40));
	if (scatter == GUEST_CRUMBS)
		n = 64 * (1 + keel_random_below(random, 20));
	if (scatter == GUEST_PAGES)
		n = i ? PAGE : PAGE - 64 * keel_random_below(random, 64);
	return n < left ? n : left;
}

static uint64_t piece_address(struct guest *r, uint64_t n, uint32_t i, enum guest_scatter scatter)
{
	uint64_t at;

	/* Holes between pieces, and turns between files, keep pieces apart. */
	if (scatter == GUEST_CRUMBS) {
		guest_alloc(r, 64, 64);
		return guest_alloc(r, n, 64);
	}
	at = guest_alloc(r, 2 * PAGE, PAGE);
	return i ? at : at + PAGE - n;
}

void guest_bind(struct guest *r, struct keel_hw_memory *m, const void *data, uint64_t bytes,
		enum guest_scatter scatter, struct keel_random *random)
{
	struct list l = {.room = (uint32_t)(bytes / 64 + 2)};
	uint64_t done = 0, n, at, whole = 0;
	uint64_t list = guest_alloc(r, l.room * sizeof(*l.at), 8);

	l.at = guest_at(r, list);
	if (scatter == GUEST_WHOLE || scatter == GUEST_SPLIT)
		whole = guest_alloc(r, bytes, KEEL_ALIGN);
	for (; done < bytes; done += n) {
		n = piece_bytes(bytes - done, l.count, scatter, random);
		at = whole ? whole + done : piece_address(r, n, l.count, scatter);
		if (scatter == GUEST_PAGES && !l.count && n == bytes)
			at &= ~(uint64_t)(KEEL_ALIGN - 1);
		if (data)
			memcpy(guest_at(r, at), (const uint8_t *)data + done, n);
		add_segment(&l, at, n);
	}
	*m = (struct keel_hw_memory){.segments = list, .nr_segments = l.count, .bytes = bytes};
}

void guest_fetch(struct guest *r, const struct keel_hw_memory *m, void *data)
{
	const struct keel_hw_segment *s = m->nr_segments ? guest_at(r, m->segments) : NULL;
	uint8_t *to = data;
	uint32_t i;

	for (i = 0; i < m->nr_segments; i++) {
		memcpy(to, guest_at(r, s[i].address), s[i].bytes);
		to += s[i].bytes;
	}
}

struct guest_job guest_job(struct guest *r, const union keel_command *commands, uint32_t n)
{
	struct guest_job j = {.address = guest_alloc(r, sizeof(*j.hw), 64)};
	uint64_t result = guest_alloc(r, sizeof(*j.result), 64);

	j.hw = guest_at(r, j.address);
	j.result = guest_at(r, result);
	guest_bind(r, &j.hw->commands, commands, (uint64_t)n * KEEL_COMMAND_SIZE, GUEST_WHOLE,
		   NULL);
	j.hw->count = n;
	j.hw->client = 1;
	j.hw->result = result;
	return j;
}

uint32_t guest_submit(struct guest *r, const struct guest_job *j)
{
	r->submit[r->produced % GUEST_ENTRIES] =
		(struct keel_hw_submit){.seq = ++r->seq, .job = j->address};
	__atomic_store_n(&r->s->submit.produced, ++r->produced, __ATOMIC_RELEASE);
	guest_write(r, KEEL_REG_DOORBELL, r->produced);
	return r->seq;
}

bool guest_next(struct guest *r, struct keel_hw_completion *c, unsigned int ms)
{
	uint64_t end = now_ms() + ms;

	while (__atomic_load_n(&r->s->completion.produced, __ATOMIC_ACQUIRE) == r->consumed) {
		if (now_ms() > end)
			return false;
		nap();
	}
	*c = r->completion[r->consumed % GUEST_ENTRIES];
	__atomic_store_n(&r->s->completion.consumed, ++r->consumed, __ATOMIC_RELEASE);
	return true;
}

struct keel_hw_completion guest_run(struct guest *r, const struct guest_job *j)
{
	uint32_t seq = guest_submit(r, j);
	struct keel_hw_completion c;

	ck_assert(guest_next(r, &c, PATIENCE));
	ck_assert_uint_eq(c.seq, seq);
	ck_assert_uint_eq(j->result->seq, seq);
	ck_assert_uint_eq(c.result_crc32, keel_crc32(0, j->result, sizeof(*j->result)));
	return c;
}

void guest_program(union keel_command *commands, const char *line)
{
	commands[0] = isa_line(line);
	keel_random_end(commands, 1);
}
