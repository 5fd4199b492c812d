// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "load.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int load_open(struct load_client *c, uint32_t priority)
{
	unsigned int i;
	int ret;

	memset(c, 0, sizeof(*c));
	c->priority = priority;
	c->fd = rig_open();
	if (c->fd < 0)
		return c->fd;
	c->seed = getpid() * 1000u;
	ret = rig_queue_new(c->fd, priority, &c->queue);
	if (!ret)
		ret = rig_copy_program(c->fd, LOAD_BYTES, LOAD_PIECES, &c->cmd);
	for (i = 0; !ret && i < LOAD_DEPTH; i++) {
		ret = rig_bo_new(c->fd, LOAD_BYTES, 0, &c->in[i]);
		if (!ret)
			ret = rig_bo_new(c->fd, LOAD_BYTES, 0, &c->out[i]);
	}
	return ret;
}

void load_close(struct load_client *c)
{
	unsigned int i;

	for (i = 0; i < LOAD_DEPTH; i++) {
		rig_bo_del(c->fd, &c->in[i]);
		rig_bo_del(c->fd, &c->out[i]);
	}
	close(c->fd);
}

int load_submit(struct load_client *c, uint32_t queue, unsigned int i)
{
	struct rig_job job = {.cmd = c->cmd.handle, .in = &c->in[i], .out = &c->out[i]};

	rig_fill(c->in[i].map, LOAD_BYTES, ++c->seed);
	memset(c->out[i].map, 0, LOAD_BYTES);
	c->ids[i] = 0;
	return rig_submit(c->fd, queue, &job, &c->ids[i]);
}

int load_finish(struct load_client *c, unsigned int i, struct drm_keel_result *result)
{
	memset(result, 0, sizeof(*result));
	if (rig_wait(c->fd, c->ids[i], LOAD_MS, result) || result->id != c->ids[i])
		return -ENODATA;
	if (!result->status && !rig_same(c->in[i].map, c->out[i].map, LOAD_BYTES))
		return -EPROTO;
	return result->status;
}

static void count(struct load_counts *n, int status, const struct drm_keel_result *result)
{
	n->jobs++;
	n->replays += result->replays;
	if (status)
		n->last_error = status;
	if (!status)
		n->good++;
	else if (status == -EPROTO)
		n->wrong++;
	else if (status == -ENODATA)
		n->lost++;
	else if (status == -ECANCELED)
		n->cancelled++;
	else
		n->failed++;
}

/* A job of the client's failed, so its queue may have been banned. */
static int submit_somewhere(struct load_client *c, struct load_counts *n, unsigned int i)
{
	int ret = load_submit(c, c->queue, i);

	if (ret != -ECANCELED)
		return ret;
	n->refused++;
	rig_queue_del(c->fd, c->queue);
	ret = rig_queue_new(c->fd, c->priority, &c->queue);
	return ret ? ret : load_submit(c, c->queue, i);
}

static void run(struct load_client *c, struct load_counts *n, unsigned long jobs)
{
	struct drm_keel_result result;
	unsigned long queued = 0, finished = 0;
	int ret = 0;

	while (!ret && !n->stop && (!jobs || finished < jobs)) {
		while (!ret && queued < finished + LOAD_DEPTH && (!jobs || queued < jobs)) {
			ret = submit_somewhere(c, n, queued % LOAD_DEPTH);
			queued += !ret;
		}
		if (finished == queued)
			break;
		count(n, load_finish(c, finished % LOAD_DEPTH, &result), &result);
		finished++;
	}
	for (; finished < queued; finished++)
		count(n, load_finish(c, finished % LOAD_DEPTH, &result), &result);
	if (ret)
		n->last_error = ret;
	n->lost += !!ret;
}

static void child(uint32_t priority, unsigned long jobs, struct load_counts *n)
{
	struct load_client c;
	int ret = load_open(&c, priority);

	n->ready = true;
	if (ret)
		_exit(1);
	run(&c, n, jobs);
	load_close(&c);
	_exit(0);
}

int load_start(struct load_process *p, uint32_t priority, unsigned long jobs)
{
	p->counts = mmap(NULL, sizeof(*p->counts), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->counts == MAP_FAILED)
		return -ENOMEM;
	p->pid = fork();
	if (p->pid < 0)
		return -errno;
	if (!p->pid)
		child(priority, jobs, p->counts);
	while (!p->counts->ready)
		usleep(10000);
	return 0;
}

int load_join(struct load_process *p)
{
	int status = -1;

	waitpid(p->pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int load_stop(struct load_process *p)
{
	p->counts->stop = true;
	return load_join(p);
}
