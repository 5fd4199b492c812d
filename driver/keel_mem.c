// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "keel_device.h"
#include "keel_mem.h"

/*
 * Memory that the NPU reaches, other than buffer objects. There is a list of all of it, so that
 * the device can be taken away while programs still hold jobs and command buffers: what they have
 * stays, the NPU's way to it doesn't.
 */

static void mem_add(struct keel_device *kdev, struct keel_mem *mem)
{
	mutex_lock(&kdev->mem_lock);
	list_add(&mem->node, &kdev->mems);
	mutex_unlock(&kdev->mem_lock);
}

/**
 * keel_mem_alloc() - allocate zeroed coherent memory, contiguous for the NPU
 * @kdev: device; between drm_dev_enter() and drm_dev_exit(), or not yet registered
 * @mem: filled; all zero on failure
 * @bytes: length, not 0
 *
 * Charged to the caller's memory control group.
 *
 * Return: 0 or -ENOMEM
 */
int keel_mem_alloc(struct keel_device *kdev, struct keel_mem *mem, size_t bytes)
{
	*mem = (struct keel_mem){ .bytes = bytes };
	mem->cpu =
		dma_alloc_coherent(kdev->dev, bytes, &mem->dma, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!mem->cpu)
		return -ENOMEM;
	mem_add(kdev, mem);
	return 0;
}

static int map_pages(struct keel_device *kdev, struct keel_mem *mem, struct page **pages)
{
	unsigned int i, count = DIV_ROUND_UP(mem->bytes, PAGE_SIZE);
	int ret;

	for (i = 0; i < count; i++)
		pages[i] = vmalloc_to_page(mem->cpu + i * PAGE_SIZE);
	ret = sg_alloc_table_from_pages(&mem->sgt, pages, count, 0, mem->bytes, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	ret = dma_map_sgtable(kdev->dev, &mem->sgt, DMA_TO_DEVICE, 0);
	if (ret)
		sg_free_table(&mem->sgt);
	return ret;
}

/**
 * keel_mem_map() - let the NPU read memory that won't be written any more
 * @kdev: device; between drm_dev_enter() and drm_dev_exit()
 * @mem: filled; all zero on failure
 * @vmalloced: address; must live until keel_mem_free()
 * @bytes: length, not 0
 *
 * Return: 0 or negative errno
 */
int keel_mem_map(struct keel_device *kdev, struct keel_mem *mem, void *vmalloced, size_t bytes)
{
	struct page **pages =
		kvmalloc_array(DIV_ROUND_UP(bytes, PAGE_SIZE), sizeof(*pages), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!pages)
		return -ENOMEM;
	*mem = (struct keel_mem){ .cpu = vmalloced, .bytes = bytes };
	flush_kernel_vmap_range(vmalloced, bytes);
	ret = map_pages(kdev, mem, pages);
	kvfree(pages);
	if (ret) {
		*mem = (struct keel_mem){};
		return ret;
	}
	mem_add(kdev, mem);
	return 0;
}

static void mem_release_locked(struct keel_device *kdev, struct keel_mem *mem)
{
	lockdep_assert_held(&kdev->mem_lock);
	list_del(&mem->node);
	if (mem->sgt.sgl) {
		dma_unmap_sgtable(kdev->dev, &mem->sgt, DMA_TO_DEVICE, 0);
		sg_free_table(&mem->sgt);
	} else {
		dma_free_coherent(kdev->dev, mem->bytes, mem->cpu, mem->dma);
	}
	mem->cpu = NULL;
}

/**
 * keel_mem_free() - give memory back unless that has been done
 * @kdev: device
 * @mem: of keel_mem_alloc() or keel_mem_map(), or all zero
 */
void keel_mem_free(struct keel_device *kdev, struct keel_mem *mem)
{
	mutex_lock(&kdev->mem_lock);
	if (mem->cpu)
		mem_release_locked(kdev, mem);
	mutex_unlock(&kdev->mem_lock);
}

/**
 * keel_mem_release_all() - give all memory back, whoever holds it
 * @kdev: device, which was unplugged and doesn't do DMA any more
 */
void keel_mem_release_all(struct keel_device *kdev)
{
	struct keel_mem *mem, *next;

	mutex_lock(&kdev->mem_lock);
	list_for_each_entry_safe(mem, next, &kdev->mems, node)
		mem_release_locked(kdev, mem);
	mutex_unlock(&kdev->mem_lock);
}
