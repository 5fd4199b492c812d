// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "opencl.h"

/* Buffer objects. On CPU devices they are host memory that kernels use where it lies. */

static const struct {
	cl_int err;
	const char *name;
	int err_no;
} errors[] = {
	{CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND", -ENODEV},
	{CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE", -ENODEV},
	{CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE", -ENODEV},
	{CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE", -ENOMEM},
	{CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES", -ENOMEM},
	{CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY", -ENOMEM},
	{CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE", -EIO},
	{CL_MAP_FAILURE, "CL_MAP_FAILURE", -EIO},
	{CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE", -ENOMEM},
	{CL_INVALID_BINARY, "CL_INVALID_BINARY", -EIO},
	{CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS", -EIO},
	{CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE", -EIO},
};

const char *keel_cl_strerror(cl_int err)
{
	unsigned int i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].err == err)
			return errors[i].name;
	return "an OpenCL error";
}

int keel_cl_errno(cl_int err)
{
	unsigned int i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].err == err)
			return errors[i].err_no;
	return -EIO;
}

static int no_memory(uint64_t bytes, cl_int err, struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM, "no memory for a buffer of %" PRIu64 " bytes: %s (%d)",
			      bytes, keel_cl_strerror(err), err);
}

#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_FROM ((size_t)256 << 10) /* what is smaller gains nothing */

/*
 * Zeroed pages; they cost nothing until they are touched. Large ones are asked for in
 * huge pages: tiles hop from row to row, and translations would not keep up.
 */
static int get_pages(struct keel_cl_memory *m, struct keel_error *e)
{
	size_t bytes = m->bytes, align = bytes >= HUGE_FROM ? HUGE_PAGE : 0;
	uint8_t *p;

	if (align)
		bytes = (bytes + align - 1) / align * align;
	p = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return no_memory(m->bytes, CL_OUT_OF_HOST_MEMORY, e);
	if (align) {
		size_t skip = (align - (uintptr_t)p % align) % align;

		if (skip)
			munmap(p, skip);
		if (align - skip)
			munmap(p + skip + bytes, align - skip);
		p += skip;
		madvise(p, bytes, MADV_HUGEPAGE);
	}
	m->host = p;
	m->mapped = bytes;
	return 0;
}

static int clear(struct keel_cl_device *d, struct keel_cl_memory *m, struct keel_error *e)
{
	const cl_uchar zero = 0;
	cl_int err = clEnqueueFillBuffer(d->queue, m->mem, &zero, 1, 0, m->bytes, 0, NULL, NULL);

	err = err ? err : clFinish(d->queue);
	return err ? no_memory(m->bytes, err, e) : 0;
}

int keel_cl_memory_new(struct keel_cl_device *d, uint64_t bytes, void *import, cl_mem_flags flags,
		       struct keel_cl_memory *m, struct keel_error *e)
{
	cl_int err;
	int r;

	*m = (struct keel_cl_memory){.bytes = bytes};
	if (!bytes)
		return 0;
	if (bytes > d->max_alloc || bytes > SIZE_MAX)
		return keel_error_set(e, -ENOMEM,
				      "a buffer of %" PRIu64 " bytes is more than device '%s' can "
				      "allocate at once (%" PRIu64 ")",
				      bytes, d->info.name, d->max_alloc);
	m->host = import;
	if (!import && d->direct) {
		r = get_pages(m, e);
		if (r)
			return r;
	}
	flags |= m->host ? CL_MEM_USE_HOST_PTR : CL_MEM_ALLOC_HOST_PTR;
	m->mem = clCreateBuffer(d->context, flags, bytes, m->host, &err);
	if (!m->mem) {
		keel_cl_memory_del(m);
		return no_memory(bytes, err, e);
	}
	r = m->host ? 0 : clear(d, m, e);
	if (r)
		keel_cl_memory_del(m);
	if (!d->direct)
		m->host = NULL;
	return r;
}

void keel_cl_memory_del(struct keel_cl_memory *m)
{
	if (m->mem)
		clReleaseMemObject(m->mem);
	if (m->mapped)
		munmap(m->host, m->mapped);
	*m = (struct keel_cl_memory){0};
}

int keel_cl_memory_access(struct keel_cl_device *d, struct keel_cl_memory *m, uint64_t offset,
			  uint64_t bytes, void *data, bool write, struct keel_error *e)
{
	cl_int err;

	if (m->host) {
		uint8_t *at = (uint8_t *)m->host + offset;

		memcpy(write ? at : data, write ? data : at, bytes);
		return 0;
	}
	if (write)
		err = clEnqueueWriteBuffer(d->queue, m->mem, CL_TRUE, offset, bytes, data, 0, NULL,
					   NULL);
	else
		err = clEnqueueReadBuffer(d->queue, m->mem, CL_TRUE, offset, bytes, data, 0, NULL,
					  NULL);
	return err ? keel_error_set(e, keel_cl_errno(err),
				    "a transfer of %" PRIu64 " bytes failed: %s "
				    "(%d)",
				    bytes, keel_cl_strerror(err), err)
		   : 0;
}
