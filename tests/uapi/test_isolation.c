// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A client that tries to see what another one had: in the NPU's memory, also after that one's job
 * was cancelled, hung or crashed, in freed buffers, and by numbers that aren't its own. The
 * simulator's script (tests/vm/suites/isolation.faults) strikes the clients 1 to 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refuse.h"

#define MS     60000
#define SECRET 0xa5
#define BYTES  65536
#define STRUCK 3

/** struct client - a file that can write the NPU's memory and read it
 * @hide: copies slot 2 to the NPU's memory, in pieces, and then to slot 16
 * @peek: copies the NPU's memory to slot 16
 */
struct client {
	int fd;
	uint32_t queue;
	struct rig_cmd hide, peek;
	struct rig_bo in, out;
};

static uint32_t sram;
static struct client struck[STRUCK], victim, thief;

static int program(int fd, bool hide, struct rig_cmd *cmd)
{
	enum { PIECES = 8 };
	union keel_command c[PIECES + 2];
	uint32_t piece = sram / PIECES;
	unsigned int i, n = 0;

	for (i = 0; hide && i < PIECES; i++)
		c[n++] = rig_copy(KEEL_SLOT_INPUT, i * piece, KEEL_SLOT_SRAM, i * piece, piece);
	c[n] = rig_copy(KEEL_SLOT_SRAM, 0, KEEL_SLOT_OUTPUT, 0, sram);
	c[n].h.wait[KEEL_ENGINE_DMA] = n;
	n++;
	return rig_cmd_new(fd, c, rig_cmd_seal(c, n), cmd);
}

static int client_open(struct client *c)
{
	struct drm_keel_device_info info = {0};
	struct drm_keel_query query = {.size = sizeof(info), .data = (uintptr_t)&info};
	int ret;

	memset(c, 0, sizeof(*c));
	c->fd = rig_open();
	ret = rig_ioctl(c->fd, DRM_IOCTL_KEEL_QUERY, &query);
	sram = info.sram_bytes;
	if (!ret)
		ret = rig_queue_new(c->fd, DRM_KEEL_PRIORITY_NORMAL, &c->queue) |
		      rig_bo_new(c->fd, sram, 0, &c->in) | rig_bo_new(c->fd, sram, 0, &c->out) |
		      program(c->fd, true, &c->hide) | program(c->fd, false, &c->peek);
	if (!ret)
		memset(c->in.map, SECRET, sram);
	return ret;
}

static void client_close(struct client *c)
{
	rig_bo_del(c->fd, &c->in);
	rig_bo_del(c->fd, &c->out);
	close(c->fd);
}

static int submit_hide(struct client *c, uint64_t *id)
{
	struct rig_job job = {.cmd = c->hide.handle, .in = &c->in, .out = &c->out};

	return rig_submit(c->fd, c->queue, &job, id);
}

static int submit_peek(struct client *c, uint64_t *id)
{
	struct drm_keel_binding binding = {
		.slot = KEEL_SLOT_OUTPUT, .handle = c->out.handle, .bytes = sram};
	struct drm_keel_job job = {.commands = c->peek.handle,
				   .bindings = (uintptr_t)&binding,
				   .nr_bindings = 1,
				   .binding_stride = sizeof(binding)};
	struct drm_keel_submit submit = {.jobs = (uintptr_t)&job,
					 .nr_jobs = 1,
					 .job_stride = sizeof(job),
					 .queue = c->queue};
	int ret;

	memset(c->out.map, 0x11, sram);
	ret = rig_ioctl(c->fd, DRM_IOCTL_KEEL_SUBMIT, &submit);
	*id = job.id;
	return ret;
}

static int finish(struct client *c, uint64_t id)
{
	struct drm_keel_result result = {0};
	int ret = rig_wait(c->fd, id, MS, &result);

	return ret ? ret : result.status;
}

static bool all(const void *p, unsigned int value, size_t bytes)
{
	const unsigned char *at = p;
	size_t i;

	for (i = 0; i < bytes; i++)
		if (at[i] != value) {
			rig_note("byte %zu is %#x", i, at[i]);
			return false;
		}
	return true;
}

/* The NPU's memory shows nothing to the thief, whatever came before. */
static bool nothing_to_see(void)
{
	uint64_t id;
	int ret = submit_peek(&thief, &id);

	return !ret && !finish(&thief, id) && all(thief.out.map, 0, sram);
}

static void after_a_job(void)
{
	unsigned int i, good = 0, hidden = 0;
	uint64_t ids[2];

	for (i = 0; i < 20; i++) {
		/* Both are with the NPU before the first one ends. */
		if (submit_hide(&victim, &ids[0]) || submit_peek(&thief, &ids[1]))
			break;
		good += !finish(&victim, ids[0]) && all(victim.out.map, SECRET, sram);
		hidden += !finish(&thief, ids[1]) && all(thief.out.map, 0, sram);
	}
	RIG_EQUAL(good, 20);
	RIG_EQUAL(hidden, 20);
}

static void after_a_cancelled_job(void)
{
	unsigned int i, hidden = 0;
	uint64_t id;

	for (i = 0; i < 20; i++) {
		if (submit_hide(&victim, &id))
			break;
		usleep(i * 100);
		rig_cancel(victim.fd, id);
		hidden += nothing_to_see();
		finish(&victim, id);
	}
	RIG_EQUAL(hidden, 20);
}

static void after_a_closed_file(void)
{
	struct client c;
	uint64_t id;

	RIG_EQUAL(client_open(&c), 0);
	RIG_EQUAL(submit_hide(&c, &id), 0);
	RIG_EQUAL(finish(&c, id), 0);
	client_close(&c);
	RIG_CHECK(nothing_to_see());
	RIG_EQUAL(client_open(&c), 0);
	RIG_EQUAL(submit_hide(&c, &id), 0);
	client_close(&c);
	RIG_CHECK(nothing_to_see());
}

static void after_faults(void)
{
	static const int statuses[STRUCK] = {-ETIME, -EIO, -EFAULT};
	unsigned int i;
	uint64_t id;

	for (i = 0; i < STRUCK; i++) {
		RIG_EQUAL(submit_hide(&struck[i], &id), 0);
		RIG_EQUAL(finish(&struck[i], id), statuses[i]);
		RIG_CHECK(nothing_to_see());
	}
}

/* What was somebody's buffer is empty when it is somebody else's, for CPU and NPU. */
static void freed_buffers(void)
{
	struct rig_bo theirs, mine;
	unsigned int i, empty = 0;

	for (i = 0; i < 30; i++) {
		rig_bo_new(victim.fd, BYTES, i % 2 ? DRM_KEEL_BO_WC : 0, &theirs);
		memset(theirs.map, SECRET, BYTES);
		rig_bo_del(victim.fd, &theirs);
		rig_bo_new(thief.fd, BYTES, 0, &mine);
		empty += all(mine.map, 0, BYTES);
		rig_bo_del(thief.fd, &mine);
	}
	RIG_EQUAL(empty, 30);
}

static int copy_out(struct client *c, uint32_t handle, struct rig_cmd *cmd, uint64_t *id)
{
	struct rig_bo from = {.handle = handle, .bytes = BYTES},
		      to = {.handle = c->out.handle, .bytes = BYTES};
	struct rig_job job = {.cmd = cmd->handle, .in = &from, .out = &to};

	memset(c->out.map, 0x11, BYTES);
	return rig_submit(c->fd, c->queue, &job, id);
}

static int copy_in(struct client *c, uint32_t handle, struct rig_cmd *cmd, uint64_t *id)
{
	struct rig_bo from = {.handle = c->in.handle, .bytes = BYTES},
		      to = {.handle = handle, .bytes = BYTES};
	struct rig_job job = {.cmd = cmd->handle, .in = &from, .out = &to};

	return rig_submit(c->fd, c->queue, &job, id);
}

/* Scratch memory that no CPU ever sees; also when its handle is closed while a job writes it. */
static void freed_scratch(bool early)
{
	struct rig_cmd theirs, mine;
	struct rig_bo scratch;
	unsigned int i, empty = 0, intact = 0;
	uint64_t id, written;

	rig_copy_program(victim.fd, BYTES, 32, &theirs);
	rig_copy_program(thief.fd, BYTES, 1, &mine);
	for (i = 0; i < 20; i++) {
		rig_bo_new(victim.fd, BYTES, DRM_KEEL_BO_NO_MMAP, &scratch);
		copy_in(&victim, scratch.handle, &theirs, &written);
		if (!early)
			finish(&victim, written);
		rig_bo_del(victim.fd, &scratch);
		rig_bo_new(thief.fd, BYTES, DRM_KEEL_BO_NO_MMAP, &scratch);
		if (!copy_out(&thief, scratch.handle, &mine, &id) && !finish(&thief, id))
			empty += all(thief.out.map, 0, BYTES);
		intact += !finish(&victim, written);
		rig_bo_del(thief.fd, &scratch);
	}
	RIG_EQUAL(empty, 20);
	RIG_EQUAL(intact, 20);
	rig_cmd_del(victim.fd, &theirs);
	rig_cmd_del(thief.fd, &mine);
}

static void foreign_numbers(void)
{
	struct drm_keel_bo_mmap map;
	struct drm_prime_handle prime;
	struct drm_keel_result result;
	struct rig_bo many[20];
	unsigned int i, found = 0;
	uint64_t id, mine = 0;

	for (i = 0; i < 20; i++)
		rig_bo_new(victim.fd, BYTES, 0, &many[i]);
	for (i = 0; i < 20; i++)
		submit_hide(&victim, &id);
	finish(&victim, id);
	submit_peek(&thief, &mine);
	for (i = 0; i < 300; i++) {
		map = (struct drm_keel_bo_mmap){.handle = i};
		if (i == thief.in.handle || i == thief.out.handle)
			continue;
		prime = (struct drm_prime_handle){.handle = i};
		found += rig_ioctl(thief.fd, DRM_IOCTL_KEEL_BO_MMAP, &map) != -ENOENT;
		found += rig_ioctl(thief.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) != -ENOENT;
	}
	RIG_EQUAL(found, 0);
	for (found = 0; id > mine; id--)
		found += rig_wait(thief.fd, id, 0, &result) != -ENOENT;
	RIG_EQUAL(found, 0);
	for (i = 0; i < 20; i++) {
		map = (struct drm_keel_bo_mmap){.handle = many[i].handle};
		rig_ioctl(victim.fd, DRM_IOCTL_KEEL_BO_MMAP, &map);
		found += mmap(NULL, BYTES, PROT_READ, MAP_SHARED, thief.fd, map.offset) !=
			 MAP_FAILED;
		rig_bo_del(victim.fd, &many[i]);
	}
	RIG_EQUAL(found, 0);
	RIG_EQUAL(finish(&thief, mine), 0);
}

/* Counters of a file are of that file. */
static void foreign_counters(void)
{
	struct drm_keel_perf perf = {.op = DRM_KEEL_PERF_OPEN};
	uint64_t values[64] = {0}, id, sum = 0;
	unsigned int i;

	RIG_EQUAL(rig_ioctl(thief.fd, DRM_IOCTL_KEEL_PERF, &perf), 0);
	for (i = 0; i < 5; i++)
		submit_hide(&victim, &id);
	RIG_EQUAL(finish(&victim, id), 0);
	perf.op = DRM_KEEL_PERF_READ;
	perf.count = 20; /* cycles, bytes, jobs; gauges come later */
	perf.values = (uintptr_t)values;
	RIG_EQUAL(rig_ioctl(thief.fd, DRM_IOCTL_KEEL_PERF, &perf), 0);
	for (i = 0; i < 18; i++)
		sum += values[i];
	RIG_EQUAL(sum, 0);
}

/* A user without rights gives no global names away, and takes none. */
static void global_names(void)
{
	struct drm_gem_flink flink = {0};
	struct drm_gem_open open_name = {0};
	struct rig_bo bo;
	int fd;

	chmod("/dev/accel/accel0", 0666);
	refuse_nobody();
	fd = rig_open();
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &bo), 0);
	flink.handle = bo.handle;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_GEM_FLINK, &flink), -EACCES);
	flink.handle = victim.in.handle;
	refuse_somebody();
	if (!rig_ioctl(victim.fd, DRM_IOCTL_GEM_FLINK, &flink)) {
		refuse_nobody();
		open_name.name = flink.name;
		RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_GEM_OPEN, &open_name), -EACCES);
		refuse_somebody();
	}
	rig_bo_del(fd, &bo);
	close(fd);
}

int main(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < STRUCK; i++)
		ret |= client_open(&struck[i]);
	ret |= client_open(&victim) | client_open(&thief);
	if (!RIG_EQUAL(ret, 0))
		return rig_finish();
	rig_note("%u bytes of memory in the NPU", sram);
	after_a_job();
	after_a_cancelled_job();
	after_a_closed_file();
	after_faults();
	freed_buffers();
	freed_scratch(false);
	freed_scratch(true);
	foreign_numbers();
	foreign_counters();
	global_names();
	for (i = 0; i < STRUCK; i++)
		client_close(&struck[i]);
	client_close(&victim);
	client_close(&thief);
	return rig_finish();
}
