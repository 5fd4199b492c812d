// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drm.h"

/*
 * Buffer objects. They are mapped when the CPU first needs them and stay mapped; who may touch
 * them is handed over with BO_SYNC, or with the dma-buf's own ioctl where it is another driver's.
 */

int keel_drm_memory_new(struct device *d, uint64_t bytes, const char *what, struct memory *m,
			struct keel_error *e)
{
	struct drm_keel_bo_create c = {.size = bytes};
	int r;

	*m = (struct memory){.device = d, .bytes = bytes, .fd = -1};
	if (!bytes)
		return 0;
	r = keel_drm_ioctl(d->fd, DRM_IOCTL_KEEL_BO_CREATE, &c);
	if (r)
		return keel_error_set(e, r, "no NPU memory for %" PRIu64 " bytes of %s: %s", bytes,
				      what, strerror(-r));
	m->handle = c.handle;
	return 0;
}

void keel_drm_memory_del(struct memory *m)
{
	if (m->data)
		munmap(m->data, m->bytes);
	if (m->fd >= 0)
		close(m->fd);
	if (m->handle)
		drmCloseBufferHandle(m->device->fd, m->handle);
	*m = (struct memory){.fd = -1};
}

static int map(struct memory *m, struct keel_error *e)
{
	struct drm_keel_bo_mmap a = {.handle = m->handle};
	int r = m->fd >= 0 ? 0 : keel_drm_ioctl(m->device->fd, DRM_IOCTL_KEEL_BO_MMAP, &a);
	void *p = MAP_FAILED;

	if (!r) {
		p = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 m->fd >= 0 ? m->fd : m->device->fd, (off_t)a.offset);
		r = p == MAP_FAILED ? -errno : 0;
	}
	if (r)
		return keel_error_set(e, r, "a buffer of %" PRIu64 " bytes can't be mapped: %s",
				      m->bytes, strerror(-r));
	m->data = p;
	return 0;
}

static int sync_own(struct memory *m, uint32_t flags)
{
	struct drm_keel_bo_sync s = {.handle = m->handle, .flags = flags, .bytes = m->bytes};

	if (!flags || m->device->info.capabilities & DRM_KEEL_CAP_COHERENT)
		return 0;
	return keel_drm_ioctl(m->device->fd, DRM_IOCTL_KEEL_BO_SYNC, &s);
}

static int sync_foreign(struct memory *m, uint64_t which)
{
	struct dma_buf_sync s = {.flags = which};

	if (m->map_flags & KEEL_MAP_READ)
		s.flags |= DMA_BUF_SYNC_READ;
	if (m->map_flags & KEEL_MAP_WRITE)
		s.flags |= DMA_BUF_SYNC_WRITE;
	return keel_drm_ioctl(m->fd, DMA_BUF_IOCTL_SYNC, &s);
}

int keel_drm_memory_begin(struct memory *m, unsigned int flags, struct keel_error *e)
{
	int r = m->data ? 0 : map(m, e);

	if (r)
		return r;
	m->map_flags = flags;
	r = m->fd >= 0 ? sync_foreign(m, DMA_BUF_SYNC_START)
		       : sync_own(m, flags & KEEL_MAP_DISCARD ? 0 : DRM_KEEL_SYNC_TO_CPU);
	return r ? keel_error_set(e, r, "the NPU's memory can't be handed to the CPU: %s",
				  strerror(-r))
		 : 0;
}

int keel_drm_memory_end(struct memory *m, struct keel_error *e)
{
	int r = m->fd >= 0
			? sync_foreign(m, DMA_BUF_SYNC_END)
			: sync_own(m, m->map_flags & KEEL_MAP_WRITE ? DRM_KEEL_SYNC_TO_DEVICE : 0);

	m->map_flags = 0;
	return r ? keel_error_set(e, r, "memory can't be handed to the NPU: %s", strerror(-r)) : 0;
}

/* get_info() says that memory can't be imported, so @import is NULL. */
int keel_drm_buffer_new(struct keel_backend_device *device, uint64_t bytes, void *import,
			struct keel_backend_buffer **buffer, struct keel_error *e)
{
	struct memory *m;
	int r;

	m = malloc(sizeof(*m));
	if (!m)
		return keel_error_set(e, -ENOMEM, "no memory for a buffer");
	r = keel_drm_memory_new((struct device *)device, bytes, "a buffer", m, e);
	if (r) {
		free(m);
		return r;
	}
	*buffer = (struct keel_backend_buffer *)m;
	return 0;
}

void keel_drm_buffer_del(struct keel_backend_buffer *buffer)
{
	struct memory *m = (struct memory *)buffer;

	keel_drm_memory_del(m);
	free(m);
}

int keel_drm_buffer_map(struct keel_backend_buffer *buffer, unsigned int flags, void **data,
			struct keel_error *e)
{
	struct memory *m = (struct memory *)buffer;
	int r = keel_drm_memory_begin(m, flags, e);

	*data = m->data;
	return r;
}

int keel_drm_buffer_unmap(struct keel_backend_buffer *buffer, struct keel_error *e)
{
	return keel_drm_memory_end((struct memory *)buffer, e);
}

int keel_drm_buffer_import_fd(struct keel_backend_device *device, int fd, uint64_t bytes,
			      struct keel_backend_buffer **buffer, struct keel_error *e)
{
	struct device *d = (struct device *)device;
	struct memory *m = malloc(sizeof(*m));
	off_t there = lseek(fd, 0, SEEK_END);
	int r = 0;

	if (!m)
		return keel_error_set(e, -ENOMEM, "no memory for a buffer");
	*m = (struct memory){.device = d, .bytes = bytes, .fd = dup(fd)};
	if (m->fd < 0)
		r = keel_error_set(e, -errno, "descriptor %d can't be used: %s", fd,
				   strerror(errno));
	else if (there >= 0 && (uint64_t)there < bytes)
		r = keel_error_set(e, -EINVAL,
				   "the dma-buf has %lld bytes, less than the %" PRIu64 " wanted",
				   (long long)there, bytes);
	else if (drmPrimeFDToHandle(d->fd, fd, &m->handle))
		r = keel_error_set(e, -errno,
				   "descriptor %d is no dma-buf that the NPU can use: %s", fd,
				   strerror(errno));
	if (r) {
		keel_drm_memory_del(m);
		free(m);
		return r;
	}
	*buffer = (struct keel_backend_buffer *)m;
	return 0;
}

int keel_drm_buffer_export_fd(struct keel_backend_buffer *buffer, int *fd, struct keel_error *e)
{
	struct memory *m = (struct memory *)buffer;

	if (drmPrimeHandleToFD(m->device->fd, m->handle, DRM_CLOEXEC | DRM_RDWR, fd))
		return keel_error_set(e, -errno, "the buffer can't be exported: %s",
				      strerror(errno));
	return 0;
}
