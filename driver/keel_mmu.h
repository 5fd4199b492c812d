/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_MMU_H
#define KEEL_MMU_H

#include <linux/types.h>

struct keel_as;
struct keel_bo;
struct keel_device;
struct keel_vma;
struct sg_table;

#define KEEL_MAX_CONTEXTS 64

/**
 * struct keel_context - a context of the NPU's MMU
 * @as: address space that is loaded, or NULL
 * @users: jobs in flight that use it
 * @used: when it was last given out, for replacing the oldest
 */
struct keel_context {
	struct keel_as *as;
	unsigned int users;
	u64 used;
};

struct keel_as *keel_as_new(struct keel_device *kdev);
void keel_as_del(struct keel_as *as);

int keel_vma_open(struct keel_as *as, struct keel_bo *bo);
void keel_vma_close(struct keel_as *as, struct keel_bo *bo);
struct keel_vma *keel_vma_get(struct keel_as *as, struct keel_bo *bo, struct sg_table *sgt);
void keel_vma_put(struct keel_vma *vma);
u64 keel_vma_address(const struct keel_vma *vma);

int keel_context_get(struct keel_device *kdev, struct keel_as *as);
void keel_context_put(struct keel_device *kdev, int context);
void keel_contexts_lost(struct keel_device *kdev);

#endif
