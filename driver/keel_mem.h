/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_MEM_H
#define KEEL_MEM_H

#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

struct keel_device;

/**
 * struct keel_mem - memory that the NPU can reach
 * @node: in keel_device.mems
 * @cpu: address, NULL once the NPU can't reach it any more (device gone)
 * @dma: bus address, of coherent memory
 * @bytes: length
 * @sgt: pages of mapped memory; .sgl NULL: it is coherent
 */
struct keel_mem {
	struct list_head node;
	void *cpu;
	dma_addr_t dma;
	size_t bytes;
	struct sg_table sgt;
};

int keel_mem_alloc(struct keel_device *kdev, struct keel_mem *mem, size_t bytes);
int keel_mem_map(struct keel_device *kdev, struct keel_mem *mem, void *vmalloced, size_t bytes);
void keel_mem_free(struct keel_device *kdev, struct keel_mem *mem);
void keel_mem_release_all(struct keel_device *kdev);

#endif
