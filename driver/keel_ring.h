/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_RING_H
#define KEEL_RING_H

#include <linux/types.h>

struct keel_device;
struct keel_job;
struct keel_queue;
struct keel_record;
struct list_head;

/* What goes to the NPU and comes back. */

void keel_ring_push(struct keel_device *kdev, struct keel_job *job);
unsigned int keel_ring_poll(struct keel_device *kdev);
void keel_ring_end(struct keel_device *kdev, struct keel_job *job, int err, u32 fault_command,
		   struct list_head *done);
void keel_ring_signal(struct keel_device *kdev, struct list_head *done);
void keel_ring_cancel_queue(struct keel_device *kdev, struct keel_queue *queue);
void keel_ring_cancel_record(struct keel_device *kdev, struct keel_record *record);
void keel_ring_settle(struct keel_device *kdev);
void keel_ring_thaw(struct keel_device *kdev, struct list_head *done);
void keel_ring_refill(struct keel_device *kdev, struct list_head *done);
void keel_ring_drop_all(struct keel_device *kdev, int err);

#endif
