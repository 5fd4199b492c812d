// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "private.h"

#define MAP_FLAGS (KEEL_MAP_READ | KEEL_MAP_WRITE | KEEL_MAP_DISCARD)

/* Buffers never touch in key space: an overlap is always a real one. */
static uint64_t take_key(struct keel_device *d, uint64_t bytes)
{
	uint64_t key;

	pthread_mutex_lock(&d->lock);
	key = d->next_key;
	d->next_key += bytes;
	pthread_mutex_unlock(&d->lock);
	return key;
}

/** struct origin - where a new buffer's memory comes from
 * @import: the caller's memory, or NULL
 * @fd: a dma-buf, or -1
 */
struct origin {
	void *import;
	int fd;
};

static int backend_buffer(struct keel_device *d, const struct origin *from, uint64_t bytes,
			  struct keel_backend_buffer **buffer, struct keel_error *e)
{
	if (from->fd < 0)
		return d->backend->buffer_new(d->priv, bytes, from->import, buffer, e);
	if (!d->backend->buffer_import_fd)
		return keel_error_set(e, -EOPNOTSUPP, "backend %s can't use dma-bufs",
				      d->backend->name);
	return d->backend->buffer_import_fd(d->priv, from->fd, bytes, buffer, e);
}

static int buffer_create(struct keel_device *d, const struct origin *from, uint64_t bytes,
			 struct keel_buffer **buffer, struct keel_error *e)
{
	struct keel_buffer *b;
	int r;

	if (!bytes || bytes >> 48)
		return keel_error_set(
			e, -EINVAL,
			"a buffer of %" PRIu64 " bytes is impossible: 1 byte to 256 TiB", bytes);
	b = calloc(1, sizeof(*b));
	if (!b)
		return keel_error_set(e, -ENOMEM, "no memory for a buffer");
	r = backend_buffer(d, from, bytes, &b->priv, e);
	if (r) {
		free(b);
		return r;
	}
	atomic_init(&b->refs, 1);
	pthread_mutex_init(&b->lock, NULL);
	b->device = keel_device_ref(d);
	b->bytes = bytes;
	b->key = from->import ? (uint64_t)(uintptr_t)from->import : take_key(d, bytes);
	keel_counter_add(&d->counters, KEEL_COUNTER_BUFFERS, 1);
	keel_counter_add(&d->counters, KEEL_COUNTER_BUFFER_BYTES, bytes);
	*buffer = b;
	return 0;
}

int keel_buffer_new(struct keel_device *device, uint64_t bytes, struct keel_buffer **buffer,
		    struct keel_error *error)
{
	keel_error_clear(error);
	return buffer_create(device, &(struct origin){NULL, -1}, bytes, buffer, error);
}

int keel_buffer_import(struct keel_device *device, void *data, uint64_t bytes,
		       struct keel_buffer **buffer, struct keel_error *error)
{
	keel_error_clear(error);
	if (!device->info.align)
		return keel_error_set(error, -EOPNOTSUPP,
				      "backend %s can't reach the program's own memory: use "
				      "keel_buffer_new() or keel_buffer_import_fd()",
				      device->info.backend);
	if (!data || (uintptr_t)data % device->info.align)
		return keel_error_set(error, -EINVAL,
				      "memory at %p can't be imported: %s wants a multiple of %u",
				      data, device->info.backend, device->info.align);
	return buffer_create(device, &(struct origin){data, -1}, bytes, buffer, error);
}

int keel_buffer_import_fd(struct keel_device *device, int fd, uint64_t bytes,
			  struct keel_buffer **buffer, struct keel_error *error)
{
	keel_error_clear(error);
	if (fd < 0)
		return keel_error_set(error, -EBADF, "%d is no descriptor of a dma-buf", fd);
	return buffer_create(device, &(struct origin){NULL, fd}, bytes, buffer, error);
}

int keel_buffer_export_fd(struct keel_buffer *buffer, int *fd, struct keel_error *error)
{
	const struct keel_backend *backend = buffer->device->backend;

	keel_error_clear(error);
	if (!backend->buffer_export_fd)
		return keel_error_set(error, -EOPNOTSUPP, "backend %s has no dma-bufs",
				      backend->name);
	return backend->buffer_export_fd(buffer->priv, fd, error);
}

struct keel_buffer *keel_buffer_ref(struct keel_buffer *buffer)
{
	atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
	return buffer;
}

void keel_buffer_del(struct keel_buffer *buffer)
{
	struct keel_device *d;

	if (!buffer || atomic_fetch_sub(&buffer->refs, 1) != 1)
		return;
	d = buffer->device;
	if (buffer->maps)
		d->backend->buffer_unmap(buffer->priv, NULL);
	d->backend->buffer_del(buffer->priv);
	keel_counter_sub(&d->counters, KEEL_COUNTER_BUFFERS, 1);
	keel_counter_sub(&d->counters, KEEL_COUNTER_BUFFER_BYTES, buffer->bytes);
	pthread_mutex_destroy(&buffer->lock);
	free(buffer);
	keel_device_del(d);
}

uint64_t keel_buffer_get_bytes(struct keel_buffer *buffer)
{
	return buffer->bytes;
}

/*
 * Counted before the backend maps it, so that from here on no submission can
 * claim the buffer. A job that has claimed it maps it for its own host steps.
 */
static int count_map(struct keel_buffer *b, unsigned int flags, bool claimed, struct keel_error *e)
{
	int r = 0;

	pthread_mutex_lock(&b->device->lock);
	if (!claimed && keel_claim_find(b, flags & KEEL_MAP_WRITE))
		r = keel_error_set(e, -EBUSY,
				   "the buffer is used by a job; wait for it before mapping");
	else if (b->maps && (flags & ~b->map_flags & (KEEL_MAP_READ | KEEL_MAP_WRITE)))
		r = keel_error_set(
			e, -EBUSY,
			"the buffer is mapped with fewer rights (0x%x) than wanted (0x%x)",
			b->map_flags, flags);
	else
		b->maps++;
	pthread_mutex_unlock(&b->device->lock);
	return r;
}

static void uncount_map(struct keel_buffer *b)
{
	pthread_mutex_lock(&b->device->lock);
	b->maps--;
	pthread_mutex_unlock(&b->device->lock);
}

static int map_locked(struct keel_buffer *b, unsigned int flags, bool claimed, void **data,
		      struct keel_error *e)
{
	int r = count_map(b, flags, claimed, e);

	if (r)
		return r;
	if (!b->data) {
		r = b->device->backend->buffer_map(b->priv, flags, &b->data, e);
		b->map_flags = flags;
	}
	if (r) {
		b->data = NULL;
		uncount_map(b);
		return r;
	}
	*data = b->data;
	return 0;
}

static int buffer_map(struct keel_buffer *b, unsigned int flags, bool claimed, void **data,
		      struct keel_error *e)
{
	int r;

	if (flags & ~MAP_FLAGS || !(flags & (KEEL_MAP_READ | KEEL_MAP_WRITE)))
		return keel_error_set(
			e, -EINVAL,
			"map flags 0x%x are not a combination of read, write and discard", flags);
	if (flags & KEEL_MAP_DISCARD && flags & KEEL_MAP_READ)
		return keel_error_set(e, -EINVAL,
				      "a map that discards the contents can't read them");
	pthread_mutex_lock(&b->lock);
	r = map_locked(b, flags, claimed, data, e);
	pthread_mutex_unlock(&b->lock);
	return r;
}

int keel_buffer_map(struct keel_buffer *buffer, unsigned int flags, void **data,
		    struct keel_error *error)
{
	keel_error_clear(error);
	return buffer_map(buffer, flags, false, data, error);
}

int keel_buffer_map_claimed(struct keel_buffer *b, unsigned int flags, void **data,
			    struct keel_error *e)
{
	return buffer_map(b, flags, true, data, e);
}

int keel_buffer_unmap(struct keel_buffer *buffer, struct keel_error *error)
{
	int r = 0;

	keel_error_clear(error);
	pthread_mutex_lock(&buffer->lock);
	if (!buffer->data) {
		r = keel_error_set(error, -EINVAL, "the buffer is not mapped");
		goto out;
	}
	/*
	 * Unmapped before it is uncounted, so that no submission comes in between.
	 * @maps can be read: it changes only under both locks.
	 */
	if (buffer->maps == 1) {
		r = buffer->device->backend->buffer_unmap(buffer->priv, error);
		buffer->data = NULL;
	}
	uncount_map(buffer);
out:
	pthread_mutex_unlock(&buffer->lock);
	return r;
}
