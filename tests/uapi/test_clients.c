// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Several clients at the same time: order, priorities, cancelling, closing, sharing of buffers. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rig.h"

#define BYTES (1u << 20)
#define MS    60000

/** struct client - a file with a queue, a command buffer and two buffer objects */
struct client {
	int fd;
	uint32_t queue;
	struct rig_cmd cmd, busy;
	struct rig_bo in, out;
};

static bool client_open(struct client *c, uint32_t priority)
{
	memset(c, 0, sizeof(*c));
	c->fd = rig_open();
	if (c->fd < 0 || rig_queue_new(c->fd, priority, &c->queue) ||
	    rig_copy_program(c->fd, BYTES, 256, &c->cmd) ||
	    rig_busy_program(c->fd, BYTES, 1500, &c->busy) || rig_bo_new(c->fd, BYTES, 0, &c->in) ||
	    rig_bo_new(c->fd, BYTES, 0, &c->out)) {
		rig_result(false, "a client");
		return false;
	}
	rig_fill(c->in.map, BYTES, c->fd);
	return true;
}

static void client_close(struct client *c)
{
	rig_bo_del(c->fd, &c->in);
	rig_bo_del(c->fd, &c->out);
	close(c->fd);
}

static struct rig_job copy_job(struct client *c)
{
	return (struct rig_job){.cmd = c->cmd.handle, .in = &c->in, .out = &c->out};
}

static int submit(struct client *c, uint64_t *id)
{
	struct rig_job job = copy_job(c);

	return rig_submit(c->fd, c->queue, &job, id);
}

/* Begins when the gate opens, and what is behind it in its queue begins later. */
static int submit_gated(struct client *c, uint32_t gate, uint64_t *id)
{
	struct drm_keel_sync in = {.handle = gate};
	struct rig_job job = copy_job(c);

	job.in_syncs = &in;
	job.nr_in_syncs = 1;
	return rig_submit(c->fd, c->queue, &job, id);
}

static bool gate_new(int fd, uint32_t *gate)
{
	*gate = rig_gate(fd);
	if (!*gate)
		rig_result(true, "a gate # SKIP no software fences here");
	return *gate;
}

/* The NPU has something of the queue, most likely. */
static void keep_busy(struct client *c)
{
	struct rig_job job = {.cmd = c->busy.handle, .in = &c->in, .out = &c->out};
	uint64_t id;

	RIG_EQUAL(rig_submit(c->fd, c->queue, &job, &id), 0);
	RIG_EQUAL(rig_submit(c->fd, c->queue, &job, &id), 0);
}

static void many_clients(void)
{
	enum { CLIENTS = 6, JOBS = 8 };
	struct client clients[CLIENTS];
	struct drm_keel_result result;
	uint64_t ids[CLIENTS][JOBS];
	unsigned int i, j, good = 0;

	for (i = 0; i < CLIENTS; i++)
		if (!client_open(&clients[i], i % 3))
			return;
	for (j = 0; j < JOBS; j++)
		for (i = 0; i < CLIENTS; i++)
			if (submit(&clients[i], &ids[i][j]))
				rig_result(false, "job %u of client %u is queued", j, i);
	for (i = 0; i < CLIENTS; i++) {
		for (j = 0; j < JOBS; j++)
			good += !rig_wait(clients[i].fd, ids[i][j], MS, &result) && !result.status;
		RIG_CHECK(rig_same(clients[i].in.map, clients[i].out.map, BYTES));
		client_close(&clients[i]);
	}
	RIG_EQUAL(good, CLIENTS * JOBS);
}

/* The same syncobj in another file. */
static uint32_t syncobj_share(int from, uint32_t handle, int to)
{
	struct drm_syncobj_handle share = {.handle = handle};

	RIG_EQUAL(rig_ioctl(from, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &share), 0);
	share.handle = 0;
	RIG_EQUAL(rig_ioctl(to, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &share), 0);
	close(share.fd);
	return share.handle;
}

/*
 * Nothing begins until all are queued. The high one waits for the first of the low ones, so it is
 * there too late for that, and before most of the others, however busy the machine is.
 */
static void high_goes_first(void)
{
	enum { JOBS = 12 };
	struct drm_keel_result high_result, low_result;
	struct client low, high;
	struct drm_keel_sync in = {0}, first = {0}, after = {0};
	struct rig_job job;
	uint64_t low_ids[JOBS], high_id;
	unsigned int i;

	if (!client_open(&low, DRM_KEEL_PRIORITY_LOW) ||
	    !client_open(&high, DRM_KEEL_PRIORITY_HIGH) || !gate_new(low.fd, &in.handle))
		return;
	RIG_EQUAL(rig_syncobj_new(low.fd, &first.handle), 0);
	after.handle = syncobj_share(low.fd, first.handle, high.fd);
	job = copy_job(&low);
	job.in_syncs = &in;
	job.nr_in_syncs = 1;
	job.out_syncs = &first;
	job.nr_out_syncs = 1;
	RIG_EQUAL(rig_submit(low.fd, low.queue, &job, &low_ids[0]), 0);
	for (i = 1; i < JOBS; i++)
		RIG_EQUAL(submit(&low, &low_ids[i]), 0);
	job = copy_job(&high);
	job.in_syncs = &after;
	job.nr_in_syncs = 1;
	RIG_EQUAL(rig_submit(high.fd, high.queue, &job, &high_id), 0);
	rig_open_gate();
	RIG_EQUAL(rig_wait(high.fd, high_id, MS, &high_result), 0);
	RIG_EQUAL(high_result.status, 0);
	RIG_EQUAL(rig_wait(low.fd, low_ids[JOBS - 1], MS, &low_result), 0);
	RIG_CHECK(high_result.end_ns < low_result.start_ns);
	client_close(&high);
	client_close(&low);
}

static void cancel(void)
{
	enum { JOBS = 8 };
	struct drm_keel_result result;
	struct client c;
	uint64_t ids[JOBS];
	uint32_t gate;
	unsigned int i;

	if (!client_open(&c, DRM_KEEL_PRIORITY_NORMAL) || !gate_new(c.fd, &gate))
		return;
	RIG_EQUAL(submit_gated(&c, gate, &ids[0]), 0);
	for (i = 1; i < JOBS; i++)
		RIG_EQUAL(submit(&c, &ids[i]), 0);
	RIG_EQUAL(rig_cancel(c.fd, ids[JOBS - 1]), 0);
	/* At once, although those before it are still there. */
	RIG_EQUAL(rig_wait(c.fd, ids[JOBS - 1], 0, &result), 0);
	RIG_EQUAL(result.status, -ECANCELED);
	RIG_EQUAL(result.start_ns, 0);
	RIG_EQUAL(rig_cancel(c.fd, ids[JOBS - 1]), -EALREADY);
	rig_open_gate();
	RIG_EQUAL(rig_wait(c.fd, ids[JOBS - 2], MS, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_EQUAL(rig_cancel(c.fd, ids[JOBS - 2]), -EALREADY);
	RIG_EQUAL(rig_cancel(c.fd, 0), -ENOENT);
	RIG_EQUAL(rig_cancel(c.fd, ids[JOBS - 1] + 1), -ENOENT);
	client_close(&c);
}

/* A job that the NPU has ends before its last command, or was over before. */
static void cancel_running(void)
{
	unsigned int i, cancelled = 0, done = 0;
	struct drm_keel_result result;
	struct client c;
	uint64_t id;
	int ret;

	if (!client_open(&c, DRM_KEEL_PRIORITY_NORMAL))
		return;
	for (i = 0; i < 20; i++) {
		RIG_EQUAL(submit(&c, &id), 0);
		usleep(i * 200);
		ret = rig_cancel(c.fd, id);
		if (ret && ret != -EALREADY)
			RIG_EQUAL(ret, 0);
		RIG_EQUAL(rig_wait(c.fd, id, MS, &result), 0);
		cancelled += result.status == -ECANCELED;
		done += !result.status;
	}
	RIG_EQUAL(cancelled + done, 20);
	rig_note("%u cancelled, %u done", cancelled, done);
	RIG_EQUAL(submit(&c, &id), 0);
	RIG_EQUAL(rig_wait(c.fd, id, MS, &result), 0);
	RIG_EQUAL(result.status, 0);
	client_close(&c);
}

static void destroy_queue(void)
{
	enum { JOBS = 8 };
	struct drm_keel_result result;
	struct client c;
	uint64_t ids[JOBS], id;
	uint32_t gate;
	unsigned int i, over = 0;

	if (!client_open(&c, DRM_KEEL_PRIORITY_NORMAL) || !gate_new(c.fd, &gate))
		return;
	keep_busy(&c);
	RIG_EQUAL(submit_gated(&c, gate, &ids[0]), 0);
	for (i = 1; i < JOBS; i++)
		RIG_EQUAL(submit(&c, &ids[i]), 0);
	RIG_EQUAL(rig_queue_del(c.fd, c.queue), 0);
	RIG_EQUAL(submit(&c, &id), -ENOENT);
	rig_open_gate();
	for (i = 0; i < JOBS; i++)
		over += !rig_wait(c.fd, ids[i], MS, &result) && result.status == -ECANCELED;
	RIG_EQUAL(over, JOBS);
	RIG_EQUAL(result.status, -ECANCELED);
	client_close(&c);
}

/* The scheduler takes a job of a queue, and there are more behind it, when the queue goes. */
static void destroy_many(void)
{
	struct drm_keel_result result;
	struct client c;
	unsigned int i, k, bad = 0;
	uint64_t id;

	if (!client_open(&c, DRM_KEEL_PRIORITY_NORMAL))
		return;
	for (i = 0; i < 200; i++) {
		for (k = 0; k < 4; k++)
			bad += !!submit(&c, &id);
		bad += !!rig_queue_del(c.fd, c.queue);
		bad += !!rig_queue_new(c.fd, DRM_KEEL_PRIORITY_NORMAL, &c.queue);
	}
	RIG_EQUAL(bad, 0);
	RIG_EQUAL(submit(&c, &id), 0);
	RIG_EQUAL(rig_wait(c.fd, id, MS, &result), 0);
	RIG_EQUAL(result.status, 0);
	client_close(&c);
}

static void close_while_busy(void)
{
	struct drm_keel_result result;
	struct client c, other;
	uint64_t id;
	unsigned int i, k;

	if (!client_open(&other, DRM_KEEL_PRIORITY_NORMAL))
		return;
	for (i = 0; i < 5; i++) {
		if (!client_open(&c, DRM_KEEL_PRIORITY_NORMAL))
			return;
		for (k = 0; k < 6; k++)
			RIG_EQUAL(submit(&c, &id), 0);
		/* The mappings stay, so that the buffers outlive their file. */
		close(c.fd);
		munmap(c.in.map, BYTES);
		munmap(c.out.map, BYTES);
	}
	RIG_EQUAL(submit(&other, &id), 0);
	RIG_EQUAL(rig_wait(other.fd, id, MS, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_CHECK(rig_same(other.in.map, other.out.map, BYTES));
	client_close(&other);
}

/* One client writes, another one, which got the buffer as a dma-buf, reads: no syncobj needed. */
static void share(void)
{
	struct drm_prime_handle prime = {.flags = DRM_CLOEXEC | DRM_RDWR};
	struct drm_keel_result result;
	struct client a, b;
	struct rig_bo imported = {.bytes = BYTES};
	struct rig_job job;
	uint64_t ids[2];

	if (!client_open(&a, DRM_KEEL_PRIORITY_LOW) || !client_open(&b, DRM_KEEL_PRIORITY_HIGH))
		return;
	prime.handle = a.out.handle;
	RIG_EQUAL(rig_ioctl(a.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), 0);
	RIG_EQUAL(rig_ioctl(b.fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), 0);
	imported.handle = prime.handle;
	job = (struct rig_job){.cmd = b.cmd.handle, .in = &imported, .out = &b.out};
	RIG_EQUAL(submit(&a, &ids[0]), 0);
	RIG_EQUAL(rig_submit(b.fd, b.queue, &job, &ids[1]), 0);
	RIG_EQUAL(rig_wait(b.fd, ids[1], MS, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_CHECK(rig_same(a.in.map, b.out.map, BYTES));
	close(prime.fd);
	rig_bo_del(b.fd, &imported);
	client_close(&a);
	client_close(&b);
}

int main(void)
{
	many_clients();
	high_goes_first();
	cancel();
	cancel_running();
	destroy_queue();
	destroy_many();
	close_while_busy();
	share();
	return rig_finish();
}
