/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_BINDING_H
#define KEEL_BINDING_H

#include <linux/types.h>

#include "keel_command.h"

struct drm_file;
struct drm_keel_job;
struct keel_bo;
struct keel_job;
struct keel_vma;

/**
 * struct keel_binding - what a slot is bound to
 * @bo: reference, NULL: not bound
 * @vma: mapping in the file's address space, or NULL without MMU
 * @offset: first byte
 * @bytes: extent
 * @written: the job writes it
 */
struct keel_binding {
	struct keel_bo *bo;
	struct keel_vma *vma;
	u64 offset;
	u64 bytes;
	bool written;
};

/* Slots 0 .. 30 and the trace. */
#define KEEL_BINDING_TRACE KEEL_SLOT_SRAM
#define KEEL_BINDING_COUNT KEEL_SLOT_COUNT

int keel_copy_element(void *to, size_t bytes, u64 array, u32 stride, unsigned int index);
int keel_binding_take(struct keel_job *job, struct drm_file *file, const struct drm_keel_job *args);
int keel_binding_describe(struct keel_job *job);

#endif
