// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * test_soak JOBS [CLIENTS]: clients of different priorities, each with jobs in flight, while the
 * simulator injects faults at random. Every job ends, with a status that a fault explains; what
 * ended well has the right bytes; after a ban a new queue works.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

#define BYTES  8192
#define PIECES 8
#define DEPTH  6
#define MS     120000

/** struct lane - one job at a time */
struct lane {
	struct rig_bo in, out;
	uint64_t id;
	uint32_t seed;
};

/** struct soak - a client and what became of its jobs */
struct soak {
	int fd;
	uint32_t queue, priority;
	struct rig_cmd cmd;
	struct lane lanes[DEPTH];
	unsigned int done, failed, cancelled, replayed, odd, lost, wrong, banned;
};

static int soak_open(struct soak *s, uint32_t priority)
{
	unsigned int i;
	int ret;

	memset(s, 0, sizeof(*s));
	s->priority = priority;
	s->fd = rig_open();
	if (s->fd < 0)
		return s->fd;
	ret = rig_queue_new(s->fd, priority, &s->queue);
	if (!ret)
		ret = rig_copy_program(s->fd, BYTES, PIECES, &s->cmd);
	for (i = 0; i < DEPTH && !ret; i++) {
		ret = rig_bo_new(s->fd, BYTES, 0, &s->lanes[i].in);
		if (!ret)
			ret = rig_bo_new(s->fd, BYTES, 0, &s->lanes[i].out);
	}
	return ret;
}

static int start(struct soak *s, struct lane *l, uint32_t seed)
{
	struct rig_job job = {.cmd = s->cmd.handle, .in = &l->in, .out = &l->out};
	int ret;

	l->seed = seed;
	rig_fill(l->in.map, BYTES, seed);
	memset(l->out.map, 0, BYTES);
	ret = rig_submit(s->fd, s->queue, &job, &l->id);
	if (ret != -ECANCELED)
		return ret;
	s->banned++;
	rig_queue_del(s->fd, s->queue);
	ret = rig_queue_new(s->fd, s->priority, &s->queue);
	return ret ? ret : rig_submit(s->fd, s->queue, &job, &l->id);
}

static void finish(struct soak *s, struct lane *l)
{
	struct drm_keel_result r = {0};

	if (!l->id)
		return;
	if (rig_wait(s->fd, l->id, MS, &r)) {
		s->lost++;
	} else if (!r.status) {
		s->done++;
		s->wrong += !rig_same(l->in.map, l->out.map, BYTES);
	} else if (r.status == -ECANCELED) {
		s->cancelled++;
	} else {
		s->failed++;
		s->odd += r.status != -ETIME && r.status != -EIO && r.status != -EFAULT;
	}
	s->replayed += r.replays != 0;
	l->id = 0;
}

static int client(unsigned int number, unsigned int jobs)
{
	struct soak s;
	unsigned int i, refused = 0;

	if (soak_open(&s, number % 3))
		return 2;
	for (i = 0; i < jobs; i++) {
		struct lane *l = &s.lanes[i % DEPTH];

		finish(&s, l);
		refused += start(&s, l, number * 1000003u + i) != 0;
	}
	for (i = 0; i < DEPTH; i++)
		finish(&s, &s.lanes[i]);
	printf("# client %u: %u done, %u failed, %u cancelled, %u replayed, %u bans, %u refused, "
	       "%u lost, %u wrong, %u odd\n",
	       number, s.done, s.failed, s.cancelled, s.replayed, s.banned, refused, s.lost,
	       s.wrong, s.odd);
	close(s.fd);
	return s.done && !refused && !s.lost && !s.wrong && !s.odd &&
			       s.done + s.failed + s.cancelled == jobs
		       ? 0
		       : 1;
}

int main(int argc, char **argv)
{
	unsigned int jobs = argc > 1 ? atoi(argv[1]) : 100, i;
	unsigned int clients = argc > 2 ? atoi(argv[2]) : 4;
	int status;

	for (i = 0; i < clients; i++) {
		fflush(stdout);
		if (!fork()) {
			status = client(i, jobs);
			fflush(stdout);
			_exit(status);
		}
	}
	for (i = 0; i < clients; i++) {
		if (wait(&status) < 0)
			status = -1;
		rig_result(!status, "a client had all of its jobs explained");
	}
	return rig_finish();
}
