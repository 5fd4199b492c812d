/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef OPENCL_RIG_H
#define OPENCL_RIG_H

#include "backend.h"
#include "keel_random.h"

/*
 * Runs command streams on the OpenCL backend, through its table and without a model
 * file, and compares all memory with the reference executor's.
 */

/** struct rig_image - contents of a slot */
struct rig_image {
	uint8_t *data;
	uint64_t bytes, room;
};

/** struct rig_program - commands and the memory they work on
 * @origin: of each command, where its own memory begins in each slot
 */
struct rig_program {
	union keel_command *commands;
	uint32_t n, room;
	uint64_t (*origin)[KEEL_SLOT_COUNT];
	struct rig_image slots[KEEL_SLOT_COUNT];
};

void rig_program_init(struct rig_program *p);
void rig_program_fini(struct rig_program *p);

/** rig_add() - append a command and a copy of its memory, moved to where there is room */
void rig_add(struct rig_program *p, const union keel_command *c,
	     const struct keel_random_memory *m);

/** rig_append() - append bytes to a slot; returns their offset, a multiple of 64 */
uint64_t rig_append(struct rig_program *p, unsigned int slot, const void *data, uint64_t bytes);

/** rig_command() - append a command whose operands are already in the slots */
void rig_command(struct rig_program *p, const union keel_command *c);

/** struct rig_device - an open backend */
struct rig_device {
	struct keel_backend_device *device;
	struct keel_counters counters;
	struct keel_device_info info;
};

/** rig_open() - @tier as in KEEL_OPENCL_TIER, or NULL; 0, or -errno and a sentence on stderr */
int rig_open(struct rig_device *d, const char *tier, uint32_t threads);
void rig_close(struct rig_device *d);

/** rig_tier_supported() - whether this processor can run a tier */
int rig_tier_supported(const char *tier);

/** struct rig_run - a loaded program with buffers */
struct rig_run {
	struct rig_device *device;
	const struct rig_program *program;
	struct keel_model model;
	struct keel_backend_program *loaded;
	struct keel_backend_job *job;
	struct keel_backend_buffer *buffers[KEEL_SLOT_COUNT];
	struct keel_backend_binding bindings[KEEL_SLOT_COUNT];
};

/** rig_load() - everything as in the program's images; aborts on failure */
void rig_load(struct rig_run *r, struct rig_device *d, const struct rig_program *p);
void rig_start(struct rig_run *r, uint32_t first, uint32_t count, int profile);
int rig_wait(struct rig_run *r, struct keel_job_result *result);
void rig_unload(struct rig_run *r);

/** rig_fetch() - contents of a slot */
void rig_fetch(struct rig_run *r, unsigned int slot, uint8_t *data);

/** rig_check() - run all of @p on @d and on the reference; 0 when all bytes are equal
 *
 * Otherwise says on stderr which command, slot and byte come first.
 */
int rig_check(struct rig_device *d, const struct rig_program *p);

#endif
