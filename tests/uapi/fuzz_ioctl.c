// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Random ioctls: fuzz_ioctl SEED CALLS [THREADS]. Threads share a handful of files, which come and
 * go; arguments are drawn from what exists, then some are damaged. Whatever the driver answers is
 * right, as long as it answers: the kernel's checkers are the judges, and in the end the device
 * must work and have nothing left. Processes are forked in between, which share files and die busy.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keel_random.h"
#include "refuse.h"

#define FILES	4
#define HANDLES 12
#define MAPS	4
#define BYTES	4096
#define JOBS	3
#define MAX_MS	20

/** struct pool - numbers that may mean something, the newest first */
struct pool {
	uint32_t values[HANDLES];
	unsigned int next;
};

/** struct client - a file, and what was made with it; racy on purpose */
struct client {
	_Atomic int fd;
	struct pool bos, cmds, queues, sets, syncobjs;
	uint64_t ids[HANDLES];
};

/** struct fuzzer - a thread */
struct fuzzer {
	struct keel_random random;
	struct client *client;
	unsigned long calls;
	void *maps[MAPS];
	union keel_command commands[8];
	struct drm_keel_job jobs[JOBS];
	struct drm_keel_binding bindings[4];
	struct drm_keel_sync syncs[2];
	uint64_t room[2048];
};

static struct client clients[FILES];
static atomic_int passed = -1;
static atomic_ulong done, accepted;
static unsigned long limit;

static uint32_t below(struct fuzzer *f, uint32_t n)
{
	return keel_random_below(&f->random, n);
}

static bool one_in(struct fuzzer *f, uint32_t n)
{
	return !below(f, n);
}

static void pool_add(struct pool *p, uint32_t value)
{
	p->values[p->next++ % HANDLES] = value;
}

static uint32_t pick(struct fuzzer *f, const struct pool *p)
{
	uint32_t value = p->values[below(f, HANDLES)];

	return value || one_in(f, 4) ? value : p->values[0];
}

static const uint64_t edges[] = {
	0,	    1,		2,	    31,		32,	    63,		64,
	127,	    128,	4095,	    4096,	4097,	    0x7fff,	0xffff,
	0x10000,    0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, 1ull << 63, UINT64_MAX - 4095,
	UINT64_MAX, 0x5555,
};

/* One place of an argument becomes something else. */
static void damage(struct fuzzer *f, void *arg, size_t bytes)
{
	uint64_t value = one_in(f, 2) ? edges[below(f, sizeof(edges) / sizeof(edges[0]))]
				      : 1ull << below(f, 64);
	size_t width = one_in(f, 2) ? 4 : 8;
	size_t at = below(f, bytes / width) * width;

	memcpy((char *)arg + at, &value, width);
}

static uint64_t address(struct fuzzer *f, const void *valid)
{
	static atomic_uintptr_t nowhere;

	if (!one_in(f, 64))
		return (uintptr_t)valid;
	if (!nowhere)
		nowhere = refuse_unmapped();
	return one_in(f, 2) ? nowhere : edges[below(f, sizeof(edges) / sizeof(edges[0]))];
}

static int call_as_is(struct fuzzer *f, unsigned long request, void *arg)
{
	int ret;

	f->calls++;
	ret = ioctl(f->client->fd, request, arg);
	if (!ret)
		atomic_fetch_add_explicit(&accepted, 1, memory_order_relaxed);
	return ret;
}

static int call(struct fuzzer *f, unsigned long request, void *arg)
{
	unsigned long other = request;

	if (one_in(f, 6))
		damage(f, arg, _IOC_SIZE(request));
	if (one_in(f, 200))
		other = request ^ 1u << below(f, 30);
	/* Arrays of syncobjs of any length: the DRM core tries, and the kernel warns. */
	if (_IOC_NR(other) < 0xc3 && _IOC_NR(other) != _IOC_NR(DRM_IOCTL_KEEL_BO_CREATE))
		request = other;
	return call_as_is(f, request, arg);
}

static void do_query(struct fuzzer *f)
{
	struct drm_keel_query args = {.kind = below(f, 2),
				      .size = below(f, sizeof(f->room)),
				      .data = address(f, f->room)};

	call(f, DRM_IOCTL_KEEL_QUERY, &args);
}

/* Memory of the machine is small, and jobs touch all of a buffer: sizes are huge or modest. */
static void do_bo_create(struct fuzzer *f)
{
	struct drm_keel_bo_create args = {.size = (1 + below(f, 8)) * BYTES,
					  .flags = one_in(f, 3) ? 1u << below(f, 2) : 0};

	if (one_in(f, 6))
		damage(f, &args, sizeof(args));
	if (args.size <= 1ull << 32)
		args.size %= 1u << 16;
	if (!call_as_is(f, DRM_IOCTL_KEEL_BO_CREATE, &args))
		pool_add(&f->client->bos, args.handle);
}

static void do_bo_close(struct fuzzer *f)
{
	struct drm_gem_close args = {.handle = pick(f, &f->client->bos)};

	call(f, DRM_IOCTL_GEM_CLOSE, &args);
}

static void do_bo_mmap(struct fuzzer *f)
{
	struct drm_keel_bo_mmap args = {.handle = pick(f, &f->client->bos)};
	unsigned int i = below(f, MAPS);
	void *map;

	if (call(f, DRM_IOCTL_KEEL_BO_MMAP, &args))
		return;
	if (f->maps[i])
		munmap(f->maps[i], BYTES);
	map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->client->fd, args.offset);
	f->maps[i] = map == MAP_FAILED ? NULL : map;
	if (f->maps[i] && one_in(f, 2))
		*(volatile uint32_t *)map = 1;
}

static void do_bo_sync(struct fuzzer *f)
{
	struct drm_keel_bo_sync args = {.handle = pick(f, &f->client->bos),
					.flags = 1 + below(f, 3),
					.offset = below(f, BYTES),
					.bytes = 1 + below(f, BYTES)};

	call(f, DRM_IOCTL_KEEL_BO_SYNC, &args);
}

static void do_cmd_create(struct fuzzer *f)
{
	unsigned int i, n = 1 + below(f, 4);
	struct drm_keel_cmd_create args = {.data = address(f, f->commands),
					   .bytes = (n + 1) * KEEL_COMMAND_SIZE};

	for (i = 0; i < n; i++)
		f->commands[i] =
			rig_copy(KEEL_SLOT_INPUT + below(f, 2), below(f, 64), KEEL_SLOT_OUTPUT,
				 below(f, 64), 1 + below(f, one_in(f, 20) ? 1u << 20 : 2000));
	if (one_in(f, 8))
		damage(f, f->commands, n * KEEL_COMMAND_SIZE);
	rig_cmd_seal(f->commands, n);
	if (!call(f, DRM_IOCTL_KEEL_CMD_CREATE, &args))
		pool_add(&f->client->cmds, args.handle);
}

static void do_cmd_destroy(struct fuzzer *f)
{
	struct drm_keel_cmd_destroy args = {.handle = pick(f, &f->client->cmds)};

	call(f, DRM_IOCTL_KEEL_CMD_DESTROY, &args);
}

static void do_queue_create(struct fuzzer *f)
{
	struct drm_keel_queue_create args = {.priority = below(f, 3)};

	if (!call(f, DRM_IOCTL_KEEL_QUEUE_CREATE, &args))
		pool_add(&f->client->queues, args.handle);
}

static void do_queue_destroy(struct fuzzer *f)
{
	struct drm_keel_queue_destroy args = {.handle = pick(f, &f->client->queues)};

	call(f, DRM_IOCTL_KEEL_QUEUE_DESTROY, &args);
}

static void draw_bindings(struct fuzzer *f)
{
	static const uint32_t slots[] = {KEEL_SLOT_INPUT, KEEL_SLOT_OUTPUT, KEEL_SLOT_INPUT + 1};
	unsigned int i;

	for (i = 0; i < 3; i++)
		f->bindings[i] = (struct drm_keel_binding){.slot = slots[i],
							   .handle = pick(f, &f->client->bos),
							   .offset = below(f, 4) * 64,
							   .bytes = BYTES - 256};
	if (one_in(f, 10))
		damage(f, f->bindings, sizeof(f->bindings));
}

static void draw_syncs(struct fuzzer *f)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		bool timeline = one_in(f, 3);

		f->syncs[i] = (struct drm_keel_sync){.handle = pick(f, &f->client->syncobjs),
						     .flags = timeline,
						     .point = timeline ? 1 + below(f, 1000) : 0};
	}
	if (one_in(f, 10))
		damage(f, f->syncs, sizeof(f->syncs));
}

static void draw_job(struct fuzzer *f, struct drm_keel_job *job)
{
	*job = (struct drm_keel_job){
		.commands = pick(f, &f->client->cmds),
		.bindings = address(f, f->bindings),
		.nr_bindings = 2 + one_in(f, 2),
		.binding_stride = sizeof(f->bindings[0]),
		.in_syncs = address(f, &f->syncs[0]),
		.out_syncs = address(f, &f->syncs[1]),
		.nr_in_syncs = one_in(f, 6),
		.nr_out_syncs = one_in(f, 2),
		.sync_stride = sizeof(f->syncs[0]),
	};
	if (one_in(f, 8)) {
		job->first = below(f, 3);
		job->count = 1;
	}
	if (one_in(f, 4)) {
		job->trace_handle = pick(f, &f->client->bos);
		job->trace_bytes = below(f, BYTES);
	}
}

static void do_submit(struct fuzzer *f)
{
	struct drm_keel_submit args = {.jobs = address(f, f->jobs),
				       .nr_jobs = 1 + below(f, JOBS),
				       .job_stride = sizeof(f->jobs[0]),
				       .queue = pick(f, &f->client->queues)};
	unsigned int i;

	draw_bindings(f);
	draw_syncs(f);
	for (i = 0; i < JOBS; i++)
		draw_job(f, &f->jobs[i]);
	if (one_in(f, 6))
		damage(f, f->jobs, sizeof(f->jobs));
	call(f, DRM_IOCTL_KEEL_SUBMIT, &args);
	for (i = 0; i < args.queued && i < JOBS; i++)
		f->client->ids[below(f, HANDLES)] = f->jobs[i].id;
}

static uint64_t pick_id(struct fuzzer *f)
{
	return f->client->ids[below(f, HANDLES)];
}

static void do_wait(struct fuzzer *f)
{
	struct drm_keel_job_wait args = {
		.id = pick_id(f),
		.deadline_ns = one_in(f, 3) ? 0 : rig_now() + below(f, MAX_MS) * 1000000ull,
		.result = address(f, f->room),
		.result_size = sizeof(struct drm_keel_result),
	};

	call(f, DRM_IOCTL_KEEL_JOB_WAIT, &args);
}

static void do_cancel(struct fuzzer *f)
{
	struct drm_keel_job_cancel args = {.id = pick_id(f)};

	call(f, DRM_IOCTL_KEEL_JOB_CANCEL, &args);
}

static void do_perf(struct fuzzer *f)
{
	struct drm_keel_perf args = {.op = below(f, 3)};

	if (args.op == DRM_KEEL_PERF_OPEN)
		args.scope = below(f, 2);
	else
		args.handle = pick(f, &f->client->sets);
	if (args.op == DRM_KEEL_PERF_READ) {
		args.count = below(f, 64);
		args.values = address(f, f->room);
	}
	if (!call(f, DRM_IOCTL_KEEL_PERF, &args) && args.op == DRM_KEEL_PERF_OPEN)
		pool_add(&f->client->sets, args.handle);
}

/* A dma-buf stays on the table until somebody takes it, mostly for another file. */
static void do_export(struct fuzzer *f)
{
	struct drm_prime_handle args = {
		.handle = pick(f, &f->client->bos), .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1};
	int old;

	if (call(f, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args))
		return;
	old = atomic_exchange(&passed, args.fd);
	if (old >= 0)
		close(old);
}

static void do_import(struct fuzzer *f)
{
	struct drm_prime_handle args = {.fd = atomic_exchange(&passed, -1)};
	int fd = args.fd;

	if (fd < 0)
		return;
	if (!call(f, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args))
		pool_add(&f->client->bos, args.handle);
	close(fd);
}

static void do_syncobj(struct fuzzer *f)
{
	struct drm_syncobj_create create = {.flags = below(f, 2)};
	uint32_t handle = pick(f, &f->client->syncobjs);
	struct drm_syncobj_destroy gone = {.handle = handle};
	struct drm_syncobj_array array = {.handles = (uintptr_t)&handle, .count_handles = 1};

	switch (below(f, 4)) {
	case 0:
		call_as_is(f, DRM_IOCTL_SYNCOBJ_DESTROY, &gone);
		break;
	case 1:
		call_as_is(f, DRM_IOCTL_SYNCOBJ_SIGNAL, &array);
		break;
	case 2:
		call_as_is(f, DRM_IOCTL_SYNCOBJ_RESET, &array);
		break;
	default:
		if (!call_as_is(f, DRM_IOCTL_SYNCOBJ_CREATE, &create))
			pool_add(&f->client->syncobjs, create.handle);
	}
}

static void do_noise(struct fuzzer *f)
{
	uint32_t nr = DRM_COMMAND_BASE + below(f, 14);

	keel_random_bytes(&f->random, f->room, 256);
	if (nr != DRM_COMMAND_BASE + DRM_KEEL_BO_CREATE)
		call_as_is(f, _IOC(_IOC_READ | _IOC_WRITE, 'd', nr, below(f, 256)), f->room);
}

static const struct {
	void (*act)(struct fuzzer *f);
	unsigned int weight;
} acts[] = {
	{do_query, 1},	       {do_bo_create, 4},  {do_bo_close, 3},	{do_bo_mmap, 3},
	{do_bo_sync, 2},       {do_cmd_create, 4}, {do_cmd_destroy, 2}, {do_queue_create, 3},
	{do_queue_destroy, 1}, {do_submit, 24},	   {do_wait, 12},	{do_cancel, 3},
	{do_perf, 2},	       {do_export, 2},	   {do_import, 2},	{do_syncobj, 6},
	{do_noise, 2},
};

static void act(struct fuzzer *f)
{
	unsigned int i, n = 0, total = 0;

	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		total += acts[i].weight;
	n = below(f, total);
	for (i = 0; n >= acts[i].weight; i++)
		n -= acts[i].weight;
	acts[i].act(f);
}

/* A file goes while others use it, and a new one takes its number or another one. */
static void renew(struct fuzzer *f)
{
	struct client *c = &clients[below(f, FILES)];
	int fd = one_in(f, 8) ? dup(c->fd) : rig_open(), old;

	if (fd < 0)
		return;
	old = atomic_exchange(&c->fd, fd);
	if (old >= 0)
		close(old);
}

static void *fuzz(void *arg)
{
	struct fuzzer *f = arg;
	unsigned int i;

	while (atomic_load(&done) < limit) {
		f->client = &clients[below(f, FILES)];
		f->calls = 0;
		for (i = 0; i < 50; i++)
			act(f);
		atomic_fetch_add(&done, f->calls);
		if (one_in(f, 4))
			renew(f);
	}
	for (i = 0; i < MAPS; i++)
		if (f->maps[i])
			munmap(f->maps[i], BYTES);
	return NULL;
}

/* A process with the same files that ends without a word, its jobs under way. */
static unsigned long fuzz_child(uint64_t seed)
{
	static struct fuzzer f;
	unsigned int i;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return 0;
	if (!pid) {
		keel_random_init(&f.random, seed);
		for (i = 0; i < 100; i++) {
			f.client = &clients[below(&f, FILES)];
			act(&f);
		}
		_exit(0);
	}
	waitpid(pid, &status, 0);
	rig_result(WIFEXITED(status), "the child ends by itself");
	return 100;
}

static void fuzz_all(uint64_t seed, unsigned int threads)
{
	struct fuzzer *f = calloc(threads, sizeof(*f));
	pthread_t *ids = calloc(threads, sizeof(*ids));
	unsigned int i, round;

	for (i = 0; f && ids && i < threads; i++) {
		keel_random_init(&f[i].random, seed * 64 + i);
		pthread_create(&ids[i], NULL, fuzz, &f[i]);
	}
	for (round = 0; round < 4 && atomic_load(&done) < limit; round++)
		atomic_fetch_add(&done, fuzz_child(seed * 64 + 32 + round));
	for (i = 0; f && ids && i < threads; i++)
		pthread_join(ids[i], NULL);
	free(f);
	free(ids);
}

static void works(void)
{
	struct drm_keel_result result = {0};
	struct rig_bo in, out;
	struct rig_job job = {.in = &in, .out = &out};
	struct rig_cmd cmd;
	uint32_t queue;
	uint64_t id;
	int fd = rig_open();

	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &in), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &out), 0);
	RIG_EQUAL(rig_copy_program(fd, BYTES, 2, &cmd), 0);
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_LOW, &queue), 0);
	job.cmd = cmd.handle;
	rig_fill(in.map, BYTES, 1);
	RIG_EQUAL(rig_submit(fd, queue, &job, &id), 0);
	RIG_EQUAL(rig_wait(fd, id, 60000, &result), 0);
	RIG_EQUAL(result.status, 0);
	RIG_CHECK(rig_same(in.map, out.map, BYTES));
	rig_bo_del(fd, &in);
	rig_bo_del(fd, &out);
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, start = rig_now();
	struct refuse_gauges before;
	unsigned int i;
	int first;

	limit = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;
	if (refuse_init())
		return rig_finish();
	refuse_look(&before);
	for (i = 0; i < FILES; i++)
		clients[i].fd = rig_open();
	first = clients[0].fd;
	fuzz_all(seed, argc > 3 ? strtoul(argv[3], NULL, 0) : 3);
	/* Also those that a damaged call made without telling its number. */
	close_range(first, ~0u, 0);
	rig_note("seed %llu: %lu calls, %lu accepted, %llu s", (unsigned long long)seed,
		 atomic_load(&done), atomic_load(&accepted),
		 (unsigned long long)((rig_now() - start) / 1000000000));
	works();
	RIG_CHECK(refuse_unchanged(&before));
	return rig_finish();
}
