/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_PERF_H
#define KEEL_PERF_H

#include <linux/atomic.h>
#include <linux/types.h>

#include <drm/keel_accel.h>

#include "keel_device.h"
#include "keel_file.h"
#include "keel_hw_counters.h"

struct drm_device;
struct drm_file;
struct keel_hw_result;
struct keel_job;

/* The counter table, totals and counter sets, whether or not the device is up. */

extern const struct drm_keel_counter_info keel_counters[KEEL_HW_COUNTER_COUNT];

/* A counter of the device, and of the file unless that is NULL. Any context. */
static inline void keel_count(struct keel_device *kdev, struct keel_file *kfile,
			      enum keel_hw_counter counter, s64 n)
{
	atomic64_add(n, &kdev->counters[counter]);
	if (kfile)
		atomic64_add(n, &kfile->counters[counter]);
}

int keel_perf_init(struct keel_device *kdev);
int keel_perf_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_perf_query(struct drm_keel_query *query);
void keel_perf_file_fini(struct keel_file *kfile);
u64 keel_scale(u64 n, u32 mul, u32 div);

/* By hw_lock, once for each job that the NPU has run. */
void keel_perf_record(struct keel_job *job, const struct keel_hw_result *result, u32 commands);

/* By reset_lock, before the firmware's counters are lost. */
void keel_perf_fold(struct keel_device *kdev);

/* For those who print them. */
void keel_perf_read_locked(struct keel_device *kdev, u64 *values);
void keel_perf_read(struct keel_device *kdev, u64 *values);
void keel_perf_read_file(struct keel_file *kfile, u64 *values);

#endif
