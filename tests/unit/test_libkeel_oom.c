// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A whole session of libkeel, again and again, in which the first, the second, the third ...
 * allocation fails: each time one call says so, and everything can be dropped.
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keel.h"
#include "libkeel_nets.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void)
{
	printf("skipped: the sanitizer has an allocator of its own\n");
	return 77;
}
#else

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

/*
 * Counts down in the thread under test; the allocation that finds 0 fails. -1: none does.
 * Volatile since compilers know that malloc() looks at nothing.
 */
static _Thread_local volatile int countdown = -1;

static bool fails(void)
{
	if (countdown < 0)
		return false;
	return !countdown--;
}

void *malloc(size_t bytes)
{
	return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : __libc_calloc(n, bytes);
}

int posix_memalign(void **p, size_t align, size_t bytes)
{
	*p = fails() ? NULL : __libc_memalign(align, bytes);
	return *p ? 0 : ENOMEM;
}

void *mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	if (fails()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, addr, bytes, prot, flags, fd, offset);
}

/** struct session - what exists so far */
struct session {
	const void *data;
	size_t bytes;
	struct keel_device *device;
	struct keel_network *network;
	struct keel_job *job;
	struct keel_buffer *buffer;
	float x[8], y[8], sum[2], best[2], power[8];
};

static int open_device(struct session *s, struct keel_error *e)
{
	struct keel_device_options o = {.threads = 2};

	return keel_device_new("reference", &o, &s->device, e);
}

static int load(struct session *s, struct keel_error *e)
{
	return keel_network_new_from_memory(s->device, s->data, s->bytes, &s->network, e);
}

static int make_job(struct session *s, struct keel_error *e)
{
	return keel_job_new(s->network, KEEL_JOB_PROFILE, &s->job, e);
}

static int make_buffer(struct session *s, struct keel_error *e)
{
	int r = keel_buffer_new(s->device, 4096, &s->buffer, e);

	return r ? r : keel_job_bind_output(s->job, 1, s->buffer, 64, e);
}

static int set_input(struct session *s, struct keel_error *e)
{
	return keel_job_set_input(s->job, 0, KEEL_ELEMENT_F32, s->x, 8, e);
}

static int execute(struct session *s, struct keel_error *e)
{
	int r = keel_job_submit(s->job, e);

	return r ? r : keel_job_wait(s->job, -1, e);
}

static int get_output(struct session *s, struct keel_error *e)
{
	return keel_job_get_output(s->job, 0, KEEL_ELEMENT_F32, s->y, 8, e);
}

static int run(struct session *s, struct keel_error *e)
{
	const float *in = s->x;
	float *out[] = {s->y, s->sum, s->best, s->power};

	return keel_network_run(s->network, &in, out, e);
}

static int (*const calls[])(struct session *s, struct keel_error *e) = {
	open_device, load, make_job, make_buffer, set_input, execute, get_output, run};

#define NR_CALLS (sizeof(calls) / sizeof(*calls))

/* -EAGAIN is what starting a thread says. */
static int check_failure(int r, const struct keel_error *e, int n, unsigned int call)
{
	if ((r == -ENOMEM || r == -EAGAIN) && *e->text)
		return 0;
	fprintf(stderr, "allocation %d, call %u: %d, '%s'\n", n, call, r, e->text);
	return 1;
}

/* Fails the @n-th allocation. Return: 1 on a wrong answer; *@over when there are no more than @n.
 */
static int attempt(const void *data, size_t bytes, int n, bool *over)
{
	struct session s = {.data = data, .bytes = bytes, .x = {1, 2, 3, 4, 5, 6, 7, 8}};
	struct keel_error e;
	unsigned int i;
	int r, wrong = 0;

	countdown = n;
	for (i = 0; i < NR_CALLS; i++) {
		memset(&e, 0, sizeof(e));
		r = calls[i](&s, &e);
		if (!r)
			continue;
		wrong |= check_failure(r, &e, n, i);
		/* The one failure is over: the same call must work now. */
		r = calls[i](&s, &e);
		if (r) {
			fprintf(stderr, "call %u doesn't recover: %s\n", i, e.text);
			wrong = 1;
			break;
		}
	}
	*over = countdown >= 0;
	countdown = -1;
	if (!wrong && (s.y[0] != -2 || s.y[7] != -16)) {
		fprintf(stderr, "allocation %d: wrong output\n", n);
		wrong = 1;
	}
	keel_buffer_del(s.buffer);
	keel_job_del(s.job);
	keel_network_del(s.network);
	keel_device_del(s.device);
	return wrong;
}

/* Valgrind, for one, takes malloc() away from us. */
static bool is_ours(void)
{
	void *volatile p;

	countdown = 0;
	p = malloc(1);
	countdown = -1;
	free(p);
	return !p;
}

static int fail_each(const void *data, size_t bytes)
{
	bool over = false;
	int n, wrong = 0;

	for (n = 0; !over && n < 1000; n++)
		wrong |= attempt(data, bytes, n, &over);
	printf("%d allocations failed one after the other\n", n - 1);
	return wrong || n < 20 || !over;
}

/* libc keeps something for its own use now and then; a leak adds to it in every pass. */
static int check_growth(const void *data, size_t bytes)
{
	size_t used, now = mallinfo2().uordblks;
	int pass, wrong = 0;

	for (pass = 0; pass < 5; pass++) {
		used = now;
		wrong |= fail_each(data, bytes);
		now = mallinfo2().uordblks;
		if (now <= used)
			return wrong;
	}
	fprintf(stderr, "%zu bytes were lost in the last pass\n", now - used);
	return 1;
}

int main(void)
{
	size_t bytes;
	void *data;
	int wrong;

	if (!is_ours()) {
		printf("skipped: allocations can't be made to fail\n");
		return 77;
	}
	data = nets_host(&bytes);
	wrong = fail_each(data, bytes);
	wrong |= check_growth(data, bytes);
	free(data);
	return wrong;
}
#endif
