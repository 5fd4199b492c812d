// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>

#include "keel_debugfs.h"
#include "keel_devfreq.h"
#include "keel_device.h"
#include "keel_drv.h"
#include "keel_dump.h"
#include "keel_fw.h"
#include "keel_gem.h"
#include "keel_irq.h"
#include "keel_mem.h"
#include "keel_perf.h"
#include "keel_pm.h"
#include "keel_query.h"
#include "keel_regs.h"
#include "keel_reset.h"
#include "keel_ring.h"
#include "keel_sched.h"

/* One NPU from probe to removal; what of it is the bus's does the front end. */

static void device_release(struct drm_device *drm, void *data)
{
	struct keel_device *kdev = to_keel_device(drm);

	keel_dump_fini(kdev);
	mutex_destroy(&kdev->bo_lock);
	mutex_destroy(&kdev->mem_lock);
	mutex_destroy(&kdev->reset_lock);
}

/**
 * keel_device_alloc() - for a front end: the device to be
 * @dev: bus device; its driver data becomes the result
 *
 * Return: device, freed with @dev's driver and the last file, or an error pointer
 */
struct keel_device *keel_device_alloc(struct device *dev)
{
	struct keel_device *kdev = devm_drm_dev_alloc(dev, &keel_driver, struct keel_device, drm);
	int ret;

	if (IS_ERR(kdev))
		return kdev;
	kdev->dev = dev;
	kdev->hang_ms = KEEL_HANG_MS;
	mutex_init(&kdev->reset_lock);
	mutex_init(&kdev->mem_lock);
	mutex_init(&kdev->bo_lock);
	spin_lock_init(&kdev->hw_lock);
	INIT_LIST_HEAD(&kdev->in_flight);
	INIT_LIST_HEAD(&kdev->mems);
	INIT_LIST_HEAD(&kdev->bos);
	INIT_WORK(&kdev->recover, keel_recover_work);
	init_waitqueue_head(&kdev->idle);
	kdev->fence_context = dma_fence_context_alloc(1);
	dev_set_drvdata(dev, kdev);
	ret = drmm_add_action_or_reset(&kdev->drm, device_release, NULL);
	if (!ret)
		ret = keel_perf_init(kdev);
	if (!ret)
		ret = keel_dump_init(kdev);
	return ret ? ERR_PTR(ret) : kdev;
}

static int set_dma_mask(struct keel_device *kdev)
{
	u32 bits = keel_read(kdev, KEEL_REG_ADDRESS_BITS);
	int ret;

	dma_set_max_seg_size(kdev->dev, UINT_MAX);
	ret = dma_set_mask_and_coherent(kdev->dev, DMA_BIT_MASK(clamp(bits, 32u, 64u)));
	if (ret)
		dev_err(kdev->dev, "no way to memory with addresses of %u bits\n", bits);
	return ret;
}

static int learn(struct keel_device *kdev)
{
	int ret = keel_query_init(kdev);

	if (!ret)
		ret = set_dma_mask(kdev);
	if (!ret)
		ret = keel_sched_init(kdev);
	if (!ret)
		ret = keel_fw_load(kdev);
	return ret;
}

static int bring_up(struct keel_device *kdev)
{
	int ret = 0;

	mutex_lock(&kdev->reset_lock);
	/* Whoever had it before, another kernel perhaps, may have left it running. */
	if (keel_read(kdev, KEEL_REG_BOOT_STATUS) != KEEL_BOOT_OFF)
		ret = keel_fw_reset(kdev, KEEL_RESET_FULL);
	if (!ret)
		ret = keel_fw_boot(kdev);
	mutex_unlock(&kdev->reset_lock);
	return ret;
}

/* Nothing touches its registers, and it no memory, once it is gone. */
static void power_down(struct keel_device *kdev)
{
	mutex_lock(&kdev->reset_lock);
	keel_fw_stop(kdev, KEEL_STATE_OFF);
	keel_pm_power_off(kdev);
	keel_fw_stop(kdev, KEEL_STATE_GONE);
	mutex_unlock(&kdev->reset_lock);
}

static int start(struct keel_device *kdev)
{
	int ret = keel_irq_init(kdev);

	if (ret)
		return ret;
	ret = bring_up(kdev);
	if (ret)
		goto err_irq;
	ret = keel_devfreq_init(kdev);
	if (ret)
		goto err_irq;
	ret = keel_pm_init(kdev);
	if (ret)
		goto err_devfreq;
	keel_debugfs_init(kdev);
	ret = drm_dev_register(&kdev->drm, 0);
	if (ret)
		goto err_pm;
	return 0;

err_pm:
	keel_pm_fini(kdev);
err_devfreq:
	keel_devfreq_fini(kdev);
err_irq:
	keel_irq_fini(kdev);
	return ret;
}

/**
 * keel_device_probe() - for a front end: bring the device up and register it
 * @kdev: device with registers, interrupt and bus filled in
 *
 * Return: 0 or negative errno
 */
int keel_device_probe(struct keel_device *kdev)
{
	int ret = keel_pm_power_on(kdev);

	if (ret)
		return ret;
	ret = learn(kdev);
	if (!ret)
		ret = start(kdev);
	if (ret) {
		power_down(kdev);
		cancel_work_sync(&kdev->recover);
		keel_mem_release_all(kdev);
		return ret;
	}
	dev_info(kdev->dev, "Keel NPU \"%s\", firmware %u.%u, %u MACs per cycle, %u KiB SRAM\n",
		 kdev->info.target, kdev->fw.version >> 16, kdev->fw.version & 0xffff,
		 kdev->info.macs_per_cycle, kdev->info.sram_bytes / 1024);
	return 0;
}

/**
 * keel_device_remove() - for a front end: the device or its driver goes
 * @kdev: device
 *
 * Programs may keep files, buffers and jobs; nothing of it can reach the device any more.
 */
void keel_device_remove(struct keel_device *kdev)
{
	drm_dev_unplug(&kdev->drm);
	/* From here on nobody powers it up, which would set the clock and let jobs in. */
	keel_pm_fini(kdev);
	keel_devfreq_fini(kdev);
	power_down(kdev);
	keel_irq_fini(kdev);
	cancel_work_sync(&kdev->recover);
	keel_ring_drop_all(kdev, -ENODEV);
	keel_gem_release_all(kdev);
	keel_mem_release_all(kdev);
}

/**
 * keel_device_shutdown() - for a front end: the machine restarts
 * @kdev: device
 *
 * Memory that the NPU writes to may belong to another kernel soon.
 */
void keel_device_shutdown(struct keel_device *kdev)
{
	power_down(kdev);
	keel_ring_drop_all(kdev, -ENODEV);
}
