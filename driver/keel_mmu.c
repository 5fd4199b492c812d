// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_mm.h>

#include "keel_device.h"
#include "keel_gem.h"
#include "keel_job.h"
#include "keel_mem.h"
#include "keel_mmu.h"
#include "keel_regs.h"

/*
 * Address spaces of the NPU's own MMU, one for each file. Addresses are given out when a buffer
 * object gets a handle; translations are written when a job first uses it. The NPU has fewer
 * contexts than there may be files: the scheduler's credits never need more of them at the same
 * time than there are, and who hasn't run for longest gives way.
 *
 * The tables are those of ARM's stage 1, 4 KiB granule, four levels.
 */

#define TABLE_ENTRIES	512
#define TABLE_LEAF	3
#define DESC_VALID	BIT_ULL(0)
#define DESC_TABLE	BIT_ULL(1) /* or page, at the last level */
#define DESC_UNPRIV	BIT_ULL(6)
#define DESC_SHARED	(3ull << 8)
#define DESC_ACCESSED	BIT_ULL(10)
#define DESC_NO_EXECUTE (3ull << 53)
#define DESC_BITS	(DESC_UNPRIV | DESC_SHARED | DESC_ACCESSED | DESC_NO_EXECUTE)
#define DESC_PAGE	(DESC_VALID | DESC_TABLE | DESC_BITS)

#define NPU_PAGE 4096ull
/* Address 0 stays free, so that it faults. */
#define VA_START SZ_2M
#define VA_END	 BIT_ULL(KEEL_MMU_ADDRESS_BITS)

/**
 * struct keel_pt - one table
 * @mem: what the NPU walks
 * @sub: tables of the next level, NULL at the last one
 */
struct keel_pt {
	struct keel_mem mem;
	struct keel_pt **sub;
};

/**
 * struct keel_as - an address space
 * @kdev: device
 * @lock: protects all but @context
 * @root: table of level 0
 * @mm: addresses
 * @vmas: keel_vma.node by object
 * @context: where it is loaded, or -1; by keel_device.hw_lock
 */
struct keel_as {
	struct keel_device *kdev;
	struct mutex lock; /* tables and addresses */
	struct keel_pt *root;
	struct drm_mm mm;
	DECLARE_HASHTABLE(vmas, 8);
	int context;
};

/**
 * struct keel_vma - a buffer object in an address space
 * @ref: held for the handles together, and by jobs
 * @as: address space
 * @node: in keel_as.vmas while there are handles
 * @bo: whose; alive while there are handles or jobs
 * @handles: of the object in the file
 * @place: addresses
 * @mapped: translations are written
 */
struct keel_vma {
	struct kref ref;
	struct keel_as *as;
	struct hlist_node node;
	struct keel_bo *bo;
	unsigned int handles;
	struct drm_mm_node place;
	bool mapped;
};

static void pt_del(struct keel_device *kdev, struct keel_pt *pt)
{
	unsigned int i;

	if (!pt)
		return;
	for (i = 0; pt->sub && i < TABLE_ENTRIES; i++)
		pt_del(kdev, pt->sub[i]);
	keel_mem_free(kdev, &pt->mem);
	kfree(pt->sub);
	kfree(pt);
}

static struct keel_pt *pt_new(struct keel_device *kdev, unsigned int level)
{
	struct keel_pt *pt = kzalloc(sizeof(*pt), GFP_KERNEL_ACCOUNT);

	if (!pt)
		return NULL;
	if (level < TABLE_LEAF) {
		pt->sub = kcalloc(TABLE_ENTRIES, sizeof(*pt->sub), GFP_KERNEL_ACCOUNT);
		if (!pt->sub)
			goto err_pt;
	}
	if (keel_mem_alloc(kdev, &pt->mem, NPU_PAGE))
		goto err_sub;
	return pt;

err_sub:
	kfree(pt->sub);
err_pt:
	kfree(pt);
	return NULL;
}

static unsigned int pt_index(u64 address, unsigned int level)
{
	return address >> (12 + 9 * (TABLE_LEAF - level)) & (TABLE_ENTRIES - 1);
}

static void pt_write(struct keel_pt *pt, unsigned int index, u64 value)
{
	__le64 *table = pt->mem.cpu;

	WRITE_ONCE(table[index], cpu_to_le64(value));
}

/* The last table on the way to an address; with @make its tables are made. */
static struct keel_pt *pt_leaf(struct keel_as *as, u64 address, bool make)
{
	struct keel_pt *pt = as->root;
	unsigned int level;

	lockdep_assert_held(&as->lock);
	for (level = 0; level < TABLE_LEAF; level++) {
		struct keel_pt **next = &pt->sub[pt_index(address, level)];

		if (!*next && make) {
			*next = pt_new(as->kdev, level + 1);
			if (!*next)
				return NULL;
			/* Zeros are in memory before they can be walked to. */
			dma_wmb();
			pt_write(pt, pt_index(address, level),
				 (*next)->mem.dma | DESC_VALID | DESC_TABLE);
		}
		pt = *next;
		if (!pt)
			return NULL;
	}
	return pt;
}

static int map_piece(struct keel_as *as, u64 address, dma_addr_t dma, u64 bytes)
{
	for (; bytes; address += NPU_PAGE, dma += NPU_PAGE, bytes -= NPU_PAGE) {
		struct keel_pt *pt = pt_leaf(as, address, true);

		if (!pt)
			return -ENOMEM;
		pt_write(pt, pt_index(address, TABLE_LEAF), dma | DESC_PAGE);
	}
	return 0;
}

static void unmap_range(struct keel_as *as, u64 address, u64 bytes)
{
	u64 end = address + bytes;

	for (; address < end; address += NPU_PAGE) {
		struct keel_pt *pt = pt_leaf(as, address, false);

		if (pt)
			pt_write(pt, pt_index(address, TABLE_LEAF), 0);
	}
}

static int map_sgt(struct keel_as *as, u64 address, struct sg_table *sgt, u64 left)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 bytes = min_t(u64, sg_dma_len(sg), left);

		if ((sg_dma_address(sg) | bytes) % NPU_PAGE)
			return -EINVAL;
		ret = map_piece(as, address, sg_dma_address(sg), bytes);
		if (ret)
			return ret;
		address += bytes;
		left -= bytes;
	}
	return left ? -EINVAL : 0;
}

/* Whoever reads the register knows that the write has arrived. */
static void context_command(struct keel_device *kdev, int context, enum keel_as_command command)
{
	lockdep_assert_held(&kdev->hw_lock);
	keel_write(kdev, KEEL_REG_AS_COMMAND, context << 8 | command);
	keel_read(kdev, KEEL_REG_ID);
}

/* A device that was removed may still know the address space, until it loses power. */
static void as_command(struct keel_as *as, enum keel_as_command command)
{
	struct keel_device *kdev = as->kdev;
	unsigned long flags;
	bool present;
	int idx;

	present = drm_dev_enter(&kdev->drm, &idx);
	spin_lock_irqsave(&kdev->hw_lock, flags);
	if (present && as->context >= 0)
		context_command(kdev, as->context, command);
	if (command == KEEL_AS_DISABLE && as->context >= 0) {
		kdev->contexts[as->context].as = NULL;
		as->context = -1;
	}
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	if (present)
		drm_dev_exit(idx);
}

static struct keel_vma *as_find(struct keel_as *as, struct keel_bo *bo)
{
	struct keel_vma *vma;

	lockdep_assert_held(&as->lock);
	hash_for_each_possible(as->vmas, vma, node, (unsigned long)bo)
		if (vma->bo == bo)
			return vma;
	return NULL;
}

static struct keel_vma *vma_new(struct keel_as *as, struct keel_bo *bo)
{
	struct keel_vma *vma = kzalloc(sizeof(*vma), GFP_KERNEL_ACCOUNT);
	u64 align = bo->base.base.size >= SZ_2M ? SZ_2M : NPU_PAGE;
	int ret;

	if (!vma)
		return ERR_PTR(-ENOMEM);
	ret = drm_mm_insert_node_generic(&as->mm, &vma->place, bo->base.base.size, align, 0,
					 DRM_MM_INSERT_BEST);
	if (ret) {
		kfree(vma);
		return ERR_PTR(ret);
	}
	kref_init(&vma->ref);
	vma->as = as;
	vma->bo = bo;
	hash_add(as->vmas, &vma->node, (unsigned long)bo);
	return vma;
}

static void vma_release_locked(struct keel_vma *vma)
{
	struct keel_as *as = vma->as;
	int idx;

	lockdep_assert_held(&as->lock);
	/* The tables are gone with the device. */
	if (vma->mapped && drm_dev_enter(&as->kdev->drm, &idx)) {
		unmap_range(as, vma->place.start, vma->place.size);
		as_command(as, KEEL_AS_FLUSH);
		drm_dev_exit(idx);
	}
	drm_mm_remove_node(&vma->place);
	kfree(vma);
}

static void vma_release(struct kref *ref)
{
	vma_release_locked(container_of(ref, struct keel_vma, ref));
}

/**
 * keel_vma_open() - a buffer object gets a handle in a file
 * @as: the file's address space
 * @bo: the object
 *
 * Return: 0 or negative errno
 */
int keel_vma_open(struct keel_as *as, struct keel_bo *bo)
{
	struct keel_vma *vma;
	int ret = 0;

	mutex_lock(&as->lock);
	vma = as_find(as, bo);
	if (!vma)
		vma = vma_new(as, bo);
	if (IS_ERR(vma))
		ret = PTR_ERR(vma);
	else
		vma->handles++;
	mutex_unlock(&as->lock);
	return ret;
}

/**
 * keel_vma_close() - a handle of a buffer object is closed
 * @as: the file's address space
 * @bo: the object, still alive
 *
 * Jobs that use it keep the mapping.
 */
void keel_vma_close(struct keel_as *as, struct keel_bo *bo)
{
	struct keel_vma *vma;

	mutex_lock(&as->lock);
	vma = as_find(as, bo);
	if (vma && !--vma->handles) {
		hash_del(&vma->node);
		kref_put(&vma->ref, vma_release);
	}
	mutex_unlock(&as->lock);
}

/**
 * keel_vma_get() - where the NPU finds a buffer object
 * @as: address space
 * @bo: the object; the caller holds it until after keel_vma_put()
 * @sgt: of keel_bo_pin()
 *
 * Return: a reference, or an error pointer: -ENOENT when its last handle was closed meanwhile
 */
struct keel_vma *keel_vma_get(struct keel_as *as, struct keel_bo *bo, struct sg_table *sgt)
{
	struct keel_vma *vma;
	int ret = -ENOENT;

	mutex_lock(&as->lock);
	vma = as_find(as, bo);
	if (!vma)
		goto out;
	ret = 0;
	if (!vma->mapped) {
		ret = map_sgt(as, vma->place.start, sgt, vma->place.size);
		if (ret)
			unmap_range(as, vma->place.start, vma->place.size);
		else
			vma->mapped = true;
		/* The MMU may remember that there was nothing. */
		as_command(as, KEEL_AS_FLUSH);
	}
	if (!ret)
		kref_get(&vma->ref);
out:
	mutex_unlock(&as->lock);
	return ret ? ERR_PTR(ret) : vma;
}

/**
 * keel_vma_put() - a job doesn't need a mapping any more
 * @vma: of keel_vma_get(), or NULL
 */
void keel_vma_put(struct keel_vma *vma)
{
	struct keel_as *as;

	if (!vma)
		return;
	as = vma->as;
	mutex_lock(&as->lock);
	kref_put(&vma->ref, vma_release);
	mutex_unlock(&as->lock);
}

/**
 * keel_vma_address() - address of the first byte
 * @vma: mapping
 *
 * Return: address for the NPU
 */
u64 keel_vma_address(const struct keel_vma *vma)
{
	return vma->place.start;
}

/**
 * keel_as_new() - make an address space
 * @kdev: device; between drm_dev_enter() and drm_dev_exit()
 *
 * Return: address space, NULL when the NPU doesn't translate, or an error pointer
 */
struct keel_as *keel_as_new(struct keel_device *kdev)
{
	struct keel_as *as;

	if (!(kdev->hw_caps & KEEL_HW_CAP_MMU))
		return NULL;
	as = kzalloc(sizeof(*as), GFP_KERNEL_ACCOUNT);
	if (!as)
		return ERR_PTR(-ENOMEM);
	as->root = pt_new(kdev, 0);
	if (!as->root) {
		kfree(as);
		return ERR_PTR(-ENOMEM);
	}
	as->kdev = kdev;
	as->context = -1;
	mutex_init(&as->lock);
	hash_init(as->vmas);
	drm_mm_init(&as->mm, VA_START, VA_END - VA_START);
	return as;
}

/**
 * keel_as_del() - forget an address space
 * @as: address space that no job uses and no handle needs, or NULL
 */
void keel_as_del(struct keel_as *as)
{
	if (!as)
		return;
	as_command(as, KEEL_AS_DISABLE);
	drm_mm_takedown(&as->mm);
	pt_del(as->kdev, as->root);
	mutex_destroy(&as->lock);
	kfree(as);
}

static int context_load(struct keel_device *kdev, struct keel_as *as)
{
	struct keel_context *c, *oldest = NULL;
	int i;

	for (i = 0; i < kdev->info.address_spaces; i++) {
		c = &kdev->contexts[i];
		if (!c->users && (!oldest || c->used < oldest->used))
			oldest = c;
	}
	if (!oldest)
		return -EBUSY;
	if (oldest->as)
		oldest->as->context = -1;
	oldest->as = as;
	as->context = oldest - kdev->contexts;
	keel_write64(kdev, KEEL_REG_AS_TABLE, as->root->mem.dma);
	context_command(kdev, as->context, KEEL_AS_ENABLE);
	return 0;
}

/**
 * keel_context_get() - load an address space, unless it is
 * @kdev: device
 * @as: address space
 *
 * Return: the context, or -EBUSY when jobs use all of them
 */
int keel_context_get(struct keel_device *kdev, struct keel_as *as)
{
	struct keel_context *c;
	int ret;

	lockdep_assert_held(&kdev->hw_lock);
	if (as->context < 0) {
		ret = context_load(kdev, as);
		if (ret)
			return ret;
	}
	c = &kdev->contexts[as->context];
	c->users++;
	c->used = ++kdev->context_clock;
	return as->context;
}

/**
 * keel_context_put() - a job is over
 * @kdev: device
 * @context: of keel_context_get(), or -1
 */
void keel_context_put(struct keel_device *kdev, int context)
{
	lockdep_assert_held(&kdev->hw_lock);
	if (context >= 0)
		kdev->contexts[context].users--;
}

/**
 * keel_contexts_lost() - the NPU has forgotten its contexts: reset or power loss
 * @kdev: device
 */
void keel_contexts_lost(struct keel_device *kdev)
{
	struct keel_job *job;
	unsigned int i;

	lockdep_assert_held(&kdev->hw_lock);
	/* They have none to give back. */
	list_for_each_entry(job, &kdev->in_flight, node)
		job->context = -1;
	for (i = 0; i < KEEL_MAX_CONTEXTS; i++) {
		if (kdev->contexts[i].as)
			kdev->contexts[i].as->context = -1;
		kdev->contexts[i] = (struct keel_context){};
	}
}
