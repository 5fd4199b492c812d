/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DUMP_H
#define KEEL_DUMP_H

#include <linux/types.h>

#include "keel_coredump.h"

struct keel_device;
struct keel_job;

/*
 * Coredumps: by reset_lock, before a reset destroys what there is to see. @guilty may be NULL; it
 * is in flight and stays so until this returns. Nothing is allocated there: init does it.
 */
int keel_dump_init(struct keel_device *kdev);
void keel_dump_fini(struct keel_device *kdev);
void keel_dump(struct keel_device *kdev, struct keel_job *guilty, enum keel_core_reason reason);
void keel_dump_fault(struct keel_device *kdev, struct keel_job *guilty, u32 command);

#endif
