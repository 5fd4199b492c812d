// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The way of a job, from QUERY to its result, as a program goes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keel_validate.h"
#include "rig.h"

#define BYTES 65536

static int fd;
static uint32_t queue;
static struct rig_cmd cmd;
static struct rig_bo in, out;

static void query_device(void)
{
	struct drm_keel_device_info info = {0};
	struct drm_keel_query query = {.kind = DRM_KEEL_QUERY_DEVICE};

	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), 0);
	RIG_EQUAL(query.size, sizeof(info));
	query.data = (uintptr_t)&info;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), 0);
	RIG_EQUAL(info.isa_version, KEEL_ISA_VERSION);
	RIG_EQUAL(info.max_commands, KEEL_MAX_COMMANDS);
	RIG_CHECK(info.macs_per_cycle && info.sram_bytes && info.fw_version);
	rig_note("target %s, capabilities %#llx", info.target, (long long)info.capabilities);
}

static void query_counters(void)
{
	struct drm_keel_counter_info infos[64];
	struct drm_keel_query query = {
		.kind = DRM_KEEL_QUERY_COUNTERS,
		.size = sizeof(infos),
		.data = (uintptr_t)infos,
	};

	memset(infos, 0, sizeof(infos));
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), 0);
	RIG_CHECK(query.size >= sizeof(infos[0]) && !strcmp(infos[0].name, "cycles"));
}

static void set_up(void)
{
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &in), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &out), 0);
	RIG_EQUAL(rig_copy_program(fd, BYTES, 4, &cmd), 0);
	RIG_EQUAL(cmd.info.commands, 5);
	RIG_EQUAL(cmd.info.need[KEEL_SLOT_INPUT], BYTES);
	RIG_EQUAL(cmd.info.need[KEEL_SLOT_OUTPUT], BYTES);
	RIG_EQUAL(cmd.info.written, 1u << KEEL_SLOT_OUTPUT);
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue), 0);
}

static int run(uint32_t seed, struct drm_keel_result *result)
{
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	uint64_t id = 0;
	int ret;

	rig_fill(in.map, BYTES, seed);
	memset(out.map, 0, BYTES);
	ret = rig_submit(fd, queue, &job, &id);
	if (ret)
		return ret;
	ret = rig_wait(fd, id, 20000, result);
	if (!ret && result->id != id)
		return -EPROTO;
	return ret;
}

static void one_job(void)
{
	struct drm_keel_result result = {0};

	RIG_EQUAL(run(1, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_EQUAL(result.fault_command, DRM_KEEL_NO_COMMAND);
	RIG_EQUAL(result.commands, 5);
	RIG_EQUAL(result.replays, 0);
	RIG_EQUAL(result.bytes_read, BYTES);
	RIG_EQUAL(result.bytes_written, BYTES);
	RIG_CHECK(result.cycles > 0 && result.busy_cycles[0] > 0);
	RIG_CHECK(result.submit_ns <= result.start_ns && result.start_ns <= result.end_ns);
	RIG_CHECK(result.end_ns <= rig_now());
	RIG_CHECK(rig_same(in.map, out.map, BYTES));
}

static void many_jobs(void)
{
	struct drm_keel_result result;
	unsigned int i, good = 0;
	uint64_t start = rig_now();

	for (i = 0; i < 200; i++)
		if (!run(i, &result) && !result.status && rig_same(in.map, out.map, BYTES))
			good++;
	RIG_EQUAL(good, 200);
	rig_note("%llu us a job", (long long)((rig_now() - start) / 200 / 1000));
}

static void pipelined_jobs(void)
{
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	struct drm_keel_result result;
	uint64_t ids[64], start = rig_now();
	unsigned int i, queued = 0, good = 0;

	for (i = 0; i < 64; i++)
		queued += !rig_submit(fd, queue, &job, &ids[i]);
	for (i = 0; i < 64; i++)
		good += !rig_wait(fd, ids[i], 20000, &result) && !result.status;
	RIG_EQUAL(queued, 64);
	RIG_EQUAL(good, 64);
	rig_note("%llu us a job", (long long)((rig_now() - start) / 64 / 1000));
}

static void binary_syncobj(void)
{
	struct drm_keel_sync sync = {0};
	struct rig_job first = {.cmd = cmd.handle, .in = &in, .out = &out};
	struct rig_job second = first;
	struct drm_keel_result result;
	uint64_t ids[2];

	RIG_EQUAL(rig_syncobj_new(fd, &sync.handle), 0);
	first.out_syncs = &sync;
	first.nr_out_syncs = 1;
	second.in_syncs = &sync;
	second.nr_in_syncs = 1;
	RIG_EQUAL(rig_submit(fd, queue, &second, &ids[0]), -EINVAL);
	RIG_EQUAL(rig_submit(fd, queue, &first, &ids[0]), 0);
	RIG_EQUAL(rig_submit(fd, queue, &second, &ids[1]), 0);
	RIG_EQUAL(rig_wait(fd, ids[1], 20000, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_EQUAL(rig_syncobj_wait(fd, sync.handle, 0, 0), 0);
	RIG_EQUAL(rig_wait(fd, ids[0], 0, &result), 0);
	RIG_EQUAL(rig_syncobj_del(fd, sync.handle), 0);
}

static void timeline_syncobj(void)
{
	struct drm_keel_sync ins = {.flags = DRM_KEEL_SYNC_TIMELINE};
	struct drm_keel_sync outs = {.flags = DRM_KEEL_SYNC_TIMELINE};
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	struct drm_keel_result result;
	uint64_t id = 0, point;

	RIG_EQUAL(rig_syncobj_new(fd, &outs.handle), 0);
	ins.handle = outs.handle;
	job.out_syncs = &outs;
	job.nr_out_syncs = 1;
	/* Points that don't fit in 32 bits are no special case. */
	for (point = 0xfffffffe; point < 0x100000002; point++) {
		outs.point = point;
		if (rig_submit(fd, queue, &job, &id))
			break;
		ins.point = point;
		job.in_syncs = &ins;
		job.nr_in_syncs = 1;
	}
	RIG_EQUAL(point, 0x100000002);
	RIG_EQUAL(rig_syncobj_wait(fd, outs.handle, point - 1, 20000), 0);
	RIG_EQUAL(rig_wait(fd, id, 0, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_EQUAL(rig_syncobj_del(fd, outs.handle), 0);
}

static void refused(void)
{
	struct rig_cmd bad = {0};
	union keel_command commands[2];
	unsigned int n;

	commands[0] = rig_copy(KEEL_SLOT_INPUT, 0, KEEL_SLOT_CONSTANTS, 0, 64);
	n = rig_cmd_seal(commands, 1);
	RIG_EQUAL(rig_cmd_new(fd, commands, n, &bad), -EINVAL);
	RIG_EQUAL(bad.info.bad_command, 0);
	RIG_CHECK(bad.info.bad_field[0] && bad.info.bad_reason[0]);
	rig_note("%s %s", bad.info.bad_field, bad.info.bad_reason);
}

static void tear_down(void)
{
	RIG_EQUAL(rig_queue_del(fd, queue), 0);
	RIG_EQUAL(rig_queue_del(fd, queue), -ENOENT);
	RIG_EQUAL(rig_cmd_del(fd, &cmd), 0);
	RIG_EQUAL(rig_cmd_del(fd, &cmd), -ENOENT);
	rig_bo_del(fd, &in);
	rig_bo_del(fd, &out);
}

int main(void)
{
	fd = rig_open();
	RIG_CHECK(fd >= 0);
	if (fd < 0)
		return rig_finish();
	query_device();
	query_counters();
	set_up();
	one_job();
	many_jobs();
	pipelined_jobs();
	binary_syncobj();
	timeline_syncobj();
	refused();
	tear_down();
	close(fd);
	return rig_finish();
}
