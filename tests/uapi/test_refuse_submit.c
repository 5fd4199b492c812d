// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What DRM_KEEL_SUBMIT refuses: a job that works, with one defect at a time. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "refuse.h"

#define BYTES 4096
#define MS    20000

/* The job copies slot 2 to slot 1 and slot 1 to slot 16. */
enum { IN, SCRATCH, OUT, SPARE, BINDINGS };

static struct scene {
	struct drm_keel_submit submit;
	struct drm_keel_job job;
	struct drm_keel_binding binding[BINDINGS];
	struct drm_keel_sync in[2], out[2];
} scene;

static int fd, other;
static uint32_t queue, syncobj, signalled, traced;
static struct rig_cmd cmd;
static struct rig_bo bo[BINDINGS];
static unsigned char large[3 * DRM_KEEL_MAX_STRIDE];

static void reset(void)
{
	static const uint32_t slots[BINDINGS] = {KEEL_SLOT_INPUT, KEEL_SLOT_SCRATCH,
						 KEEL_SLOT_OUTPUT, 3};
	unsigned int i;

	memset(&scene, 0, sizeof(scene));
	memset(large, 0, sizeof(large));
	for (i = 0; i < BINDINGS; i++)
		scene.binding[i] = (struct drm_keel_binding){
			.slot = slots[i], .handle = bo[i].handle, .bytes = BYTES};
	scene.in[0].handle = signalled;
	scene.out[0].handle = syncobj;
	scene.job = (struct drm_keel_job){
		.commands = cmd.handle,
		.bindings = (uintptr_t)scene.binding,
		.nr_bindings = SPARE,
		.binding_stride = sizeof(scene.binding[0]),
		.in_syncs = (uintptr_t)scene.in,
		.out_syncs = (uintptr_t)scene.out,
		.nr_in_syncs = 1,
		.nr_out_syncs = 1,
		.sync_stride = sizeof(scene.in[0]),
	};
	scene.submit = (struct drm_keel_submit){
		.jobs = (uintptr_t)&scene.job,
		.nr_jobs = 1,
		.job_stride = sizeof(scene.job),
		.queue = queue,
	};
	if (traced) {
		scene.job.trace_handle = traced;
		scene.job.trace_bytes = BYTES;
	}
}

static int call(void)
{
	int ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &scene.submit);

	/* One job, so it was queued or there was an error. */
	return scene.submit.queued == !ret ? ret : -EPROTO;
}

static uint64_t newest;

static int undo(void)
{
	struct drm_keel_job *job = (void *)(uintptr_t)scene.submit.jobs;
	struct drm_keel_result result;
	int ret = rig_wait(fd, job->id, MS, &result);

	newest = job->id;
	return ret ? ret : result.status;
}

/* Defects that aren't one field. */
static uint32_t foreign_queue, foreign_cmd, foreign_bo, foreign_syncobj, empty_syncobj;

REFUSE_SPOIL(a_foreign_queue, scene.submit.queue = foreign_queue)

static void a_destroyed_queue(void)
{
	rig_queue_new(fd, DRM_KEEL_PRIORITY_LOW, &scene.submit.queue);
	rig_queue_del(fd, scene.submit.queue);
}

REFUSE_SPOIL(jobs_nowhere, scene.submit.jobs = refuse_unmapped())
REFUSE_SPOIL(jobs_beyond_everything, scene.submit.jobs = refuse_huge())
REFUSE_SPOIL(jobs_cut_off, scene.submit.jobs = refuse_straddling(&scene.job, sizeof(scene.job) - 8))

/* A job is copied, but its number can't be written. */
REFUSE_SPOIL(jobs_wrapping_around, scene.submit.jobs = UINT64_MAX - 63)

static void a_larger_job_with_a_value(void)
{
	memcpy(large, &scene.job, sizeof(scene.job));
	large[sizeof(scene.job) + 8] = 1;
	scene.submit.jobs = (uintptr_t)large;
	scene.submit.job_stride = sizeof(scene.job) + 16;
}

REFUSE_SPOIL(a_foreign_command_buffer, scene.job.commands = foreign_cmd)

static void a_destroyed_command_buffer(void)
{
	struct rig_cmd gone;

	rig_copy_program(fd, BYTES, 1, &gone);
	rig_cmd_del(fd, &gone);
	scene.job.commands = gone.handle;
}

static void first_behind_the_end(void)
{
	scene.job.first = cmd.info.commands;
	scene.job.count = 1;
}

REFUSE_SPOIL(count_beyond_the_end, scene.job.count = cmd.info.commands + 1)

static void range_beyond_the_end(void)
{
	scene.job.first = 1;
	scene.job.count = cmd.info.commands;
}

static void range_that_wraps(void)
{
	scene.job.first = 2;
	scene.job.count = 0xffffffff;
}

REFUSE_SPOIL(a_missing_binding, scene.job.nr_bindings = SPARE - 1)
REFUSE_SPOIL(a_binding_of_an_unused_slot, scene.job.nr_bindings = BINDINGS)

static void a_slot_bound_twice(void)
{
	scene.binding[SPARE].slot = KEEL_SLOT_INPUT;
	scene.job.nr_bindings = BINDINGS;
}

static void sram_bound(void)
{
	scene.binding[SPARE].slot = KEEL_SLOT_SRAM;
	scene.job.nr_bindings = BINDINGS;
}

REFUSE_SPOIL(bindings_nowhere, scene.job.bindings = refuse_unmapped())
REFUSE_SPOIL(bindings_beyond_everything, scene.job.bindings = refuse_huge())
REFUSE_SPOIL(bindings_cut_off,
	     scene.job.bindings = refuse_straddling(scene.binding,
						    2 * sizeof(scene.binding[0]) + 8))

static void a_larger_binding_with_a_value(void)
{
	unsigned int i;

	for (i = 0; i < SPARE; i++)
		memcpy(large + (size_t)i * 64, &scene.binding[i], sizeof(scene.binding[i]));
	large[2 * 64 + 63] = 1;
	scene.job.bindings = (uintptr_t)large;
	scene.job.binding_stride = 64;
}

REFUSE_SPOIL(a_foreign_buffer, scene.binding[OUT].handle = foreign_bo)

static void a_closed_buffer(void)
{
	struct rig_bo gone;

	rig_bo_new(fd, BYTES, DRM_KEEL_BO_NO_MMAP, &gone);
	scene.binding[IN].handle = gone.handle;
	rig_bo_del(fd, &gone);
}

REFUSE_SPOIL(an_offset_that_wraps, scene.binding[IN].offset = -(uint64_t)DRM_KEEL_ALIGN)
REFUSE_SPOIL(a_binding_beyond_its_buffer, scene.binding[IN].offset = DRM_KEEL_ALIGN)
REFUSE_SPOIL(a_binding_behind_its_buffer, scene.binding[IN].offset = 1ull << 40)
REFUSE_SPOIL(output_over_input, scene.binding[OUT].handle = bo[IN].handle)
REFUSE_SPOIL(scratch_over_input, scene.binding[SCRATCH].handle = bo[IN].handle)
/* The last aligned bytes of one are the first of the other. */
static void output_over_the_end_of_scratch(void)
{
	scene.binding[SCRATCH].handle = bo[SPARE].handle;
	scene.binding[OUT].handle = bo[SPARE].handle;
	scene.binding[OUT].offset = BYTES - DRM_KEEL_ALIGN;
}

static void scratch_inside_output(void)
{
	scene.binding[SCRATCH].handle = bo[SPARE].handle;
	scene.binding[SCRATCH].offset = DRM_KEEL_ALIGN;
	scene.binding[OUT].handle = bo[SPARE].handle;
	scene.binding[OUT].bytes = 3 * BYTES;
}

REFUSE_SPOIL(in_syncs_nowhere, scene.job.in_syncs = refuse_unmapped())
REFUSE_SPOIL(in_syncs_beyond_everything, scene.job.in_syncs = refuse_huge())
REFUSE_SPOIL(in_syncs_cut_off, scene.job.in_syncs = refuse_straddling(scene.in, 8))
REFUSE_SPOIL(out_syncs_nowhere, scene.job.out_syncs = refuse_unmapped())
REFUSE_SPOIL(out_syncs_beyond_everything, scene.job.out_syncs = refuse_huge())
REFUSE_SPOIL(out_syncs_cut_off, scene.job.out_syncs = refuse_straddling(scene.out, 8))

static void a_larger_sync_with_a_value(void)
{
	memcpy(large, &scene.in[0], sizeof(scene.in[0]));
	large[sizeof(scene.in[0])] = 1;
	scene.job.in_syncs = (uintptr_t)large;
	scene.job.nr_out_syncs = 0;
	scene.job.sync_stride = 24;
}

REFUSE_SPOIL(a_foreign_in_sync, scene.in[0].handle = foreign_syncobj)
REFUSE_SPOIL(a_foreign_out_sync, scene.out[0].handle = foreign_syncobj)
REFUSE_SPOIL(an_in_sync_without_a_fence, scene.in[0].handle = empty_syncobj)

static void an_in_point_that_nobody_submitted(void)
{
	scene.in[0] = (struct drm_keel_sync){
		.handle = empty_syncobj, .flags = DRM_KEEL_SYNC_TIMELINE, .point = 7};
}

/* The point is what the smaller element lacks. */
static void a_timeline_cut_off(void)
{
	scene.in[0].flags = DRM_KEEL_SYNC_TIMELINE;
	scene.in[0].point = 1;
	scene.job.sync_stride = 8;
}

static void a_second_in_sync_that_is_unknown(void)
{
	scene.in[1].handle = 0x7777;
	scene.job.nr_in_syncs = 2;
}

static void a_second_out_sync_that_is_unknown(void)
{
	scene.out[1].handle = 0x7777;
	scene.job.nr_out_syncs = 2;
}

REFUSE_SPOIL(trace_over_output, scene.job.trace_handle = bo[OUT].handle)
REFUSE_SPOIL(trace_over_input, scene.job.trace_handle = bo[IN].handle)

static void a_foreign_trace(void)
{
	scene.job.trace_handle = foreign_bo;
}

static const struct refusal refusals[] = {
	REFUSE_FIELD(submit.nr_jobs, 0, -EINVAL),
	REFUSE_FIELD(submit.nr_jobs, DRM_KEEL_MAX_SUBMIT + 1, -EINVAL),
	REFUSE_FIELD(submit.nr_jobs, 0xffffffff, -EINVAL),
	REFUSE_FIELD(submit.job_stride, 0, -EINVAL),
	REFUSE_FIELD(submit.job_stride, sizeof(struct drm_keel_job) - 8, -EINVAL),
	REFUSE_FIELD(submit.job_stride, DRM_KEEL_MAX_STRIDE + 1, -EINVAL),
	REFUSE_FIELD(submit.job_stride, 0xffffffff, -EINVAL),
	REFUSE_FIELD(submit.flags, 1, -EINVAL),
	REFUSE_FIELD(submit.flags, 0x80000000, -EINVAL),
	REFUSE_FIELD(submit.pad, 1, -EINVAL),
	REFUSE_FIELD(submit.queue, 0, -ENOENT),
	REFUSE_FIELD(submit.queue, 0x7777, -ENOENT),
	REFUSE_FIELD(submit.queue, 0xffffffff, -ENOENT),
	REFUSE_BY(a_foreign_queue, -ENOENT),
	REFUSE_BY(a_destroyed_queue, -ENOENT),
	REFUSE_FIELD(submit.jobs, 0, -EFAULT),
	REFUSE_BY(jobs_nowhere, -EFAULT),
	REFUSE_BY(jobs_beyond_everything, -EFAULT),
	REFUSE_BY(jobs_cut_off, -EFAULT),
	REFUSE_BY(jobs_wrapping_around, -EFAULT),
	REFUSE_BY(a_larger_job_with_a_value, -EINVAL),

	REFUSE_FIELD(job.commands, 0, -ENOENT),
	REFUSE_FIELD(job.commands, 0x7777, -ENOENT),
	REFUSE_FIELD(job.commands, 0xffffffff, -ENOENT),
	REFUSE_BY(a_foreign_command_buffer, -ENOENT),
	REFUSE_BY(a_destroyed_command_buffer, -ENOENT),
	REFUSE_FIELD(job.flags, 1, -EINVAL),
	REFUSE_FIELD(job.flags, 0x80000000, -EINVAL),
	REFUSE_FIELD(job.first, 1, -EINVAL),
	REFUSE_FIELD(job.first, 0xffffffff, -EINVAL),
	REFUSE_FIELD(job.count, 0xffffffff, -EINVAL),
	REFUSE_BY(first_behind_the_end, -EINVAL),
	REFUSE_BY(count_beyond_the_end, -EINVAL),
	REFUSE_BY(range_beyond_the_end, -EINVAL),
	REFUSE_BY(range_that_wraps, -EINVAL),

	REFUSE_FIELD(job.nr_bindings, 0, -EINVAL),
	REFUSE_FIELD(job.nr_bindings, 32, -EINVAL),
	REFUSE_FIELD(job.nr_bindings, 0xffffffff, -EINVAL),
	REFUSE_BY(a_missing_binding, -EINVAL),
	REFUSE_BY(a_binding_of_an_unused_slot, -EINVAL),
	REFUSE_BY(a_slot_bound_twice, -EINVAL),
	REFUSE_BY(sram_bound, -EINVAL),
	REFUSE_FIELD(job.binding_stride, 0, -EINVAL),
	REFUSE_FIELD(job.binding_stride, 8, -EINVAL),
	REFUSE_FIELD(job.binding_stride, DRM_KEEL_MAX_STRIDE + 1, -EINVAL),
	REFUSE_FIELD(job.binding_stride, 0xffffffff, -EINVAL),
	REFUSE_FIELD(job.bindings, 0, -EFAULT),
	REFUSE_BY(bindings_nowhere, -EFAULT),
	REFUSE_BY(bindings_beyond_everything, -EFAULT),
	REFUSE_BY(bindings_cut_off, -EFAULT),
	REFUSE_BY(a_larger_binding_with_a_value, -EINVAL),
	REFUSE_FIELD(binding[IN].slot, KEEL_SLOT_SRAM, -EINVAL),
	REFUSE_FIELD(binding[IN].slot, KEEL_SLOT_COUNT, -EINVAL),
	REFUSE_FIELD(binding[IN].slot, 0xffffffff, -EINVAL),
	REFUSE_FIELD(binding[IN].slot, 3, -EINVAL),
	REFUSE_FIELD(binding[OUT].slot, KEEL_SLOT_OUTPUT + 1, -EINVAL),
	REFUSE_FIELD(binding[IN].handle, 0, -ENOENT),
	REFUSE_FIELD(binding[SCRATCH].handle, 0x7777, -ENOENT),
	REFUSE_FIELD(binding[OUT].handle, 0xffffffff, -ENOENT),
	REFUSE_BY(a_foreign_buffer, -ENOENT),
	REFUSE_BY(a_closed_buffer, -ENOENT),
	REFUSE_FIELD(binding[IN].offset, 1, -EINVAL),
	REFUSE_FIELD(binding[IN].offset, DRM_KEEL_ALIGN / 2, -EINVAL),
	REFUSE_FIELD(binding[OUT].offset, DRM_KEEL_ALIGN - 1, -EINVAL),
	REFUSE_BY(an_offset_that_wraps, -EINVAL),
	REFUSE_BY(a_binding_beyond_its_buffer, -EINVAL),
	REFUSE_BY(a_binding_behind_its_buffer, -EINVAL),
	REFUSE_FIELD(binding[IN].bytes, 0, -EINVAL),
	REFUSE_FIELD(binding[IN].bytes, BYTES - 1, -EINVAL),
	REFUSE_FIELD(binding[SCRATCH].bytes, BYTES - 1, -EINVAL),
	REFUSE_FIELD(binding[OUT].bytes, BYTES - 1, -EINVAL),
	REFUSE_FIELD(binding[OUT].bytes, BYTES + 1, -EINVAL),
	REFUSE_FIELD(binding[OUT].bytes, 1ull << 32, -EINVAL),
	REFUSE_FIELD(binding[IN].bytes, UINT64_MAX, -EINVAL),
	REFUSE_BY(output_over_input, -EINVAL),
	REFUSE_BY(scratch_over_input, -EINVAL),
	REFUSE_BY(output_over_the_end_of_scratch, -EINVAL),
	REFUSE_BY(scratch_inside_output, -EINVAL),

	REFUSE_FIELD(job.nr_in_syncs, DRM_KEEL_MAX_SYNCS + 1, -EINVAL),
	REFUSE_FIELD(job.nr_in_syncs, 0xffffffff, -EINVAL),
	REFUSE_FIELD(job.nr_out_syncs, DRM_KEEL_MAX_SYNCS + 1, -EINVAL),
	REFUSE_FIELD(job.nr_out_syncs, 0xffffffff, -EINVAL),
	REFUSE_FIELD(job.sync_stride, 0, -EINVAL),
	REFUSE_FIELD(job.sync_stride, DRM_KEEL_MAX_STRIDE + 1, -EINVAL),
	REFUSE_FIELD(job.in_syncs, 0, -EFAULT),
	REFUSE_BY(in_syncs_nowhere, -EFAULT),
	REFUSE_BY(in_syncs_beyond_everything, -EFAULT),
	REFUSE_BY(in_syncs_cut_off, -EFAULT),
	REFUSE_FIELD(job.out_syncs, 0, -EFAULT),
	REFUSE_BY(out_syncs_nowhere, -EFAULT),
	REFUSE_BY(out_syncs_beyond_everything, -EFAULT),
	REFUSE_BY(out_syncs_cut_off, -EFAULT),
	REFUSE_BY(a_larger_sync_with_a_value, -EINVAL),
	REFUSE_FIELD(in[0].handle, 0, -ENOENT),
	REFUSE_FIELD(in[0].handle, 0x7777, -ENOENT),
	REFUSE_BY(a_foreign_in_sync, -ENOENT),
	REFUSE_BY(a_second_in_sync_that_is_unknown, -ENOENT),
	REFUSE_FIELD(in[0].flags, 2, -EINVAL),
	REFUSE_FIELD(in[0].flags, 0x80000000, -EINVAL),
	REFUSE_FIELD(in[0].flags, DRM_KEEL_SYNC_TIMELINE, -EINVAL),
	REFUSE_FIELD(in[0].point, 1, -EINVAL),
	REFUSE_FIELD(in[0].point, UINT64_MAX, -EINVAL),
	REFUSE_BY(an_in_sync_without_a_fence, -EINVAL),
	REFUSE_BY(an_in_point_that_nobody_submitted, -EINVAL),
	REFUSE_BY(a_timeline_cut_off, -EINVAL),
	REFUSE_FIELD(out[0].handle, 0, -ENOENT),
	REFUSE_FIELD(out[0].handle, 0x7777, -ENOENT),
	REFUSE_BY(a_foreign_out_sync, -ENOENT),
	REFUSE_BY(a_second_out_sync_that_is_unknown, -ENOENT),
	REFUSE_FIELD(out[0].flags, 2, -EINVAL),
	REFUSE_FIELD(out[0].flags, 0x80000000, -EINVAL),
	REFUSE_FIELD(out[0].flags, DRM_KEEL_SYNC_TIMELINE, -EINVAL),
	REFUSE_FIELD(out[0].point, 1, -EINVAL),
};

static const struct refusal traces[] = {
	REFUSE_FIELD(job.trace_handle, 0, -EINVAL),
	REFUSE_FIELD(job.trace_handle, 0x7777, -ENOENT),
	REFUSE_BY(a_foreign_trace, -ENOENT),
	REFUSE_FIELD(job.trace_offset, 1, -EINVAL),
	REFUSE_FIELD(job.trace_offset, DRM_KEEL_ALIGN, -EINVAL),
	REFUSE_FIELD(job.trace_offset, -(uint64_t)DRM_KEEL_ALIGN, -EINVAL),
	REFUSE_FIELD(job.trace_bytes, 0, -EINVAL),
	REFUSE_FIELD(job.trace_bytes, BYTES + 1, -EINVAL),
	REFUSE_FIELD(job.trace_bytes, UINT64_MAX, -EINVAL),
	REFUSE_BY(trace_over_output, -EINVAL),
	REFUSE_BY(trace_over_input, -EINVAL),
};

static int refuse_traces(void)
{
	struct rig_bo trace;

	if (rig_bo_new(fd, BYTES, 0, &trace))
		return -1;
	traced = trace.handle;
	reset();
	if (call() == -EOPNOTSUPP)
		rig_result(true, "SUBMIT: trace # SKIP this NPU has none");
	else
		REFUSE_GROUP("SUBMIT", reset, call, undo, traces);
	traced = 0;
	rig_bo_del(fd, &trace);
	return 0;
}

/* What looks like a defect, but isn't. */
static void tolerate(void)
{
	reset();
	memcpy(large, &scene.job, sizeof(scene.job));
	scene.submit.jobs = (uintptr_t)large;
	scene.submit.job_stride = DRM_KEEL_MAX_STRIDE;
	rig_result(!call() && !undo(), "SUBMIT: a larger job with zeroes is accepted");
	reset();
	scene.job.sync_stride = 8;
	rig_result(!call() && !undo(), "SUBMIT: binary syncs without a point are accepted");
	reset();
	scene.binding[SCRATCH].handle = bo[SPARE].handle;
	scene.binding[OUT].handle = bo[SPARE].handle;
	scene.binding[OUT].offset = BYTES;
	rig_result(!call() && !undo(), "SUBMIT: neighbours in one buffer are accepted");
	reset();
	scene.job.nr_in_syncs = 0;
	scene.job.nr_out_syncs = 0;
	scene.job.sync_stride = 0;
	scene.job.in_syncs = refuse_huge();
	rig_result(!call() && !undo(), "SUBMIT: without syncs their address doesn't matter");
	reset();
	scene.job.count = cmd.info.commands;
	rig_result(!call() && !undo(), "SUBMIT: all commands by their number are accepted");
}

/* Several jobs of which one has a defect: those before it are queued. */
static bool partial(unsigned int nr, unsigned int defective, int error)
{
	static struct drm_keel_job jobs[DRM_KEEL_MAX_SUBMIT];
	struct refuse_gauges before;
	struct drm_keel_result result;
	unsigned int i, good = 0;
	int ret;

	reset();
	refuse_look(&before);
	for (i = 0; i < nr; i++)
		jobs[i] = scene.job;
	if (error == -ENOENT)
		jobs[defective].commands = 0x7777;
	else if (error)
		jobs[defective].flags = 1;
	scene.submit.jobs = (uintptr_t)jobs;
	scene.submit.nr_jobs = nr;
	ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &scene.submit);
	for (i = 0; i < scene.submit.queued; i++) {
		good += !rig_wait(fd, jobs[i].id, MS, &result) && !result.status;
		good -= jobs[i].id <= newest;
		newest = jobs[i].id;
	}
	for (; i < nr; i++)
		good += jobs[i].id != 0;
	if (ret != error)
		rig_note("returned %d, queued %u", ret, scene.submit.queued);
	return ret == error && good == scene.submit.queued &&
	       scene.submit.queued == (error ? defective : nr) && refuse_unchanged(&before);
}

static void partials(void)
{
	static const struct {
		unsigned int nr, defective;
	} cases[] = {{2, 0}, {2, 1}, {3, 1}, {8, 7}, {64, 0}, {64, 31}, {64, 63}};
	unsigned int i;

	rig_result(partial(64, 0, 0), "SUBMIT: 64 jobs");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig_result(partial(cases[i].nr, cases[i].defective, -EINVAL),
			   "SUBMIT: flags of job %u of %u are refused (-EINVAL)",
			   cases[i].defective, cases[i].nr);
		rig_result(partial(cases[i].nr, cases[i].defective, -ENOENT),
			   "SUBMIT: commands of job %u of %u are refused (-ENOENT)",
			   cases[i].defective, cases[i].nr);
	}
}

static int set_up(void)
{
	union keel_command commands[3];
	struct rig_cmd unused;
	struct rig_bo foreign;
	struct drm_syncobj_array signal = {.count_handles = 1};
	unsigned int i;
	int ret = 0;

	fd = rig_open();
	other = rig_open();
	commands[0] = rig_copy(KEEL_SLOT_INPUT, 0, KEEL_SLOT_SCRATCH, 0, BYTES);
	commands[1] = rig_copy(KEEL_SLOT_SCRATCH, 0, KEEL_SLOT_OUTPUT, 0, BYTES);
	commands[1].h.wait[KEEL_ENGINE_DMA] = 1;
	ret |= rig_cmd_new(fd, commands, rig_cmd_seal(commands, 2), &cmd);
	for (i = 0; i < BINDINGS; i++)
		ret |= rig_bo_new(fd, i == SPARE ? 4 * BYTES : BYTES, 0, &bo[i]);
	ret |= rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue);
	ret |= rig_syncobj_new(fd, &syncobj) | rig_syncobj_new(fd, &empty_syncobj);
	ret |= rig_syncobj_new(fd, &signalled);
	signal.handles = (uintptr_t)&signalled;
	ret |= rig_ioctl(fd, DRM_IOCTL_SYNCOBJ_SIGNAL, &signal);
	/* The other file's handles have numbers that this file doesn't have. */
	for (i = 0; i < 40; i++) {
		ret |= rig_queue_new(other, DRM_KEEL_PRIORITY_LOW, &foreign_queue);
		ret |= rig_copy_program(other, BYTES, 1, &unused);
		ret |= rig_bo_new(other, BYTES, DRM_KEEL_BO_NO_MMAP, &foreign);
		ret |= rig_syncobj_new(other, &foreign_syncobj);
	}
	foreign_cmd = unused.handle;
	foreign_bo = foreign.handle;
	return ret;
}

int main(void)
{
	if (refuse_init())
		return rig_finish();
	if (!RIG_EQUAL(set_up(), 0))
		return rig_finish();
	REFUSE_GROUP("SUBMIT", reset, call, undo, refusals);
	refuse_traces();
	tolerate();
	partials();
	close(other);
	close(fd);
	return rig_finish();
}
