// SPDX-License-Identifier: MIT
#include <errno.h>
#include <xf86drm.h>

#include "drm.h"

int keel_drm_ioctl(int fd, unsigned long request, void *arg)
{
	return drmIoctl(fd, request, arg) ? -errno : 0;
}

const struct keel_backend keel_backend_drm = {
	.name = "drm",
	.description = "an NPU behind the Keel accel driver (/dev/accel)",
	.open = keel_drm_open,
	.close = keel_drm_close,
	.get_info = keel_drm_get_info,
	.read_counters = keel_drm_read_counters,
	.buffer_new = keel_drm_buffer_new,
	.buffer_del = keel_drm_buffer_del,
	.buffer_map = keel_drm_buffer_map,
	.buffer_unmap = keel_drm_buffer_unmap,
	.buffer_import_fd = keel_drm_buffer_import_fd,
	.buffer_export_fd = keel_drm_buffer_export_fd,
	.program_new = keel_drm_program_new,
	.program_del = keel_drm_program_del,
	.job_new = keel_drm_job_new,
	.job_del = keel_drm_job_del,
	.job_submit = keel_drm_job_submit,
	.job_wait = keel_drm_job_wait,
	.job_cancel = keel_drm_job_cancel,
	.job_profile = keel_drm_job_profile,
	.job_timeline = keel_drm_job_timeline,
	.job_access = keel_drm_job_access,
	.job_set_fence = keel_drm_job_set_fence,
	.job_get_fence = keel_drm_job_get_fence,
};
