/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_RECORD_H
#define KEEL_RECORD_H

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/types.h>

#include <drm/keel_accel.h>

struct drm_device;
struct drm_file;
struct keel_file;

/**
 * struct keel_record - what became of a job; outlives it
 * @ref: held by the file's table, by the job, by waiters and by the fence callback
 * @kfile: owner
 * @node: in keel_file.records
 * @over_node: in keel_file.over
 * @fence: the scheduler's "finished" fence, once the job is armed
 * @cb: on @fence
 * @seq: of the job, when it was last given to the NPU
 * @cancel: somebody asked for it
 * @begun: the scheduler gave it to the driver
 * @filled: @result is what the NPU said
 * @over: @result is final
 * @counted: left keel_file.in_flight
 * @result: for DRM_KEEL_JOB_WAIT
 *
 * Protected by keel_file.lock.
 */
struct keel_record {
	struct kref ref;
	struct keel_file *kfile;
	struct hlist_node node;
	struct list_head over_node;
	struct dma_fence *fence;
	struct dma_fence_cb cb;
	u32 seq;
	bool cancel;
	bool begun;
	bool filled;
	bool over;
	bool counted;
	struct drm_keel_result result;
};

struct keel_record *keel_record_new(struct keel_file *kfile);
void keel_record_put(struct keel_record *record);
void keel_record_publish(struct keel_record *record, struct dma_fence *finished);
void keel_record_fill(struct keel_record *record, const struct drm_keel_result *result);
void keel_record_forget_all(struct keel_file *kfile);

int keel_job_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_job_cancel_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif
