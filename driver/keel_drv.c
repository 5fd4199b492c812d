// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>

#include "keel_drv.h"

#define CREATE_TRACE_POINTS
#include "keel_trace.h"

static void file_release(struct kref *ref)
{
	kfree(container_of(ref, struct keel_file, ref));
}

/**
 * keel_file_put() - drop a reference; any context
 * @kfile: client
 */
void keel_file_put(struct keel_file *kfile)
{
	kref_put(&kfile->ref, file_release);
}

static struct keel_file *file_new(struct keel_device *kdev)
{
	struct keel_file *kfile = kzalloc(sizeof(*kfile), GFP_KERNEL_ACCOUNT);

	if (!kfile)
		return NULL;
	kref_init(&kfile->ref);
	kfile->kdev = kdev;
	kfile->client = atomic64_inc_return(&kdev->next_client);
	kfile->pid = task_tgid_nr(current);
	get_task_comm(kfile->comm, current);
	xa_init_flags(&kfile->queues, XA_FLAGS_ALLOC1);
	xa_init_flags(&kfile->cmds, XA_FLAGS_ALLOC1);
	xa_init_flags(&kfile->perfs, XA_FLAGS_ALLOC1);
	spin_lock_init(&kfile->lock);
	hash_init(kfile->records);
	INIT_LIST_HEAD(&kfile->over);
	init_waitqueue_head(&kfile->wait);
	return kfile;
}

static int keel_open(struct drm_device *drm, struct drm_file *file)
{
	struct keel_device *kdev = to_keel_device(drm);
	struct keel_file *kfile;
	int idx;

	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	kfile = file_new(kdev);
	if (kfile)
		kfile->as = keel_as_new(kdev);
	drm_dev_exit(idx);
	if (!kfile)
		return -ENOMEM;
	if (IS_ERR(kfile->as)) {
		int ret = PTR_ERR(kfile->as);

		keel_file_put(kfile);
		return ret;
	}
	keel_count(kdev, NULL, KEEL_HW_COUNTER_CLIENTS, 1);
	file->driver_priv = kfile;
	return 0;
}

static void keel_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct keel_file *kfile = file->driver_priv;

	keel_queue_kill_all(kfile);
	/* Fences that jobs wait for are signalled some day, and then the jobs are freed. */
	wait_event(kfile->wait, !atomic_read(&kfile->jobs));
	keel_record_forget_all(kfile);
	keel_cmd_put_all(kfile);
	keel_perf_file_fini(kfile);
	keel_as_del(kfile->as);
	keel_count(kfile->kdev, NULL, KEEL_HW_COUNTER_CLIENTS, -1);
	keel_file_put(kfile);
}

#define IOCTL(NAME, function) DRM_IOCTL_DEF_DRV(KEEL_##NAME, function, DRM_RENDER_ALLOW)

static const struct drm_ioctl_desc ioctls[] = {
	IOCTL(QUERY, keel_query_ioctl),
	IOCTL(BO_CREATE, keel_bo_create_ioctl),
	IOCTL(BO_MMAP, keel_bo_mmap_ioctl),
	IOCTL(BO_SYNC, keel_bo_sync_ioctl),
	IOCTL(CMD_CREATE, keel_cmd_create_ioctl),
	IOCTL(CMD_DESTROY, keel_cmd_destroy_ioctl),
	IOCTL(QUEUE_CREATE, keel_queue_create_ioctl),
	IOCTL(QUEUE_DESTROY, keel_queue_destroy_ioctl),
	IOCTL(SUBMIT, keel_submit_ioctl),
	IOCTL(JOB_WAIT, keel_job_wait_ioctl),
	IOCTL(JOB_CANCEL, keel_job_cancel_ioctl),
	IOCTL(PERF, keel_perf_ioctl),
};

/*
 * These ask the DRM core for the master of a display, which files of accelerators don't have; the
 * core doesn't expect that and follows a NULL pointer.
 */
static bool needs_master(unsigned int cmd)
{
	unsigned int nr = DRM_IOCTL_NR(cmd);

	return nr == DRM_IOCTL_NR(DRM_IOCTL_GET_UNIQUE) || nr == DRM_IOCTL_NR(DRM_IOCTL_GET_MAGIC);
}

static long keel_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return needs_master(cmd) ? -EOPNOTSUPP : drm_ioctl(filp, cmd, arg);
}

#ifdef CONFIG_COMPAT
static long keel_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return needs_master(cmd) ? -EOPNOTSUPP : drm_compat_ioctl(filp, cmd, arg);
}
#else
#define keel_compat_ioctl NULL
#endif

static const struct file_operations keel_fops = {
	.owner = THIS_MODULE,
	.open = accel_open,
	.release = drm_release,
	.unlocked_ioctl = keel_ioctl,
	.compat_ioctl = keel_compat_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = drm_gem_mmap,
	.fop_flags = FOP_UNSIGNED_OFFSET,
	.show_fdinfo = drm_show_fdinfo,
};

static const struct drm_driver keel_driver = {
	.driver_features =
		DRIVER_COMPUTE_ACCEL | DRIVER_GEM | DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE,
	.open = keel_open,
	.postclose = keel_postclose,
	.show_fdinfo = keel_fdinfo_show,
	.gem_create_object = keel_gem_create_object,
	.gem_prime_import = keel_gem_import,
	.gem_prime_import_sg_table = drm_gem_shmem_prime_import_sg_table,
	.ioctls = ioctls,
	.num_ioctls = ARRAY_SIZE(ioctls),
	.fops = &keel_fops,
	.name = KEEL_DRIVER_NAME,
	.desc = "Keel NPU",
	.date = "20261123",
	.major = 1,
	.minor = 0,
};

static void device_release(struct drm_device *drm, void *data)
{
	struct keel_device *kdev = to_keel_device(drm);

	keel_coredump_fini(kdev);
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
		ret = keel_coredump_init(kdev);
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

static int __init keel_init(void)
{
	int ret = keel_pci_register();

	if (ret)
		return ret;
	ret = keel_platform_register();
	if (ret)
		keel_pci_unregister();
	return ret;
}
module_init(keel_init);

static void __exit keel_exit(void)
{
	keel_platform_unregister();
	keel_pci_unregister();
}
module_exit(keel_exit);

MODULE_DESCRIPTION("Keel int8 neural processing unit");
MODULE_FIRMWARE(KEEL_FIRMWARE);
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
