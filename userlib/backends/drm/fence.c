// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <xf86drm.h>

#include "drm.h"

/* Fences as file descriptors (sync files), to and from other drivers. */

int keel_drm_job_set_fence(struct keel_backend_job *job, int fd, struct keel_error *e)
{
	struct job *j = (struct job *)job;

	if (drmSyncobjImportSyncFile(j->program->device->fd, j->before, fd))
		return keel_error_set(e, -errno, "descriptor %d is no fence: %s", fd,
				      strerror(errno));
	j->has_before = true;
	return 0;
}

int keel_drm_job_get_fence(struct keel_backend_job *job, int *fd, struct keel_error *e)
{
	struct job *j = (struct job *)job;

	if (drmSyncobjExportSyncFile(j->program->device->fd, j->done, fd))
		return keel_error_set(e, -errno, "the job has no fence: %s", strerror(errno));
	return 0;
}
