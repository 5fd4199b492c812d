/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_PERF_H
#define KEEL_PERF_H

#include <linux/types.h>

#include <drm/keel_accel.h>

#include "keel_hw_counters.h"

/* Counters for those who print them. */

struct keel_device;
struct keel_file;

extern const struct drm_keel_counter_info keel_counters[KEEL_HW_COUNTER_COUNT];

void keel_perf_read_locked(struct keel_device *kdev, u64 *values);
void keel_perf_read(struct keel_device *kdev, u64 *values);
void keel_perf_read_file(struct keel_file *kfile, u64 *values);

#endif
