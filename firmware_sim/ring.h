/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_RING_H
#define KEEL_SIM_RING_H

#include <stdint.h>

#include "keel_hw.h"

/*
 * The firmware's side of the rings in the shared block. The guest can write there whenever it
 * likes: the firmware trusts the indices that it keeps itself, reads the guest's once and
 * compares.
 */

struct sim_npu;

/** struct sim_ring - a ring
 * @entries: bus address of the first entry
 * @indices: bus address of its struct keel_hw_ring
 * @mask: entries - 1
 * @index: the firmware's own: consumed for submit, produced for the others
 */
struct sim_ring {
	uint64_t entries;
	uint64_t indices;
	uint32_t mask;
	uint32_t index;
};

/** sim_ring_take() - next entry of the submit ring
 *
 * Return: 1, 0 when there is none, -EPROTO when the indices or the entry make no sense, -EFAULT
 */
int sim_ring_take(struct sim_npu *npu, struct keel_hw_submit *entry);
/** sim_ring_done() - the entry taken last isn't needed any more; 0 or -EFAULT */
int sim_ring_done(struct sim_npu *npu);
/** sim_ring_complete() - append to the completion ring; waits while the guest leaves no room
 *
 * Return: 0; -EINTR: a reset came; -EPROTO, -EFAULT
 */
int sim_ring_complete(struct sim_npu *npu, const struct keel_hw_completion *entry);

/** sim_log_ring() - append to the log ring, and to the process's own log */
void sim_log_ring(struct sim_npu *npu, enum keel_log_level level, uint32_t seq, const char *fmt,
		  ...) __attribute__((format(printf, 4, 5)));

/** sim_counters_add() - a job's record goes into the counter block
 * @commands: executed completely
 */
void sim_counters_add(struct sim_npu *npu, const struct keel_hw_result *r, uint32_t commands);

/** sim_shared_store() - store a number into the shared block so that all earlier stores are seen
 *	before it
 *
 * Return: 0 or -EFAULT
 */
int sim_shared_store32(struct sim_npu *npu, uint64_t address, uint32_t value);
int sim_shared_store64(struct sim_npu *npu, uint64_t address, uint64_t value);

#endif
