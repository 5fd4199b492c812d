// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "job.h"

/* Kernels and their arguments. */

#define SYNC_LINE  64u		     /* bytes; as KEEL_SYNC_LINE of the kernels */
#define MAX_GLOBAL ((size_t)1 << 20) /* work-items; they loop */

/* Positions in the argument lists of portable.cl and run.cl. */
enum { P_COMMANDS, P_STOP, P_INDEX, P_ELEMENTS, P_SLOTS };
enum {
	R_COMMANDS,
	R_OPS,
	R_PACKED,
	R_SYNC,
	R_SCRATCH,
	R_STRIDE,
	R_TILES,
	R_FIRST,
	R_COUNT,
	R_OFFSETS,
	R_SLOTS
};

static const char *const names[KEEL_CL_KERNEL_COUNT] = {
	[KEEL_CL_COPY] = "keel_copy",	    [KEEL_CL_WEIGHTS] = "keel_weights",
	[KEEL_CL_MAC] = "keel_mac",	    [KEEL_CL_POOL] = "keel_pool",
	[KEEL_CL_ELTWISE] = "keel_eltwise", [KEEL_CL_UNARY] = "keel_unary",
	[KEEL_CL_SOFTMAX] = "keel_softmax", [KEEL_CL_RESIZE] = "keel_resize",
	[KEEL_CL_REDUCE] = "keel_reduce",   [KEEL_CL_TRANSPOSE] = "keel_transpose",
};

uint64_t keel_cl_sync_bytes(const struct keel_cl_net *net)
{
	uint64_t counters =
		net->device->tier ? (uint64_t)net->model->nr_commands * net->device->groups : 0;

	return (2 + 2 * counters) * SYNC_LINE;
}

static int failed(const char *what, cl_int err, struct keel_error *e)
{
	return keel_error_set(e, keel_cl_errno(err), "OpenCL could not %s: %s (%d)", what,
			      keel_cl_strerror(err), err);
}

static uint32_t worker_bytes(const struct keel_cl_net *net)
{
	uint32_t vl = net->device->tier->vl;
	uint32_t fixed = KEEL_TILE_ROWS * 2 * vl * (4 * KEEL_TILES_MAX + 2) +
			 net->plan.group_tiles * (uint32_t)sizeof(struct keel_tile);

	return (net->plan.worker_bytes + fixed + 4095) / 4096 * 4096 + 128;
}

static int set_run_arguments(struct keel_cl_job *job, cl_kernel k, struct keel_error *e)
{
	struct keel_cl_net *net = job->net;
	cl_uint stride = worker_bytes(net), tiles = net->plan.group_tiles;
	const struct keel_cl_memory *packed = net->packed.mem ? &net->packed : &net->commands;
	cl_int err;

	err = clSetKernelArg(k, R_COMMANDS, sizeof(cl_mem), &net->commands.mem);
	err |= clSetKernelArg(k, R_PACKED, sizeof(cl_mem), &packed->mem);
	err |= clSetKernelArg(k, R_SYNC, sizeof(cl_mem), &job->sync.mem);
	err |= clSetKernelArg(k, R_SCRATCH, sizeof(cl_mem), &job->worker.mem);
	err |= clSetKernelArg(k, R_STRIDE, sizeof(stride), &stride);
	err |= clSetKernelArg(k, R_TILES, sizeof(tiles), &tiles);
	return err ? failed("set arguments", CL_INVALID_KERNEL_ARGS, e) : 0;
}

/* The kernel of a program of the tier. */
static int get_run(struct keel_cl_job *job, enum keel_cl_program_kind kind, struct keel_error *e)
{
	cl_program program;
	cl_int err;
	int r;

	if (job->run[kind])
		return 0;
	r = keel_cl_program(job->net->device, kind, &program, e);
	if (r)
		return r;
	job->run[kind] = clCreateKernel(program, "keel_run", &err);
	if (!job->run[kind])
		return failed("make a kernel", err, e);
	return set_run_arguments(job, job->run[kind], e);
}

static int init_fast(struct keel_cl_job *job, struct keel_error *e)
{
	struct keel_cl_device *d = job->net->device;
	int r = keel_cl_memory_new(d, (uint64_t)worker_bytes(job->net) * d->groups, NULL,
				   CL_MEM_READ_WRITE, &job->worker, e);

	job->fast = true;
	return r ? r : get_run(job, KEEL_CL_FAST, e);
}

static int init_portable(struct keel_cl_job *job, struct keel_error *e)
{
	cl_program program;
	unsigned int i;
	cl_int err;
	int r;

	r = keel_cl_program(job->net->device, KEEL_CL_PORTABLE, &program, e);
	for (i = 0; !r && i < KEEL_CL_KERNEL_COUNT; i++) {
		job->kernels[i] = clCreateKernel(program, names[i], &err);
		if (!job->kernels[i])
			return failed("make a kernel", err, e);
		err = clSetKernelArg(job->kernels[i], P_COMMANDS, sizeof(cl_mem),
				     &job->net->commands.mem);
		err |= clSetKernelArg(job->kernels[i], P_STOP, sizeof(cl_mem), &job->sync.mem);
		if (err)
			return failed("set arguments", CL_INVALID_KERNEL_ARGS, e);
	}
	return r;
}

int keel_cl_launch_init(struct keel_cl_job *job, struct keel_error *e)
{
	return job->net->device->tier ? init_fast(job, e) : init_portable(job, e);
}

/* What stands in for a slot that isn't bound; no command touches it. */
static struct keel_cl_slot slot(const struct keel_cl_job *job, uint8_t number)
{
	struct keel_cl_slot s = job->slots[number];

	if (!s.mem)
		s = (struct keel_cl_slot){.mem = job->net->commands.mem};
	return s;
}

/* Without decoded weights all kinds of runs are the same. */
static enum keel_run ops_of(const struct keel_cl_job *job)
{
	return job->net->plan.ops[job->kind] ? job->kind : KEEL_RUN_FIRST;
}

/* The arguments that a submission has its own of. */
static cl_int set_run_slots(struct keel_cl_job *job, cl_kernel k)
{
	cl_ulong offsets[KEEL_SLOT_COUNT];
	cl_int err = 0;
	uint8_t i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		struct keel_cl_slot s = slot(job, i);

		offsets[i] = s.offset;
		err |= clSetKernelArg(k, R_SLOTS + i, sizeof(cl_mem), &s.mem);
	}
	err |= clSetKernelArg(k, R_OPS, sizeof(cl_mem), &job->net->ops[ops_of(job)].mem);
	return err | clSetKernelArg(k, R_OFFSETS, sizeof(offsets), offsets);
}

/* Commands of one program. */
static int run(struct keel_cl_job *job, enum keel_cl_program_kind kind, cl_uint first,
	       cl_uint count, cl_event *event, struct keel_error *e)
{
	struct keel_cl_device *d = job->net->device;
	const size_t global = d->groups, local = 1;
	cl_int err = 0;
	int r = get_run(job, kind, e);

	if (r)
		return r;
	if (!job->ran[kind])
		err = set_run_slots(job, job->run[kind]);
	err |= clSetKernelArg(job->run[kind], R_FIRST, sizeof(first), &first);
	err |= clSetKernelArg(job->run[kind], R_COUNT, sizeof(count), &count);
	if (err)
		return failed("set arguments", CL_INVALID_KERNEL_ARGS, e);
	job->ran[kind] = true;
	keel_counter_add(d->counters, KEEL_COUNTER_LAUNCHES, 1);
	err = clEnqueueNDRangeKernel(job->queue, job->run[kind], 1, NULL, &global, &local, 0, NULL,
				     event);
	return err ? failed("start a kernel", err, e) : 0;
}

static enum keel_cl_program_kind program_of(const struct keel_plan_op *op)
{
	if (op->kind == KEEL_PLAN_MACS)
		return KEEL_CL_MACS;
	return op->kind == KEEL_PLAN_OTHERS ? KEEL_CL_OTHERS : KEEL_CL_FAST;
}

/* One by one, to measure them. */
static int run_each(struct keel_cl_job *job, const struct keel_plan_op *ops, struct keel_error *e)
{
	uint32_t i, at;
	int r = 0;

	for (i = 0; !r && i < job->count; i++) {
		at = job->first + i;
		if (ops[at].tickets)
			r = run(job, program_of(&ops[at]), at, 1, &job->events[i], e);
	}
	return r;
}

/* Behind the last command from @at on of the same program; what has no tickets is anybody's. */
static uint32_t end_of_program(const struct keel_plan_op *ops, uint32_t at, uint32_t end,
			       enum keel_cl_program_kind *kind)
{
	while (at < end && !ops[at].tickets)
		at++;
	*kind = at < end ? program_of(&ops[at]) : KEEL_CL_FAST;
	while (at < end && (!ops[at].tickets || program_of(&ops[at]) == *kind))
		at++;
	return at;
}

/* Everything at once, or at least what is one program's. */
static int run_all(struct keel_cl_job *job, const struct keel_plan_op *ops, cl_event *event,
		   struct keel_error *e)
{
	uint32_t at = job->first, end = at + job->count, next;
	enum keel_cl_program_kind kind;
	int r = 0;

	for (; !r && at < end; at = next) {
		next = end_of_program(ops, at, end, &kind);
		r = run(job, kind, at, next - at, next == end ? event : NULL, e);
	}
	return r;
}

int keel_cl_launch_fast(struct keel_cl_job *job, cl_event *event, struct keel_error *e)
{
	const struct keel_plan_op *ops = job->net->plan.ops[ops_of(job)];

	return job->profile ? run_each(job, ops, e) : run_all(job, ops, event, e);
}

/** struct uses - slots behind the operands of a command, in the order of portable.cl */
struct uses {
	uint8_t ifm, ifm2, weights, channels, table, ofm, psum;
};

static struct uses uses_of(const union keel_command *c)
{
	switch (keel_command_desc(c->h.opcode)->layout) {
	case KEEL_LAYOUT_ID_COPY:
		return (struct uses){.ifm = c->copy.src_slot, .ofm = c->copy.dst_slot};
	case KEEL_LAYOUT_ID_WEIGHTS:
		return (struct uses){.ifm = c->weights.src_slot, .ofm = c->weights.dst_slot};
	case KEEL_LAYOUT_ID_MAC:
		return (struct uses){c->mac.ifm.slot,	   c->mac.ifm2.slot,  c->mac.weights_slot,
				     c->mac.channels_slot, c->mac.table_slot, c->mac.ofm.slot,
				     c->mac.psum_slot};
	case KEEL_LAYOUT_ID_ELTWISE:
		return (struct uses){.ifm = c->eltwise.ifm.slot,
				     .ifm2 = c->eltwise.ifm2.slot,
				     .ofm = c->eltwise.ofm.slot};
	case KEEL_LAYOUT_ID_UNARY:
		return (struct uses){.ifm = c->unary.ifm.slot,
				     .table = c->unary.table_slot,
				     .ofm = c->unary.ofm.slot};
	default:
		/* The others begin with ifm and ofm, as POOL does. */
		return (struct uses){.ifm = c->pool.ifm.slot, .ofm = c->pool.ofm.slot};
	}
}

static enum keel_cl_kernel kernel_of(const union keel_command *c)
{
	static const uint8_t kernels[KEEL_LAYOUT_COUNT] = {
		[KEEL_LAYOUT_ID_COPY] = KEEL_CL_COPY,
		[KEEL_LAYOUT_ID_WEIGHTS] = KEEL_CL_WEIGHTS,
		[KEEL_LAYOUT_ID_MAC] = KEEL_CL_MAC,
		[KEEL_LAYOUT_ID_POOL] = KEEL_CL_POOL,
		[KEEL_LAYOUT_ID_ELTWISE] = KEEL_CL_ELTWISE,
		[KEEL_LAYOUT_ID_UNARY] = KEEL_CL_UNARY,
		[KEEL_LAYOUT_ID_RESIZE] = KEEL_CL_RESIZE,
		[KEEL_LAYOUT_ID_REDUCE] = KEEL_CL_REDUCE,
		[KEEL_LAYOUT_ID_TRANSPOSE] = KEEL_CL_TRANSPOSE,
	};

	if (c->h.opcode == KEEL_CMD_SOFTMAX)
		return KEEL_CL_SOFTMAX;
	return kernels[keel_command_desc(c->h.opcode)->layout];
}

static cl_int set_portable_slots(struct keel_cl_job *job, cl_kernel k, const union keel_command *c)
{
	const struct uses u = uses_of(c);
	const uint8_t slots[] = {u.ifm, u.ifm2, u.weights, u.channels, u.table, u.ofm, u.psum};
	cl_int err = 0;
	cl_uint i;

	for (i = 0; i < sizeof(slots); i++) {
		struct keel_cl_slot s = slot(job, slots[i]);
		cl_ulong offset = s.offset;

		err |= clSetKernelArg(k, P_SLOTS + 2 * i, sizeof(cl_mem), &s.mem);
		err |= clSetKernelArg(k, P_SLOTS + 2 * i + 1, sizeof(offset), &offset);
	}
	return err;
}

static cl_int launch_command(struct keel_cl_job *job, cl_uint index, cl_event *event)
{
	const union keel_command *c = &job->net->model->commands[index];
	struct keel_cl_device *d = job->net->device;
	cl_kernel k = job->kernels[kernel_of(c)];
	cl_ulong elements = keel_plan_elements(c);
	size_t local = d->local, global = (elements + local - 1) / local * local;
	cl_int err;

	if (global > MAX_GLOBAL)
		global = MAX_GLOBAL;
	err = set_portable_slots(job, k, c);
	err |= clSetKernelArg(k, P_INDEX, sizeof(index), &index);
	err |= clSetKernelArg(k, P_ELEMENTS, sizeof(elements), &elements);
	if (err)
		return CL_INVALID_KERNEL_ARGS;
	job->ran[KEEL_CL_PORTABLE] = true;
	keel_counter_add(d->counters, KEEL_COUNTER_LAUNCHES, 1);
	return clEnqueueNDRangeKernel(job->queue, k, 1, NULL, &global, &local, 0, NULL, event);
}

int keel_cl_launch_portable(struct keel_cl_job *job, cl_event *event, struct keel_error *e)
{
	cl_int err = 0;
	uint32_t i;

	for (i = 0; !err && i < job->count; i++)
		if (keel_plan_elements(&job->net->model->commands[job->first + i]))
			err = launch_command(job, job->first + i,
					     job->profile ? &job->events[i] : NULL);
	return err ? failed("start a kernel", err, e) : 0;
}
