// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters: one table, totals of device and files, counter sets.
 *
 * What the firmware counts is in the shared block, since its last boot. Whenever somebody looks,
 * and before a boot sets it back, what came in since the last look is added to
 * keel_device.counters, so those only grow. A client's share is added up from the result records of
 * its jobs.
 */
#include <linux/capability.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_managed.h>

#include "keel_device.h"
#include "keel_file.h"
#include "keel_fw.h"
#include "keel_job.h"
#include "keel_kunit.h"
#include "keel_perf.h"
#include "keel_rules.h"

/* Looks at a block that the firmware is writing, until one is let go. */
#define KEEL_PERF_TRIES 16

static_assert(KEEL_HW_GAUGE == DRM_KEEL_COUNTER_GAUGE);
static_assert(KEEL_HW_CLIENT == DRM_KEEL_COUNTER_CLIENT);

const struct drm_keel_counter_info keel_counters[KEEL_HW_COUNTER_COUNT] = {
#define KEEL_ROW(NAME, name_, unit_, category_, source, flags_, text) \
	[KEEL_HW_COUNTER_##NAME] = {                                  \
		.id = KEEL_HW_COUNTER_##NAME,                         \
		.flags = flags_,                                      \
		.name = #name_,                                       \
		.unit = unit_,                                        \
		.category = category_,                                \
		.description = text,                                  \
	},
	KEEL_HW_COUNTERS(KEEL_ROW)
#undef KEEL_ROW
};

static const bool by_firmware[KEEL_HW_COUNTER_COUNT] = {
#define KEEL_ROW(NAME, name, unit, category, source, flags, text) \
	[KEEL_HW_COUNTER_##NAME] = KEEL_HW_COUNTED_BY_##source == KEEL_HW_COUNTED_BY_FIRMWARE,
	KEEL_HW_COUNTERS(KEEL_ROW)
#undef KEEL_ROW
};

/**
 * struct keel_perf - what was seen of the firmware's counters
 * @last: values at the last look since the boot
 *
 * Protected by keel_device.hw_lock.
 */
struct keel_perf {
	u64 last[KEEL_HW_COUNTER_COUNT];
};

/**
 * struct keel_perf_set - a counter set
 * @scope: enum drm_keel_perf_scope
 * @base: values when it was opened
 */
struct keel_perf_set {
	u32 scope;
	u64 base[KEEL_HW_COUNTER_COUNT];
};

/**
 * keel_perf_init() - before anything is counted
 * @kdev: device
 *
 * Return: 0 or -ENOMEM.
 */
int keel_perf_init(struct keel_device *kdev)
{
	kdev->perf = drmm_kzalloc(&kdev->drm, sizeof(struct keel_perf), GFP_KERNEL);
	return kdev->perf ? 0 : -ENOMEM;
}

/* A copy of the block that is no mixture of two updates. */
static bool keel_perf_copy(const struct keel_hw_shared *block, u64 *values)
{
	unsigned int try, i;
	u64 seq;

	for (try = 0; try < KEEL_PERF_TRIES; try++) {
		seq = le64_to_cpu(READ_ONCE(block->counter_seq));
		dma_rmb();
		for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
			values[i] = le64_to_cpu(READ_ONCE(block->counters[i]));
		dma_rmb();
		if (!(seq & 1) && seq == le64_to_cpu(READ_ONCE(block->counter_seq)))
			return true;
		cpu_relax();
	}
	return false;
}

/**
 * keel_perf_add() - what came in between two looks at one counter
 * @last: value at the last look; becomes @now
 * @now: value now
 *
 * The firmware isn't trusted: a counter that went back counts nothing.
 *
 * Return: how much to add.
 */
u64 keel_perf_add(u64 *last, u64 now)
{
	u64 more = now > *last ? now - *last : 0;

	*last = now;
	return more;
}

static void keel_perf_look(struct keel_device *kdev)
{
	struct keel_perf *perf = kdev->perf;
	u64 values[KEEL_HW_COUNTER_COUNT];
	unsigned int i;

	lockdep_assert_held(&kdev->hw_lock);
	if (!kdev->fw.shared.cpu || !keel_perf_copy(kdev->fw.block, values))
		return;
	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		if (by_firmware[i])
			atomic64_add(keel_perf_add(&perf->last[i], values[i]), &kdev->counters[i]);
}

/**
 * keel_perf_fold() - keep what the firmware has counted before it is lost
 * @kdev: device
 *
 * The block is cleared, so nothing is counted twice when it is looked at before the next boot.
 */
void keel_perf_fold(struct keel_device *kdev)
{
	struct keel_perf *perf = kdev->perf;
	unsigned long flags;

	if (!perf)
		return;
	spin_lock_irqsave(&kdev->hw_lock, flags);
	keel_perf_look(kdev);
	memset(perf->last, 0, sizeof(perf->last));
	if (kdev->fw.shared.cpu)
		memset(kdev->fw.block->counters, 0, sizeof(kdev->fw.block->counters));
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
}

/* Busy cycles in ns at the clock of the moment; the result is as trustworthy as the record. */
static u64 keel_perf_ns(u64 cycles, u32 khz)
{
	return khz ? keel_scale(cycles, USEC_PER_SEC, khz) : 0;
}

/**
 * keel_scale() - @n * @mul / @div, for numbers of the firmware
 * @n: any
 * @mul: not 0
 * @div: not 0
 *
 * mul_u64_u64_div_u64() and its kind trap on some processors when the quotient doesn't fit.
 *
 * Return: quotient, or the largest number
 */
u64 keel_scale(u64 n, u32 mul, u32 div)
{
	u32 rest;
	u64 whole = div_u64_rem(n, div, &rest);

	return keel_add_sat(keel_mul_sat(whole, mul), div_u64((u64)rest * mul, div));
}

/**
 * keel_perf_record() - add a job's result record to its client's counters
 * @job: job that the NPU has run
 * @result: its record, checked
 * @commands: that it has executed completely
 */
void keel_perf_record(struct keel_job *job, const struct keel_hw_result *result, u32 commands)
{
	atomic64_t *counters = job->kfile->counters;
	unsigned int i;

	lockdep_assert_held(&job->kdev->hw_lock);
	atomic64_add(commands, &counters[KEEL_HW_COUNTER_COMMANDS]);
	atomic64_add(le64_to_cpu(result->cycles), &counters[KEEL_HW_COUNTER_CYCLES]);
	atomic64_add(le64_to_cpu(result->macs), &counters[KEEL_HW_COUNTER_MACS]);
	atomic64_add(le64_to_cpu(result->bytes_read), &counters[KEEL_HW_COUNTER_BYTES_READ]);
	atomic64_add(le64_to_cpu(result->bytes_written), &counters[KEEL_HW_COUNTER_BYTES_WRITTEN]);
	atomic64_add(le64_to_cpu(result->scrubbed), &counters[KEEL_HW_COUNTER_SCRUBBED_BYTES]);
	for (i = 0; i < KEEL_STALL_COUNT; i++)
		atomic64_add(le64_to_cpu(result->stall[i]),
			     &counters[KEEL_HW_COUNTER_STALL_WEIGHT + i]);
	for (i = 0; i < KEEL_ENGINE_COUNT; i++) {
		u64 busy = le64_to_cpu(result->busy[i]);

		atomic64_add(busy, &counters[KEEL_HW_COUNTER_BUSY_DMA + i]);
		atomic64_add(keel_perf_ns(busy, job->kdev->info.clock_now_khz),
			     &job->kfile->busy_ns[i]);
	}
}

/**
 * keel_perf_read_locked() - values of all counters; by hw_lock
 * @kdev: device
 * @values: by enum keel_hw_counter
 */
void keel_perf_read_locked(struct keel_device *kdev, u64 *values)
{
	unsigned int i;

	if (kdev->state == KEEL_STATE_READY)
		keel_perf_look(kdev);
	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		values[i] = atomic64_read(&kdev->counters[i]);
}

/**
 * keel_perf_read() - values of all counters
 * @kdev: device
 * @values: by enum keel_hw_counter
 */
void keel_perf_read(struct keel_device *kdev, u64 *values)
{
	unsigned long flags;

	spin_lock_irqsave(&kdev->hw_lock, flags);
	keel_perf_read_locked(kdev, values);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
}

/**
 * keel_perf_read_file() - values of all counters for one client; 0 where there are none
 * @kfile: the client
 * @values: by enum keel_hw_counter
 */
void keel_perf_read_file(struct keel_file *kfile, u64 *values)
{
	unsigned int i;

	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		values[i] = keel_counters[i].flags & DRM_KEEL_COUNTER_CLIENT
				    ? atomic64_read(&kfile->counters[i])
				    : 0;
}

static void keel_perf_read_scope(struct keel_file *kfile, u32 scope, u64 *values)
{
	if (scope == DRM_KEEL_PERF_GLOBAL)
		keel_perf_read(kfile->kdev, values);
	else
		keel_perf_read_file(kfile, values);
}

static int keel_perf_open(struct keel_file *kfile, struct drm_keel_perf *args)
{
	struct keel_perf_set *set;
	int err;

	if (args->scope > DRM_KEEL_PERF_GLOBAL || args->handle || args->count || args->values)
		return -EINVAL;
	if (args->scope == DRM_KEEL_PERF_GLOBAL && !perfmon_capable())
		return -EACCES;
	set = kzalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return -ENOMEM;
	set->scope = args->scope;
	keel_perf_read_scope(kfile, set->scope, set->base);
	err = xa_alloc(&kfile->perfs, &args->handle, set, XA_LIMIT(1, DRM_KEEL_MAX_PERF),
		       GFP_KERNEL);
	if (err)
		kfree(set);
	return err == -EBUSY ? -ENOSPC : err;
}

static int keel_perf_read_set(struct keel_file *kfile, struct drm_keel_perf *args)
{
	u64 values[KEEL_HW_COUNTER_COUNT];
	u32 n = min_t(u32, args->count, KEEL_HW_COUNTER_COUNT);
	struct keel_perf_set copy, *set;
	unsigned int i;

	if (args->scope)
		return -EINVAL;
	/* A copy, since another thread may close the set at any time. */
	xa_lock(&kfile->perfs);
	set = xa_load(&kfile->perfs, args->handle);
	if (set)
		copy = *set;
	xa_unlock(&kfile->perfs);
	if (!set)
		return -ENOENT;
	keel_perf_read_scope(kfile, copy.scope, values);
	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		if (!(keel_counters[i].flags & DRM_KEEL_COUNTER_GAUGE))
			values[i] -= copy.base[i];
	args->count = KEEL_HW_COUNTER_COUNT;
	return copy_to_user(u64_to_user_ptr(args->values), values, n * sizeof(*values)) ? -EFAULT
											: 0;
}

static int keel_perf_close(struct keel_file *kfile, const struct drm_keel_perf *args)
{
	struct keel_perf_set *set;

	if (args->scope || args->count || args->values)
		return -EINVAL;
	set = xa_erase(&kfile->perfs, args->handle);
	if (!set)
		return -ENOENT;
	kfree(set);
	return 0;
}

/**
 * keel_perf_ioctl() - DRM_IOCTL_KEEL_PERF
 * @drm: device
 * @data: struct drm_keel_perf
 * @file: caller's
 *
 * Return: as the uapi says.
 */
int keel_perf_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct keel_file *kfile = file->driver_priv;
	struct drm_keel_perf *args = data;

	switch (args->op) {
	case DRM_KEEL_PERF_OPEN:
		return keel_perf_open(kfile, args);
	case DRM_KEEL_PERF_READ:
		return keel_perf_read_set(kfile, args);
	case DRM_KEEL_PERF_CLOSE:
		return keel_perf_close(kfile, args);
	}
	return -EINVAL;
}

/**
 * keel_perf_query() - DRM_KEEL_QUERY_COUNTERS: the table
 * @query: the caller's; @size becomes what there is to be had
 *
 * Return: 0 or -EFAULT.
 */
int keel_perf_query(struct drm_keel_query *query)
{
	u32 size = min_t(u32, query->size, sizeof(keel_counters));

	query->size = sizeof(keel_counters);
	if (!query->data)
		return 0;
	return copy_to_user(u64_to_user_ptr(query->data), keel_counters, size) ? -EFAULT : 0;
}

/**
 * keel_perf_file_fini() - forget a client's counter sets
 * @kfile: the client, which makes no more calls
 */
void keel_perf_file_fini(struct keel_file *kfile)
{
	struct keel_perf_set *set;
	unsigned long handle;

	xa_for_each(&kfile->perfs, handle, set)
		kfree(set);
	xa_destroy(&kfile->perfs);
}
