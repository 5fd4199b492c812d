// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * int16 activations: commands with them run on an NPU that has them, and "test_int16 none" sees
 * that an NPU without refuses them before they can become a job.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keel_assemble.h"
#include "refuse.h"

#define MS     60000
#define LEVELS 512
#define VALUE  -12345

#define WIDE_MAPS "ifm=input0+0x0:128:16 ofm=output0+0x0:128:16 "
#define IN_MAPS	  "ifm=input0+0x0:128:16 ofm=output0+0x0:64:8 "
#define OUT_MAPS  "ifm=input0+0x0:64:8 ofm=output0+0x0:128:16 "
#define WINDOW	  "in=8x8x8 out=8x8x8 kernel=3x3 pad=1,1,1,1 "
#define ARRAYS	  "weights=constants+0x0 channels=constants+0x1000"
#define SCALE	  "scale=1073741824>>30"
#define CLAMP	  "clamp16=-32768..32767 "
#define FILL	  "FILL type=s8,s16 ofm=output0+0x0:128:16 out=8x8x8 value16=-12345"

/* One for each way to have int16: read, written, both. */
static const struct {
	const char *line, *field;
} wide[] = {
	{"CONV2D type=s16,s16 " WIDE_MAPS WINDOW ARRAYS, "ifm_type"},
	{"CONV2D type=s8,s16 " OUT_MAPS WINDOW ARRAYS, "ofm_type"},
	{"CONV2D type=s16,s8 " IN_MAPS WINDOW ARRAYS, "ifm_type"},
	{"DEPTHWISE type=s16,s16 " WIDE_MAPS WINDOW ARRAYS, "ifm_type"},
	{"MATMUL type=s8,s16 " OUT_MAPS "in=8x8x8 out=8x8x8 " ARRAYS, "ofm_type"},
	{"CONV_TRANSPOSE type=s16,s8 " IN_MAPS "in=8x8x8 out=8x8x8 kernel=1x1 " ARRAYS, "ifm_type"},
	{"POOL.max type=s16,s16 " WIDE_MAPS "in=8x8 out=8x8 channels=8 kernel=1x1 " CLAMP,
	 "ifm_type"},
	{"ELTWISE.max type=s16,s16 " WIDE_MAPS "ifm2=input1+0x0:128:16 out=8x8x8 " CLAMP,
	 "ifm_type"},
	{"RESCALE type=s8,s16 " OUT_MAPS "out=8x8x8 " CLAMP SCALE, "ofm_type"},
	{"RESCALE type=s16,s8 " IN_MAPS "out=8x8x8 clamp=-128..127 " SCALE, "ifm_type"},
	{FILL, "ofm_type"},
	{"RESIZE.nearest type=s16,s16 " WIDE_MAPS
	 "in=8x8 out=8x8 channels=8 scale_y=1/1 scale_x=1/1 " CLAMP,
	 "ifm_type"},
	{"REDUCE.max type=s16,s16 " WIDE_MAPS "in=8x8x8 axes=1 " CLAMP, "ifm_type"},
	{"REDUCE.argmax type=s16,s32 ifm=input0+0x0:128:16 ofm=output0+0x0:32:4 in=8x8x8 axes=4",
	 "ifm_type"},
	{"TRANSPOSE.cwh type=s16,s16 " WIDE_MAPS "in=8x8x8", "ifm_type"},
};

#define NR_WIDE (sizeof(wide) / sizeof(wide[0]))

static int fd;
static uint32_t queue;

/* A command in front, so that the index of the one that matters isn't 0. */
static int create(const char *line, struct rig_cmd *cmd)
{
	union keel_command stream[3], *one;
	struct keel_error e;
	keel_u32 n;

	*cmd = (struct rig_cmd){0};
	if (keel_assemble("MARK id=1", 9, &one, &n, &e))
		return -EDOM;
	stream[0] = *one;
	free(one);
	if (keel_assemble(line, strlen(line), &one, &n, &e)) {
		rig_note("'%s': %s", line, e.text);
		return -EDOM;
	}
	stream[1] = *one;
	free(one);
	return rig_cmd_new(fd, stream, rig_cmd_seal(stream, 2), cmd);
}

static bool has_int16(void)
{
	struct drm_keel_device_info info = {0};
	struct drm_keel_query query = {
		.kind = DRM_KEEL_QUERY_DEVICE, .size = sizeof(info), .data = (uintptr_t)&info};

	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), 0);
	return info.capabilities & DRM_KEEL_CAP_INT16;
}

/* Writes @out, all of it; the job's status. */
static int run(const struct rig_cmd *cmd, const struct rig_bo *out)
{
	struct drm_keel_binding binding = {
		.slot = KEEL_SLOT_OUTPUT, .handle = out->handle, .bytes = out->bytes};
	struct drm_keel_job job = {.commands = cmd->handle,
				   .bindings = (uintptr_t)&binding,
				   .nr_bindings = 1,
				   .binding_stride = sizeof(binding)};
	struct drm_keel_submit submit = {
		.jobs = (uintptr_t)&job, .nr_jobs = 1, .job_stride = sizeof(job), .queue = queue};
	struct drm_keel_result result = {0};
	int ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &submit);

	if (!ret)
		ret = rig_wait(fd, job.id, MS, &result);
	return ret ? ret : result.status;
}

static void accept_all(void)
{
	struct rig_cmd cmd;
	unsigned int i;
	int ret;

	for (i = 0; i < NR_WIDE; i++) {
		ret = create(wide[i].line, &cmd);
		if (ret)
			rig_note("returned %d, %s %s", ret, cmd.info.bad_field,
				 cmd.info.bad_reason);
		rig_result(!ret && !rig_cmd_del(fd, &cmd), "%s is accepted", wide[i].line);
	}
}

static void run_one(void)
{
	struct rig_cmd cmd;
	struct rig_bo out;
	unsigned int i, wrong = 0;

	RIG_EQUAL(create(FILL, &cmd), 0);
	RIG_EQUAL(cmd.info.need[KEEL_SLOT_OUTPUT], LEVELS * sizeof(int16_t));
	RIG_EQUAL(rig_bo_new(fd, LEVELS * sizeof(int16_t), 0, &out), 0);
	RIG_EQUAL(run(&cmd, &out), 0);
	for (i = 0; i < LEVELS; i++)
		wrong += ((int16_t *)out.map)[i] != VALUE;
	RIG_EQUAL(wrong, 0);
	rig_bo_del(fd, &out);
	RIG_EQUAL(rig_cmd_del(fd, &cmd), 0);
}

static bool refused(const char *line, const char *field)
{
	struct rig_cmd cmd;
	int ret = create(line, &cmd);
	bool same = cmd.info.bad_command == 1 && !strcmp(cmd.info.bad_field, field) &&
		    !strcmp(cmd.info.bad_reason, "is S16, and the NPU has no int16 activations");

	if (ret != -EINVAL || !same)
		rig_note("returned %d, command %u, %s %s", ret, cmd.info.bad_command,
			 cmd.info.bad_field, cmd.info.bad_reason);
	return ret == -EINVAL && same && !cmd.handle;
}

static void refuse_all(void)
{
	struct refuse_gauges before;
	unsigned int i;

	for (i = 0; i < NR_WIDE; i++) {
		refuse_look(&before);
		rig_result(refused(wide[i].line, wide[i].field) && refuse_unchanged(&before),
			   "%s is refused", wide[i].line);
	}
}

/* Nothing is left that a job could be made of, and int8 works. */
static void run_narrow(void)
{
	struct rig_bo out;
	struct rig_cmd cmd;
	unsigned int i, wrong = 0;

	RIG_EQUAL(rig_bo_new(fd, LEVELS, 0, &out), 0);
	RIG_EQUAL(create(FILL, &cmd), -EINVAL);
	RIG_EQUAL(run(&cmd, &out), -ENOENT);
	RIG_EQUAL(create("FILL ofm=output0+0x0:64:8 out=8x8x8 value=-9", &cmd), 0);
	RIG_EQUAL(run(&cmd, &out), 0);
	for (i = 0; i < LEVELS; i++)
		wrong += ((int8_t *)out.map)[i] != -9;
	RIG_EQUAL(wrong, 0);
	RIG_EQUAL(rig_cmd_del(fd, &cmd), 0);
	rig_bo_del(fd, &out);
}

int main(int argc, char **argv)
{
	bool none = argc > 1 && !strcmp(argv[1], "none");

	fd = rig_open();
	if (fd < 0 || refuse_init())
		return rig_finish();
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue), 0);
	RIG_EQUAL(has_int16(), !none);
	if (none) {
		refuse_all();
		run_narrow();
	} else {
		accept_all();
		run_one();
	}
	RIG_EQUAL(rig_queue_del(fd, queue), 0);
	close(fd);
	return rig_finish();
}
