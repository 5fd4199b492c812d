// SPDX-License-Identifier: GPL-2.0-only
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "keel_debugfs.h"
#include "keel_device.h"
#include "keel_fault.h"
#include "keel_file.h"
#include "keel_gem.h"
#include "keel_job.h"
#include "keel_perf.h"
#include "keel_queue.h"
#include "keel_record.h"

/*
 * debugfs: what the driver knows. One line a thing, words separated by blanks, so that scripts and
 * keel top can read it; clients and jobs have the numbers of fdinfo, tracepoints and coredumps.
 */

static const char *const priorities[] = {
	[DRM_KEEL_PRIORITY_LOW] = "low",
	[DRM_KEEL_PRIORITY_NORMAL] = "normal",
	[DRM_KEEL_PRIORITY_HIGH] = "high",
};

static struct keel_device *shown_device(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return to_keel_device(entry->dev);
}

static void show_each_file(struct seq_file *m,
			   void (*show)(struct seq_file *m, struct keel_file *f))
{
	struct drm_device *drm = &shown_device(m)->drm;
	struct drm_file *file;

	mutex_lock(&drm->filelist_mutex);
	list_for_each_entry(file, &drm->filelist, lhead)
		show(m, file->driver_priv);
	mutex_unlock(&drm->filelist_mutex);
}

static void show_client_counters(struct seq_file *m, struct keel_file *kfile)
{
	u64 values[KEEL_HW_COUNTER_COUNT];
	unsigned int i;

	keel_perf_read_file(kfile, values);
	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		if (keel_counters[i].flags & DRM_KEEL_COUNTER_CLIENT)
			seq_printf(m, "client %llu %s %llu %s\n", kfile->client,
				   keel_counters[i].name, values[i], keel_counters[i].unit);
}

/* name value unit; then, for each client: client number name value unit */
static int show_counters(struct seq_file *m, void *data)
{
	u64 values[KEEL_HW_COUNTER_COUNT];
	unsigned int i;

	keel_perf_read(shown_device(m), values);
	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		seq_printf(m, "%s %llu %s\n", keel_counters[i].name, values[i],
			   keel_counters[i].unit);
	show_each_file(m, show_client_counters);
	return 0;
}

static const char *queue_state(const struct keel_queue *queue)
{
	if (READ_ONCE(queue->dead))
		return "destroyed";
	return READ_ONCE(queue->banned) ? "banned" : "open";
}

static void show_client_queues(struct seq_file *m, struct keel_file *kfile)
{
	struct keel_queue *queue;
	unsigned long handle;

	xa_lock(&kfile->queues);
	xa_for_each(&kfile->queues, handle, queue)
		seq_printf(m, "client %llu queue %lu priority %s state %s\n", kfile->client, handle,
			   priorities[queue->priority], queue_state(queue));
	xa_unlock(&kfile->queues);
}

static int show_queues(struct seq_file *m, void *data)
{
	show_each_file(m, show_client_queues);
	return 0;
}

static void show_waiting_jobs(struct seq_file *m, struct keel_file *kfile)
{
	struct keel_record *record;
	unsigned long flags;
	unsigned int bucket;

	seq_printf(m, "client %llu process %d ", kfile->client, kfile->pid);
	/* A process may have any name, lines of its own among them. */
	seq_escape_str(m, kfile->comm, ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, " \\");
	seq_printf(m, " in_flight %d not_freed %d\n", atomic_read(&kfile->in_flight),
		   atomic_read(&kfile->jobs));
	spin_lock_irqsave(&kfile->lock, flags);
	hash_for_each(kfile->records, bucket, record, node)
		if (!record->over)
			seq_printf(m, "client %llu job %llu submitted %llu replays %u%s\n",
				   kfile->client, record->result.id, record->result.submit_ns,
				   record->result.replays, record->cancel ? " cancelled" : "");
	spin_unlock_irqrestore(&kfile->lock, flags);
}

/* Jobs that are not over; then those of them that the NPU has, oldest first. */
static int show_jobs(struct seq_file *m, void *data)
{
	struct keel_device *kdev = shown_device(m);
	struct keel_job *job;
	unsigned long flags;

	show_each_file(m, show_waiting_jobs);
	spin_lock_irqsave(&kdev->hw_lock, flags);
	list_for_each_entry(job, &kdev->in_flight, node)
		seq_printf(m, "npu seq %u client %llu job %llu commands %u progress %llu\n",
			   job->seq, job->kfile->client, job->record->result.id, job->count,
			   kdev->progress);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	return 0;
}

static void show_bo(struct seq_file *m, const struct keel_bo *bo)
{
	const struct drm_gem_object *obj = &bo->base.base;

	seq_printf(m, "bytes %zu handles %u references %u%s%s%s%s\n", obj->size, obj->handle_count,
		   kref_read(&obj->refcount), bo->flags & DRM_KEEL_BO_WC ? " wc" : "",
		   bo->flags & DRM_KEEL_BO_NO_MMAP ? " no_mmap" : "",
		   obj->import_attach ? " imported" : "", bo->base.pages ? " resident" : "");
}

static int show_bos(struct seq_file *m, void *data)
{
	struct keel_device *kdev = shown_device(m);
	struct keel_bo *bo;
	size_t bytes = 0;

	mutex_lock(&kdev->bo_lock);
	list_for_each_entry(bo, &kdev->bos, node) {
		show_bo(m, bo);
		bytes += bo->base.base.size;
	}
	mutex_unlock(&kdev->bo_lock);
	seq_printf(m, "total %zu\n", bytes);
	return 0;
}

static const struct drm_debugfs_info files[] = {
	{ "counters", show_counters, 0 },
	{ "queues", show_queues, 0 },
	{ "jobs", show_jobs, 0 },
	{ "fw_log", keel_debugfs_fw_log, 0 },
	{ "fw_info", keel_debugfs_fw_info, 0 },
	{ "regs", keel_debugfs_regs, 0 },
	{ "clock", keel_debugfs_clock, 0 },
	{ "bo", show_bos, 0 },
};

/**
 * keel_debugfs_init() - the device's files in debugfs; before it is registered
 * @kdev: device
 */
void keel_debugfs_init(struct keel_device *kdev)
{
	struct dentry *root = kdev->drm.debugfs_root;

	drm_debugfs_add_files(&kdev->drm, files, ARRAY_SIZE(files));
	debugfs_create_u32("hang_ms", 0600, root, &kdev->hang_ms);
	keel_fault_debugfs(root);
}
