// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Load for suites: test_load SECONDS [PIECES [EXPECTED_STATUS]]: jobs of PIECES commands one after
 * the other, with the bytes compared; each must end with EXPECTED_STATUS (0). With more than one
 * process, each is a client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define BYTES 65536

struct load {
	int fd;
	uint32_t queue;
	struct rig_cmd cmd;
	struct rig_bo in, out;
};

static int load_open(struct load *l, unsigned int pieces)
{
	int ret;

	l->fd = rig_open();
	if (l->fd < 0)
		return l->fd;
	ret = rig_bo_new(l->fd, BYTES, 0, &l->in);
	if (!ret)
		ret = rig_bo_new(l->fd, BYTES, 0, &l->out);
	if (!ret)
		ret = rig_copy_program(l->fd, BYTES, pieces, &l->cmd);
	if (!ret)
		ret = rig_queue_new(l->fd, DRM_KEEL_PRIORITY_NORMAL, &l->queue);
	return ret;
}

static int load_run(struct load *l, uint32_t seed, struct drm_keel_result *result)
{
	struct rig_job job = {.cmd = l->cmd.handle, .in = &l->in, .out = &l->out};
	uint64_t id;
	int ret;

	rig_fill(l->in.map, BYTES, seed);
	memset(l->out.map, 0, BYTES);
	ret = rig_submit(l->fd, l->queue, &job, &id);
	if (!ret)
		ret = rig_wait(l->fd, id, 60000, result);
	return ret;
}

/* A queue whose job failed may have been banned; the next job gets another one. */
static int new_queue(struct load *l)
{
	rig_queue_del(l->fd, l->queue);
	return rig_queue_new(l->fd, DRM_KEEL_PRIORITY_NORMAL, &l->queue);
}

int main(int argc, char **argv)
{
	uint64_t end = rig_now() + (argc > 1 ? atof(argv[1]) : 1) * 1e9;
	int expected = argc > 3 ? atoi(argv[3]) : 0, ret;
	unsigned int jobs = 0, wrong = 0, failed = 0;
	struct drm_keel_result result;
	struct load l;

	ret = load_open(&l, argc > 2 ? atoi(argv[2]) : 4);
	RIG_EQUAL(ret, 0);
	while (!ret && !failed && (!jobs || rig_now() < end)) {
		memset(&result, 0, sizeof(result));
		ret = load_run(&l, ++jobs, &result);
		failed += ret || result.status != expected;
		wrong += !result.status && !rig_same(l.in.map, l.out.map, BYTES);
		if (!ret && result.status)
			ret = new_queue(&l);
	}
	rig_note("%u jobs, last status %d", jobs, result.status);
	RIG_EQUAL(ret, 0);
	RIG_EQUAL(failed, 0);
	RIG_EQUAL(wrong, 0);
	return rig_finish();
}
