// SPDX-License-Identifier: GPL-2.0-only
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_file.h"
#include "keel_mmu.h"
#include "keel_perf.h"
#include "keel_queue.h"
#include "keel_record.h"

/* Clients: what an open file has, from open to close. */

static void file_release(struct kref *ref)
{
	kfree(container_of(ref, struct keel_file, ref));
}

/**
 * keel_file_put() - drop a reference; any context
 * @kfile: client
 */
void keel_file_put(struct keel_file *kfile)
{
	kref_put(&kfile->ref, file_release);
}

static struct keel_file *file_new(struct keel_device *kdev)
{
	struct keel_file *kfile = kzalloc(sizeof(*kfile), GFP_KERNEL_ACCOUNT);

	if (!kfile)
		return NULL;
	kref_init(&kfile->ref);
	kfile->kdev = kdev;
	kfile->client = atomic64_inc_return(&kdev->next_client);
	kfile->pid = task_tgid_nr(current);
	get_task_comm(kfile->comm, current);
	xa_init_flags(&kfile->queues, XA_FLAGS_ALLOC1);
	xa_init_flags(&kfile->cmds, XA_FLAGS_ALLOC1);
	xa_init_flags(&kfile->perfs, XA_FLAGS_ALLOC1);
	spin_lock_init(&kfile->lock);
	hash_init(kfile->records);
	INIT_LIST_HEAD(&kfile->over);
	init_waitqueue_head(&kfile->wait);
	return kfile;
}

/**
 * keel_file_open() - a client comes
 * @drm: device
 * @file: DRM's side of it
 *
 * Return: 0 or negative errno
 */
int keel_file_open(struct drm_device *drm, struct drm_file *file)
{
	struct keel_device *kdev = to_keel_device(drm);
	struct keel_file *kfile;
	int idx;

	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	kfile = file_new(kdev);
	if (kfile)
		kfile->as = keel_as_new(kdev);
	drm_dev_exit(idx);
	if (!kfile)
		return -ENOMEM;
	if (IS_ERR(kfile->as)) {
		int ret = PTR_ERR(kfile->as);

		keel_file_put(kfile);
		return ret;
	}
	keel_count(kdev, NULL, KEEL_HW_COUNTER_CLIENTS, 1);
	file->driver_priv = kfile;
	return 0;
}

/**
 * keel_file_close() - a client goes; its jobs that run are stopped
 * @drm: device
 * @file: DRM's side of it
 */
void keel_file_close(struct drm_device *drm, struct drm_file *file)
{
	struct keel_file *kfile = file->driver_priv;

	keel_queue_kill_all(kfile);
	/* Fences that jobs wait for are signalled some day, and then the jobs are freed. */
	wait_event(kfile->wait, !atomic_read(&kfile->jobs));
	keel_record_forget_all(kfile);
	keel_cmd_put_all(kfile);
	keel_perf_file_fini(kfile);
	keel_as_del(kfile->as);
	keel_count(kfile->kdev, NULL, KEEL_HW_COUNTER_CLIENTS, -1);
	keel_file_put(kfile);
}
