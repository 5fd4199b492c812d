/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_HOST_RUN_H
#define KEEL_HOST_RUN_H

#include "emit.h"
#include "keel_execute.h"

/** struct keel_host_run - the host steps of a lowered network, for execution while compiling
 * @x: the steps and their tensors
 * @m: a view of @x, with nothing else in it
 * @offset: by tensor of @m: first byte in the memory of a sample, of those that lie neither in a
 *	slot nor in the host data
 * @bytes: of that memory
 */
struct keel_host_run {
	struct keel_emitted x;
	struct keel_model m;
	uint64_t *offset;
	uint64_t bytes;
};

/** keel_host_run_init() - 0, or a negative errno with a sentence; keel_host_run_free() in any case
 */
int keel_host_run_init(struct keel_host_run *r, const struct keel_lowered *l, struct keel_error *e);
void keel_host_run_free(struct keel_host_run *r);

/** keel_host_run_input() - put the values of an input of the network where steps read them
 * @values: floats or int64, as many as the input has; nothing is done where it lies in a slot
 */
void keel_host_run_input(const struct keel_host_run *r, unsigned int input, const void *values,
			 uint8_t *memory);

/** keel_host_run_at() - do any steps stand in front of @command? */
bool keel_host_run_at(const struct keel_host_run *r, uint32_t command);

/** keel_host_run_steps() - execute those that stand in front of @command, as libkeel does */
void keel_host_run_steps(const struct keel_host_run *r, uint32_t command,
			 const struct keel_memory *slots, uint8_t *memory);

#endif
