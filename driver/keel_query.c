// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <drm/drm_print.h>

#include "keel_device.h"
#include "keel_mmu.h"
#include "keel_perf.h"
#include "keel_query.h"
#include "keel_regs.h"
#include "keel_validate.h"

/* What the hardware says about itself, and how user space hears of it. */

#define NUMBER(field, register)                                                                  \
	{                                                                                        \
		.reg = KEEL_REG_##register, .info = offsetof(struct drm_keel_device_info, field) \
	}

static const struct {
	u32 reg;
	u32 info;
} numbers[] = {
	NUMBER(hw_id, HW_ID),
	NUMBER(hw_version, HW_VERSION),
	NUMBER(isa_version, ISA_VERSION),
	NUMBER(abi_version, ABI_VERSION),
	NUMBER(macs_per_cycle, MACS_PER_CYCLE),
	NUMBER(sram_bytes, SRAM_BYTES),
	NUMBER(dram_bytes_per_cycle, DRAM_BYTES_PER_CYCLE),
	NUMBER(dram_latency_cycles, DRAM_LATENCY),
	NUMBER(vector_lanes, VECTOR_LANES),
	NUMBER(dma_bytes_per_cycle, DMA_BYTES_PER_CYCLE),
	NUMBER(decode_bytes_per_cycle, DECODE_BYTES_PER_CYCLE),
	NUMBER(fifo_depth, FIFO_DEPTH),
	NUMBER(clock_min_khz, CLOCK_MIN),
	NUMBER(clock_max_khz, CLOCK_MAX),
	NUMBER(clock_now_khz, CLOCK),
	NUMBER(address_spaces, ADDRESS_SPACES),
};

static void read_numbers(struct keel_device *kdev)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		*(u32 *)((u8 *)&kdev->info + numbers[i].info) = keel_read(kdev, numbers[i].reg);
}

static void read_name(struct keel_device *kdev)
{
	char *name = kdev->info.target;
	u32 word;
	int i;

	for (i = 0; i < sizeof(kdev->info.target); i += sizeof(word)) {
		word = keel_read(kdev, KEEL_REG_TARGET_NAME + i);
		memcpy(name + i, &word, sizeof(word));
	}
	name[sizeof(kdev->info.target) - 1] = 0;
	for (i = 0; name[i]; i++)
		if (name[i] < ' ' || name[i] > '~')
			name[i] = '?';
}

static void read_capabilities(struct keel_device *kdev)
{
	struct drm_keel_device_info *info = &kdev->info;

	kdev->hw_caps = keel_read(kdev, KEEL_REG_CAPS);
	if (!info->address_spaces)
		kdev->hw_caps &= ~KEEL_HW_CAP_MMU;
	if (kdev->hw_caps & KEEL_HW_CAP_MMU)
		info->capabilities |= DRM_KEEL_CAP_MMU;
	else
		info->address_spaces = 0;
	if (kdev->hw_caps & KEEL_HW_CAP_TRACE)
		info->capabilities |= DRM_KEEL_CAP_TRACE;
	if (kdev->hw_caps & KEEL_HW_CAP_COHERENT)
		info->capabilities |= DRM_KEEL_CAP_COHERENT;
	if (kdev->hw_caps & KEEL_HW_CAP_INT16)
		info->capabilities |= DRM_KEEL_CAP_INT16;
	info->address_spaces = min_t(u32, info->address_spaces, KEEL_MAX_CONTEXTS);
}

static void describe_target(struct keel_device *kdev)
{
	const struct drm_keel_device_info *info = &kdev->info;
	struct keel_target *t = &kdev->target;

	memcpy(t->name, info->target, sizeof(t->name));
	t->isa_version = info->isa_version;
	t->macs_per_cycle = info->macs_per_cycle;
	t->sram_bytes = info->sram_bytes;
	t->clock_mhz = max(info->clock_max_khz / 1000, 1u);
	t->dram_bytes_per_cycle = info->dram_bytes_per_cycle;
	t->dram_latency_cycles = info->dram_latency_cycles;
	t->vector_lanes = info->vector_lanes;
	t->dma_bytes_per_cycle = info->dma_bytes_per_cycle;
	t->decode_bytes_per_cycle = info->decode_bytes_per_cycle;
	t->fifo_depth = info->fifo_depth;
	t->int16 = !!(info->capabilities & DRM_KEEL_CAP_INT16);
}

/**
 * keel_query_init() - read what the hardware is and whether the driver can work with it
 * @kdev: device, powered
 *
 * Return: 0 or -ENODEV after a message
 */
int keel_query_init(struct keel_device *kdev)
{
	const struct keel_target_number *wrong;
	u32 id = keel_read(kdev, KEEL_REG_ID);

	if (id != KEEL_HW_MAGIC) {
		dev_err(kdev->dev,
			"the registers don't belong to a Keel NPU: identification %#x instead of %#x\n",
			id, KEEL_HW_MAGIC);
		return -ENODEV;
	}
	read_numbers(kdev);
	read_name(kdev);
	read_capabilities(kdev);
	kdev->info.counters = KEEL_HW_COUNTER_COUNT;
	kdev->info.max_commands = KEEL_MAX_COMMANDS;
	kdev->info.align = DRM_KEEL_ALIGN;
	if (kdev->info.abi_version != KEEL_HW_ABI_VERSION) {
		dev_err(kdev->dev,
			"the NPU's boot ROM speaks version %u of the firmware ABI, this driver version %u: a driver for that NPU is needed\n",
			kdev->info.abi_version, KEEL_HW_ABI_VERSION);
		return -ENODEV;
	}
	describe_target(kdev);
	wrong = keel_target_wrong(&kdev->target);
	if (wrong) {
		dev_err(kdev->dev,
			"the NPU reports %u as its %s, where this driver expects %u to %u\n",
			keel_target_value(&kdev->target, wrong), wrong->name, wrong->min,
			wrong->max);
		return -ENODEV;
	}
	return 0;
}

static int query_device(struct keel_device *kdev, struct drm_keel_query *query)
{
	struct drm_keel_device_info info;
	u32 room = query->size;

	mutex_lock(&kdev->reset_lock);
	info = kdev->info;
	mutex_unlock(&kdev->reset_lock);

	query->size = sizeof(info);
	if (!query->data)
		return 0;
	if (copy_to_user(u64_to_user_ptr(query->data), &info, min_t(u32, room, sizeof(info))))
		return -EFAULT;
	return 0;
}

/**
 * keel_query_ioctl() - DRM_KEEL_QUERY
 * @drm: device
 * @data: struct drm_keel_query
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_keel_query *query = data;

	switch (query->kind) {
	case DRM_KEEL_QUERY_DEVICE:
		return query_device(to_keel_device(drm), query);
	case DRM_KEEL_QUERY_COUNTERS:
		return keel_perf_query(query);
	default:
		drm_dbg(drm, "query of unknown kind %u\n", query->kind);
		return -EINVAL;
	}
}
