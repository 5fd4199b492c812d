/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SLOTS_H
#define KEEL_SLOTS_H

#include "graph.h"
#include "keel_execute.h"

struct keel_lowered;

/*
 * The memory that a lowered network runs in, KEEL_SLOT_COUNT slots, and the
 * values of tensors in it: float in the network's order outside, levels where
 * the commands want them inside.
 */

/** keel_slots_alloc() - zeroed memory for all slots; constants are the network's own
 *
 * Return: 0 or -ENOMEM. keel_slots_free() in any case.
 */
int keel_slots_alloc(const struct keel_lowered *l, struct keel_memory *slots);
void keel_slots_free(struct keel_memory *slots);

/** keel_slots_set_aside() - move the outputs into @aside, which is empty; new memory takes their
 * place
 *
 * Return: 0 or -ENOMEM. keel_slots_free(@aside) in any case.
 */
int keel_slots_set_aside(struct keel_memory *slots, struct keel_memory *aside);

/** keel_slots_write() - quantize a tensor's values into its place */
void keel_slots_write(const struct keel_lowered *l, struct keel_memory *slots,
		      const struct keel_tensor *t, const float *x);

/** keel_slots_read() - the levels of a tensor, in the network's order */
void keel_slots_read(const struct keel_lowered *l, const struct keel_memory *slots,
		     const struct keel_tensor *t, int16_t *levels);

/** keel_slots_compare() - add the energy of @want and that of its difference to the levels */
void keel_slots_compare(const struct keel_lowered *l, const struct keel_memory *slots,
			const struct keel_tensor *t, const float *want, double *signal,
			double *noise);

/** keel_value_of() - the value that a level stands for */
static inline double keel_value_of(const struct keel_quant *q, int level)
{
	return (level - q->zero_point) * q->scale;
}

#endif
