// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "opencl.h"
#include "roof.h"

/* Measuring what the device does at best with the kernels of roof.cl. */

#define LAUNCH_NS  1000000u /* as long as a launch should last at least */
#define LAUNCHES   12	    /* of which the fastest counts */
#define MAX_ROUNDS (1u << 26)
#define VECTOR	   64u /* bytes of one load */
#define UNROLLED   4u  /* of them */
#define MIN_STREAM (64u << 10)
#define MAX_STREAM (256u << 20)
#define GPU_LAUNCH 64u /* work-groups for each compute unit that is no CPU's */

/** struct roof_run - what is launched
 * @out: each work-item's result, and one more
 * @items: work-items of all workers
 */
struct roof_run {
	struct keel_cl_device *device;
	cl_program program;
	cl_command_queue queue;
	struct keel_cl_memory out, in;
	size_t items, local;
};

static int failed(const char *what, cl_int err, struct keel_error *e)
{
	return keel_error_set(e, keel_cl_errno(err), "OpenCL could not %s to measure: %s (%d)",
			      what, keel_cl_strerror(err), err);
}

static int launch(struct roof_run *r, cl_kernel k, size_t items, uint64_t *ns, struct keel_error *e)
{
	const size_t local = items < r->local ? items : r->local;
	cl_ulong start, end;
	cl_event event;
	cl_int err;

	err = clEnqueueNDRangeKernel(r->queue, k, 1, NULL, &items, &local, 0, NULL, &event);
	if (err)
		return failed("start a kernel", err, e);
	err = clWaitForEvents(1, &event);
	err = err ? err
		  : clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof(start),
					    &start, NULL);
	err = err ? err
		  : clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(end), &end,
					    NULL);
	clReleaseEvent(event);
	if (err)
		return failed("run a kernel", err, e);
	*ns = end > start ? end - start : 1;
	return 0;
}

/* Argument @index of the kernel says how often; long launches, so that starting them is little. */
static int time_rounds(struct roof_run *r, cl_kernel k, cl_uint index, size_t items,
		       double *ns_of_one, struct keel_error *e)
{
	cl_uint rounds = 1;
	uint64_t ns = 0, best = UINT64_MAX;
	unsigned int i;
	int err = 0;

	for (i = 0; i < LAUNCHES && !err; i++) {
		if (clSetKernelArg(k, index, sizeof(rounds), &rounds))
			return failed("set arguments", CL_INVALID_KERNEL_ARGS, e);
		err = launch(r, k, items, &ns, e);
		if (!err && ns < LAUNCH_NS && rounds < MAX_ROUNDS) {
			rounds *= 2;
			i = 0;
		} else if (!err && ns < best) {
			best = ns;
		}
	}
	*ns_of_one = (double)best / rounds;
	return err;
}

static int get_kernel(struct roof_run *r, const char *name, cl_kernel *k, struct keel_error *e)
{
	cl_int err;

	*k = clCreateKernel(r->program, name, &err);
	return *k ? 0 : failed("make a kernel", err, e);
}

static int measure_dots(struct roof_run *r, struct keel_roof *roof, struct keel_error *e)
{
	double one = 1, all = 1;
	cl_int macs = 0;
	cl_kernel k;
	int err = get_kernel(r, "keel_roof_dots", &k, e);

	if (err)
		return err;
	if (clSetKernelArg(k, 0, sizeof(cl_mem), &r->out.mem))
		err = failed("set arguments", CL_INVALID_KERNEL_ARGS, e);
	if (!err && r->device->direct)
		err = time_rounds(r, k, 1, 1, &one, e);
	if (!err)
		err = time_rounds(r, k, 1, r->items, &all, e);
	if (!err)
		err = keel_cl_memory_access(r->device, &r->out, 0, sizeof(macs), &macs, false, e);
	roof->macs = macs * (double)r->items / all * 1e9;
	roof->worker_macs = r->device->direct ? macs / one * 1e9 : 0;
	clReleaseKernel(k);
	return err;
}

/* CPUs read pieces one behind the other; work-items of others side by side. */
static int set_read_arguments(struct roof_run *r, cl_kernel k, cl_ulong count, struct keel_error *e)
{
	const cl_ulong apart = r->device->direct ? count : 1;
	const cl_ulong step = r->device->direct ? 1 : r->items;
	cl_int err = clSetKernelArg(k, 0, sizeof(cl_mem), &r->in.mem);

	err |= clSetKernelArg(k, 1, sizeof(cl_mem), &r->out.mem);
	err |= clSetKernelArg(k, 2, sizeof(count), &count);
	err |= clSetKernelArg(k, 3, sizeof(apart), &apart);
	err |= clSetKernelArg(k, 4, sizeof(step), &step);
	return err ? failed("set arguments", CL_INVALID_KERNEL_ARGS, e) : 0;
}

static int measure_reading(struct roof_run *r, uint64_t bytes, struct keel_roof *roof,
			   struct keel_error *e)
{
	cl_ulong count = bytes / VECTOR / r->items / UNROLLED * UNROLLED;
	double pass = 1;
	cl_kernel k;
	int err;

	count = count ? count : UNROLLED;
	err = keel_cl_memory_new(r->device, count * r->items * VECTOR, NULL, CL_MEM_READ_WRITE,
				 &r->in, e);
	err = err ? err : get_kernel(r, "keel_roof_read", &k, e);
	if (err)
		return err;
	err = set_read_arguments(r, k, count, e);
	err = err ? err : time_rounds(r, k, 5, r->items, &pass, e);
	roof->bandwidth = (double)(count * r->items * VECTOR) / pass * 1e9;
	clReleaseKernel(k);
	return err;
}

static int open_run(struct roof_run *r, struct keel_error *e)
{
	struct keel_cl_device *d = r->device;
	cl_int err;

	r->local = d->direct ? 1 : d->local;
	r->items = d->direct ? d->groups : d->info.compute_units * r->local * GPU_LAUNCH;
	r->queue = clCreateCommandQueue(d->context, d->id, CL_QUEUE_PROFILING_ENABLE, &err);
	if (!r->queue)
		return failed("make a queue", err, e);
	/* Results are eight bytes at most. */
	return keel_cl_memory_new(d, (r->items + 1) * 8, NULL, CL_MEM_READ_WRITE, &r->out, e);
}

static void close_run(struct roof_run *r)
{
	keel_cl_memory_del(&r->in);
	keel_cl_memory_del(&r->out);
	if (r->queue)
		clReleaseCommandQueue(r->queue);
}

static uint64_t stream_bytes(uint64_t bytes)
{
	return bytes < MIN_STREAM ? MIN_STREAM : bytes > MAX_STREAM ? MAX_STREAM : bytes;
}

int keel_cl_roof(struct keel_backend_device *device, uint64_t bytes, struct keel_roof *roof,
		 struct keel_error *e)
{
	struct keel_cl_device *d = (struct keel_cl_device *)device;
	enum keel_cl_program_kind kind = d->tier ? KEEL_CL_ROOF : KEEL_CL_PORTABLE;
	struct roof_run r = {.device = d};
	int err;

	memset(roof, 0, sizeof(*roof));
	roof->dot = d->tier ? d->tier->dot : "32-bit multiply-add";
	roof->workers = d->direct ? d->groups : 0;
	err = keel_cl_program(d, kind, &r.program, e);
	err = err ? err : open_run(&r, e);
	err = err ? err : measure_dots(&r, roof, e);
	err = err ? err : measure_reading(&r, stream_bytes(bytes), roof, e);
	close_run(&r);
	if (!err)
		keel_cl_store_program(d, kind);
	return err;
}
