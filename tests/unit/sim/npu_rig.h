/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef NPU_RIG_H
#define NPU_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "faults.h"
#include "image.h"
#include "keel_hw.h"
#include "keel_random.h"
#include "npu.h"

/*
 * A guest and its driver in one process with the NPU: no bus, registers are function calls, the
 * guest's memory is two files. Where something fails that should not, the test ends.
 */

/* Bus addresses of the guest's memory. */
#define GUEST_LOW	 0x10000000ull
#define GUEST_LOW_BYTES	 (96ull << 20)
#define GUEST_HIGH	 0x200000000ull
#define GUEST_HIGH_BYTES (96ull << 20)

#define GUEST_ENTRIES 16

/** struct guest_options - what differs from the default: target small, no MMU, two threads */
struct guest_options {
	const char *faults;
	unsigned int mmu_contexts;
	unsigned int threads;
	uint64_t race_seed;
	bool real_time;
	const struct keel_target *target;
};

/** struct guest - guest, driver, NPU
 * @memory: as the NPU sees it
 * @ram: the same as the guest sees it: low, high
 * @fd: their files
 * @next: bytes that have been given out of each
 * @npu: the device
 * @faults: its script
 * @irqs: interrupts so far
 * @gone: it left the bus
 * @shared: bus address of the shared block
 * @s: the same for the guest
 * @submit: the driver's own idea of where the ring is
 * @completion: the same
 * @produced: driver's index of the submit ring
 * @consumed: of the completion ring
 * @seq: last sequence number
 */
struct guest {
	struct sim_memory *memory;
	uint8_t *ram[2];
	int fd[2];
	uint64_t next[2];
	struct sim_npu *npu;
	struct sim_faults *faults;
	atomic_uint irqs;
	atomic_bool gone;
	uint64_t shared;
	struct keel_hw_shared *s;
	struct keel_hw_submit *submit;
	struct keel_hw_completion *completion;
	uint32_t produced, consumed, seq;
};

/* How a slot's memory lies in the guest's. */
enum guest_scatter {
	GUEST_WHOLE,   /* one piece */
	GUEST_SPLIT,   /* several segments side by side */
	GUEST_PAGES,   /* pages in any order, the first one begun in its middle */
	GUEST_CRUMBS,  /* pieces of 64 bytes and more */
	GUEST_SCATTERS /* how many */
};

/** struct guest_job - a job in the guest's memory */
struct guest_job {
	uint64_t address;
	struct keel_hw_job *hw;
	struct keel_hw_result *result;
};

void guest_open(struct guest *r, const struct guest_options *o);
void guest_close(struct guest *r);

/** guest_alloc() - zeroed guest memory; at multiples of @align */
uint64_t guest_alloc(struct guest *r, uint64_t bytes, uint64_t align);
/** guest_reuse() - give all memory out anew but for the shared block's */
void guest_reuse(struct guest *r);
/** guest_at() - where the guest sees a bus address */
void *guest_at(struct guest *r, uint64_t address);

uint32_t guest_read(struct guest *r, enum keel_register reg);
uint64_t guest_read64(struct guest *r, enum keel_register reg);
void guest_write(struct guest *r, enum keel_register reg, uint32_t value);
void guest_write64(struct guest *r, enum keel_register reg, uint64_t value);
/** guest_wait_for() - until a register has a value; false: not within ten seconds */
bool guest_wait_for(struct guest *r, enum keel_register reg, uint32_t value);

/** guest_wait_for_bit() - until a bit of a register is set, as interrupts' are a little after their
 * reason */
bool guest_wait_for_bit(struct guest *r, enum keel_register reg, uint32_t bit);

/** guest_prepare() - put image and shared block into memory, and their addresses into registers */
void guest_prepare(struct guest *r, enum sim_image_defect defect);
/** guest_boot() - all the way up; ends the test when that fails */
void guest_boot(struct guest *r);

/** guest_job() - a job that executes all of a stream, for client 1, with nothing bound */
struct guest_job guest_job(struct guest *r, const union keel_command *commands, uint32_t n);
/** guest_bind() - describe bytes to the NPU as @m, copied from @data unless that is NULL
 * @random: places; may be NULL for GUEST_WHOLE
 */
void guest_bind(struct guest *r, struct keel_hw_memory *m, const void *data, uint64_t bytes,
		enum guest_scatter scatter, struct keel_random *random);
/** guest_fetch() - read what has been bound */
void guest_fetch(struct guest *r, const struct keel_hw_memory *m, void *data);

/** guest_submit() - ring the doorbell; return: sequence number */
uint32_t guest_submit(struct guest *r, const struct guest_job *j);
/** guest_next() - next completion; false: not within @ms */
bool guest_next(struct guest *r, struct keel_hw_completion *c, unsigned int ms);
/** guest_run() - submit and wait; checks sequence number and the record's checksum */
struct keel_hw_completion guest_run(struct guest *r, const struct guest_job *j);

/** guest_program() - a stream of one command and END
 * @commands: room for two
 */
void guest_program(union keel_command *commands, const char *line);

#endif
