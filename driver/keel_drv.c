// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_ioctl.h>

#include "keel_bus.h"
#include "keel_cmd.h"
#include "keel_drv.h"
#include "keel_fdinfo.h"
#include "keel_file.h"
#include "keel_fw.h"
#include "keel_gem.h"
#include "keel_perf.h"
#include "keel_query.h"
#include "keel_queue.h"
#include "keel_record.h"
#include "keel_submit.h"

#define CREATE_TRACE_POINTS
#include "keel_trace.h"

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

const struct drm_driver keel_driver = {
	.driver_features =
		DRIVER_COMPUTE_ACCEL | DRIVER_GEM | DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE,
	.open = keel_file_open,
	.postclose = keel_file_close,
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
/* So that an initial RAM disk has it. */
MODULE_SOFTDEP("pre: governor_simpleondemand");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
