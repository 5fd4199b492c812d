/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_GEM_H
#define KEEL_GEM_H

#include <linux/list.h>
#include <linux/types.h>

#include <drm/drm_gem_shmem_helper.h>

struct dma_buf;
struct drm_device;
struct drm_file;
struct keel_device;
struct sg_table;

/**
 * struct keel_bo - a buffer object
 * @base: DRM's
 * @node: in keel_device.bos
 * @flags: DRM_KEEL_BO_*
 */
struct keel_bo {
	struct drm_gem_shmem_object base;
	struct list_head node;
	u32 flags;
};

static inline struct keel_bo *to_keel_bo(struct drm_gem_object *obj)
{
	return container_of(to_drm_gem_shmem_obj(obj), struct keel_bo, base);
}

struct drm_gem_object *keel_gem_create_object(struct drm_device *drm, size_t bytes);
struct drm_gem_object *keel_gem_import(struct drm_device *drm, struct dma_buf *dma_buf);
void keel_gem_release_all(struct keel_device *kdev);
struct sg_table *keel_bo_pin(struct keel_device *kdev, struct keel_bo *bo);

int keel_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_bo_mmap_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_bo_sync_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif
