// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "opencl.h"
#include "trial.h"

/* The backend's table, buffers and networks. */

static int opencl_open(const struct keel_device_options *options, struct keel_counters *counters,
		       struct keel_backend_device **device, struct keel_error *e)
{
	struct keel_cl_device *d;
	struct keel_cl_trial trial;
	int r;

	keel_cl_prepare(options);
	keel_cl_trial_begin(&trial, options);
	r = keel_cl_device_new(options, counters, NULL, &d, e);
	r = r ? r : keel_cl_device_choose_tier(d, options, &trial, e);
	keel_cl_trial_end(&trial);
	if (!r)
		*device = (struct keel_backend_device *)d;
	return r;
}

static void opencl_close(struct keel_backend_device *device)
{
	keel_cl_device_del((struct keel_cl_device *)device);
}

static void opencl_get_info(struct keel_backend_device *device, struct keel_device_info *info)
{
	*info = ((struct keel_cl_device *)device)->info;
}

static int opencl_buffer_new(struct keel_backend_device *device, uint64_t bytes, void *import,
			     struct keel_backend_buffer **buffer, struct keel_error *e)
{
	struct keel_cl_buffer *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return keel_error_set(e, -ENOMEM, "no memory for a buffer");
	b->device = (struct keel_cl_device *)device;
	r = keel_cl_memory_new(b->device, bytes, import, CL_MEM_READ_WRITE, &b->memory, e);
	if (r) {
		free(b);
		return r;
	}
	*buffer = (struct keel_backend_buffer *)b;
	return 0;
}

static void opencl_buffer_del(struct keel_backend_buffer *buffer)
{
	keel_cl_memory_del(&((struct keel_cl_buffer *)buffer)->memory);
	free(buffer);
}

static cl_map_flags map_flags(unsigned int flags)
{
	if (flags & KEEL_MAP_DISCARD && !(flags & KEEL_MAP_READ))
		return CL_MAP_WRITE_INVALIDATE_REGION;
	return (flags & KEEL_MAP_READ ? CL_MAP_READ : 0) |
	       (flags & KEEL_MAP_WRITE ? CL_MAP_WRITE : 0);
}

static int opencl_buffer_map(struct keel_backend_buffer *buffer, unsigned int flags, void **data,
			     struct keel_error *e)
{
	struct keel_cl_buffer *b = (struct keel_cl_buffer *)buffer;
	cl_int err = 0;

	b->mapped = b->memory.host;
	if (!b->mapped)
		b->mapped = clEnqueueMapBuffer(b->device->queue, b->memory.mem, CL_TRUE,
					       map_flags(flags), 0, b->memory.bytes, 0, NULL, NULL,
					       &err);
	*data = b->mapped;
	return b->mapped ? 0
			 : keel_error_set(e, keel_cl_errno(err),
					  "the buffer cannot be mapped: %s (%d)",
					  keel_cl_strerror(err), err);
}

static int opencl_buffer_unmap(struct keel_backend_buffer *buffer, struct keel_error *e)
{
	struct keel_cl_buffer *b = (struct keel_cl_buffer *)buffer;
	cl_int err = 0;

	if (!b->memory.host) {
		err = clEnqueueUnmapMemObject(b->device->queue, b->memory.mem, b->mapped, 0, NULL,
					      NULL);
		err = err ? err : clFinish(b->device->queue);
	}
	return err ? keel_error_set(e, keel_cl_errno(err), "the buffer cannot be unmapped: %s (%d)",
				    keel_cl_strerror(err), err)
		   : 0;
}

/* Device memory with a copy of @data; @import: the device may use the data where they lie. */
static int upload(struct keel_cl_device *d, const void *data, uint64_t bytes, bool import,
		  struct keel_cl_memory *m, struct keel_error *e)
{
	int r;

	if (import && d->direct)
		return keel_cl_memory_new(d, bytes, (void *)data, CL_MEM_READ_ONLY, m, e);
	r = keel_cl_memory_new(d, bytes, NULL, CL_MEM_READ_ONLY, m, e);
	return r || !bytes ? r : keel_cl_memory_access(d, m, 0, bytes, (void *)data, true, e);
}

static int upload_ops(struct keel_cl_net *n, struct keel_error *e)
{
	uint64_t bytes = n->model->nr_commands * sizeof(**n->plan.ops);
	unsigned int v;
	int r = 0;

	for (v = 0; v < KEEL_RUN_COUNT && !r; v++)
		if (n->plan.ops[v])
			r = upload(n->device, n->plan.ops[v], bytes, false, &n->ops[v], e);
	return r;
}

static int upload_all(struct keel_cl_net *n, struct keel_error *e)
{
	const struct keel_model *m = n->model;
	int r;

	r = upload(n->device, m->constants, m->constants_bytes, true, &n->constants, e);
	r = r ? r
	      : upload(n->device, m->commands, m->nr_commands * sizeof(*m->commands), false,
		       &n->commands, e);
	if (r || !n->device->tier)
		return r;
	r = upload_ops(n, e);
	r = r ? r : upload(n->device, n->plan.packed, n->plan.packed_bytes, false, &n->packed, e);
	free(n->plan.packed);
	n->plan.packed = NULL;
	return r;
}

static void opencl_program_del(struct keel_backend_program *program)
{
	struct keel_cl_net *n = (struct keel_cl_net *)program;
	unsigned int v;

	keel_cl_memory_del(&n->constants);
	keel_cl_memory_del(&n->commands);
	for (v = 0; v < KEEL_RUN_COUNT; v++)
		keel_cl_memory_del(&n->ops[v]);
	keel_cl_memory_del(&n->packed);
	keel_plan_free(&n->plan);
	free(n);
}

static int opencl_program_new(struct keel_backend_device *device, const struct keel_model *model,
			      struct keel_backend_program **program, struct keel_error *e)
{
	struct keel_cl_net *n = calloc(1, sizeof(*n));
	int r = 0;

	if (!n)
		return keel_error_set(e, -ENOMEM, "no memory for a program");
	n->device = (struct keel_cl_device *)device;
	n->model = model;
	if (n->device->tier)
		r = keel_plan_make(n->device->tier, model, n->device->groups, &n->plan, e);
	r = r ? r : upload_all(n, e);
	if (r) {
		opencl_program_del((struct keel_backend_program *)n);
		return r;
	}
	*program = (struct keel_backend_program *)n;
	return 0;
}

const struct keel_backend keel_backend_opencl = {
	.name = "opencl",
	.description = "any OpenCL 1.2 device; fast on CPUs through POCL",
	.open = opencl_open,
	.close = opencl_close,
	.get_info = opencl_get_info,
	.buffer_new = opencl_buffer_new,
	.buffer_del = opencl_buffer_del,
	.buffer_map = opencl_buffer_map,
	.buffer_unmap = opencl_buffer_unmap,
	.program_new = opencl_program_new,
	.program_del = opencl_program_del,
	.job_new = keel_cl_job_new,
	.job_del = keel_cl_job_del,
	.job_submit = keel_cl_job_submit,
	.job_wait = keel_cl_job_wait,
	.job_cancel = keel_cl_job_cancel,
	.job_profile = keel_cl_job_profile,
	.job_access = keel_cl_job_access,
	.roof = keel_cl_roof,
};
