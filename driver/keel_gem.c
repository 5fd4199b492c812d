// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>

#include "keel_device.h"
#include "keel_file.h"
#include "keel_gem.h"
#include "keel_mmu.h"
#include "keel_perf.h"

/*
 * Buffer objects: shmem memory, mapped for the NPU when a job first uses it. All are on a list, so
 * that nothing stays mapped when the device is taken away.
 */

#define BO_FLAGS     (DRM_KEEL_BO_WC | DRM_KEEL_BO_NO_MMAP)
#define BO_MAX_BYTES BIT_ULL(32)

/* Exporters may keep a mapping until its attachment goes, which may be long after the device. */
static void import_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt)
{
	struct dma_resv *resv = attach->dmabuf->resv;

	dma_resv_lock(resv, NULL);
	attach->sgt = NULL;
	dma_buf_unmap_attachment(attach, sgt, DMA_BIDIRECTIONAL);
	dma_resv_unlock(resv);
}

/* What drm_gem_shmem_get_pages_sgt() or an import has mapped. */
static void bo_unmap_locked(struct keel_device *kdev, struct keel_bo *bo)
{
	struct drm_gem_shmem_object *shmem = &bo->base;
	struct drm_gem_object *obj = &shmem->base;

	lockdep_assert_held(&kdev->bo_lock);
	if (obj->import_attach) {
		if (shmem->sgt)
			import_unmap(obj->import_attach, shmem->sgt);
		shmem->sgt = NULL;
		return;
	}
	dma_resv_lock(obj->resv, NULL);
	if (shmem->sgt) {
		dma_unmap_sgtable(kdev->dev, shmem->sgt, DMA_BIDIRECTIONAL, 0);
		sg_free_table(shmem->sgt);
		kfree(shmem->sgt);
		shmem->sgt = NULL;
	}
	dma_resv_unlock(obj->resv);
}

static void bo_register(struct keel_device *kdev, struct keel_bo *bo)
{
	mutex_lock(&kdev->bo_lock);
	list_add(&bo->node, &kdev->bos);
	mutex_unlock(&kdev->bo_lock);
	keel_count(kdev, NULL, KEEL_HW_COUNTER_BUFFERS, 1);
	keel_count(kdev, NULL, KEEL_HW_COUNTER_BUFFER_BYTES, bo->base.base.size);
}

static void bo_free(struct drm_gem_object *obj)
{
	struct keel_device *kdev = to_keel_device(obj->dev);
	struct keel_bo *bo = to_keel_bo(obj);

	mutex_lock(&kdev->bo_lock);
	bo_unmap_locked(kdev, bo);
	list_del(&bo->node);
	mutex_unlock(&kdev->bo_lock);
	keel_count(kdev, NULL, KEEL_HW_COUNTER_BUFFERS, -1);
	keel_count(kdev, NULL, KEEL_HW_COUNTER_BUFFER_BYTES, -(s64)obj->size);
	drm_gem_shmem_free(&bo->base);
}

/**
 * keel_gem_release_all() - unmap all buffer objects, whoever holds them
 * @kdev: device, which was unplugged and doesn't do DMA any more
 */
void keel_gem_release_all(struct keel_device *kdev)
{
	struct keel_bo *bo;

	mutex_lock(&kdev->bo_lock);
	list_for_each_entry(bo, &kdev->bos, node)
		bo_unmap_locked(kdev, bo);
	mutex_unlock(&kdev->bo_lock);
}

/* Also for who guesses an offset. A dma-buf may have gone from its object when that gets here. */
static int bo_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	if (obj->import_attach || to_keel_bo(obj)->flags & DRM_KEEL_BO_NO_MMAP)
		return -EPERM;
	return drm_gem_shmem_object_mmap(obj, vma);
}

static int bo_open(struct drm_gem_object *obj, struct drm_file *file)
{
	struct keel_file *kfile = file->driver_priv;

	return kfile->as ? keel_vma_open(kfile->as, to_keel_bo(obj)) : 0;
}

static void bo_close(struct drm_gem_object *obj, struct drm_file *file)
{
	struct keel_file *kfile = file->driver_priv;

	if (kfile->as)
		keel_vma_close(kfile->as, to_keel_bo(obj));
}

static enum drm_gem_object_status bo_status(struct drm_gem_object *obj)
{
	struct keel_bo *bo = to_keel_bo(obj);

	return READ_ONCE(bo->base.pages) ? DRM_GEM_OBJECT_RESIDENT : 0;
}

static const struct drm_gem_object_funcs bo_funcs = {
	.free = bo_free,
	.open = bo_open,
	.close = bo_close,
	.print_info = drm_gem_shmem_object_print_info,
	.pin = drm_gem_shmem_object_pin,
	.unpin = drm_gem_shmem_object_unpin,
	.get_sg_table = drm_gem_shmem_object_get_sg_table,
	.vmap = drm_gem_shmem_object_vmap,
	.vunmap = drm_gem_shmem_object_vunmap,
	.mmap = bo_mmap,
	.status = bo_status,
	.vm_ops = &drm_gem_shmem_vm_ops,
};

/**
 * keel_gem_create_object() - for DRM: allocate a buffer object, also for an import
 * @drm: device
 * @bytes: its size
 *
 * Return: the object or an error pointer
 */
struct drm_gem_object *keel_gem_create_object(struct drm_device *drm, size_t bytes)
{
	struct keel_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL_ACCOUNT);

	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->base.base.funcs = &bo_funcs;
	return &bo->base.base;
}

/**
 * keel_gem_import() - for DRM: a buffer object from somebody else's memory
 * @drm: device
 * @dma_buf: the memory
 *
 * Mapping and listing it are one step for who unmaps all when the device goes.
 *
 * Return: the object or an error pointer
 */
struct drm_gem_object *keel_gem_import(struct drm_device *drm, struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj;
	int idx;

	if (!drm_dev_enter(drm, &idx))
		return ERR_PTR(-ENODEV);
	obj = drm_gem_prime_import(drm, dma_buf);
	/* One of our own is known. */
	if (!IS_ERR(obj) && obj->import_attach)
		bo_register(to_keel_device(drm), to_keel_bo(obj));
	drm_dev_exit(idx);
	return obj;
}

/**
 * keel_bo_create_ioctl() - DRM_KEEL_BO_CREATE
 * @drm: device
 * @data: struct drm_keel_bo_create
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_keel_bo_create *args = data;
	struct drm_gem_shmem_object *shmem;
	int ret;

	if (!args->size || args->size > BO_MAX_BYTES || args->size > SIZE_MAX - PAGE_SIZE) {
		drm_dbg(drm, "buffer of %llu bytes\n", args->size);
		return -EINVAL;
	}
	if (args->flags & ~BO_FLAGS || hweight32(args->flags) > 1) {
		drm_dbg(drm, "buffer flags %#x\n", args->flags);
		return -EINVAL;
	}
	shmem = drm_gem_shmem_create(drm, args->size);
	if (IS_ERR(shmem))
		return PTR_ERR(shmem);
	to_keel_bo(&shmem->base)->flags = args->flags;
	shmem->map_wc = args->flags & DRM_KEEL_BO_WC;
	bo_register(to_keel_device(drm), to_keel_bo(&shmem->base));
	ret = drm_gem_handle_create(file, &shmem->base, &args->handle);
	/* The handle keeps it, if there is one. */
	drm_gem_object_put(&shmem->base);
	return ret;
}

/**
 * keel_bo_mmap_ioctl() - DRM_KEEL_BO_MMAP
 * @drm: device
 * @data: struct drm_keel_bo_mmap
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_bo_mmap_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_keel_bo_mmap *args = data;
	struct drm_gem_object *obj;
	int ret = 0;

	if (args->pad)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	if (obj->import_attach || to_keel_bo(obj)->flags & DRM_KEEL_BO_NO_MMAP)
		ret = -EPERM;
	else
		args->offset = drm_vma_node_offset_addr(&obj->vma_node);
	drm_gem_object_put(obj);
	return ret;
}

static void sync_piece(struct keel_device *kdev, u32 flags, dma_addr_t address, size_t bytes)
{
	if (flags & DRM_KEEL_SYNC_TO_CPU)
		dma_sync_single_for_cpu(kdev->dev, address, bytes, DMA_BIDIRECTIONAL);
	if (flags & DRM_KEEL_SYNC_TO_DEVICE)
		dma_sync_single_for_device(kdev->dev, address, bytes, DMA_BIDIRECTIONAL);
}

static void sync_range(struct keel_device *kdev, struct sg_table *sgt,
		       const struct drm_keel_bo_sync *args)
{
	u64 skip = args->offset, left = args->bytes;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 length = sg_dma_len(sg), bytes;

		if (skip >= length) {
			skip -= length;
			continue;
		}
		bytes = min(left, length - skip);
		sync_piece(kdev, args->flags, sg_dma_address(sg) + skip, bytes);
		skip = 0;
		left -= bytes;
		if (!left)
			return;
	}
}

static int bo_sync(struct keel_device *kdev, struct drm_gem_object *obj,
		   const struct drm_keel_bo_sync *args)
{
	struct keel_bo *bo = to_keel_bo(obj);
	int ret, idx;
	u64 end;

	if (obj->import_attach || check_add_overflow(args->offset, args->bytes, &end) ||
	    end > obj->size)
		return -EINVAL;
	if (!drm_dev_enter(obj->dev, &idx))
		return -ENODEV;
	ret = dma_resv_lock_interruptible(obj->resv, NULL);
	if (!ret) {
		/* What no job has used yet is in nobody's cache but the CPU's. */
		if (bo->base.sgt)
			sync_range(kdev, bo->base.sgt, args);
		dma_resv_unlock(obj->resv);
	}
	drm_dev_exit(idx);
	return ret;
}

/**
 * keel_bo_sync_ioctl() - DRM_KEEL_BO_SYNC
 * @drm: device
 * @data: struct drm_keel_bo_sync
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_bo_sync_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_keel_bo_sync *args = data;
	struct drm_gem_object *obj;
	int ret;

	if (!args->flags || args->flags & ~(DRM_KEEL_SYNC_TO_DEVICE | DRM_KEEL_SYNC_TO_CPU) ||
	    !args->bytes)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	ret = bo_sync(to_keel_device(drm), obj, args);
	drm_gem_object_put(obj);
	return ret;
}

/**
 * keel_bo_pin() - pages and their addresses for the NPU
 * @kdev: device; between drm_dev_enter() and drm_dev_exit()
 * @bo: buffer object, not locked
 *
 * They stay until the object is freed.
 *
 * Return: the table or an error pointer
 */
struct sg_table *keel_bo_pin(struct keel_device *kdev, struct keel_bo *bo)
{
	if (bo->base.base.import_attach)
		return bo->base.sgt ?: ERR_PTR(-ENODEV);
	return drm_gem_shmem_get_pages_sgt(&bo->base);
}
