/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_KUNIT_H
#define KEEL_KUNIT_H

#include <linux/types.h>

/* Decisions that unit tests can ask for. */

struct keel_device;

/* keel_dump.c */
u32 keel_core_window(u32 commands, u32 bad, u32 *first);

/* keel_reset.c; by reset_lock */
bool keel_recover_front_hangs(struct keel_device *kdev);

/* keel_perf.c */
u64 keel_perf_add(u64 *last, u64 now);

#endif
