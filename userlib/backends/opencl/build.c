// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "opencl.h"

/* Building the kernels, from the cache where a binary of the same text for the same device lies. */

#define LOG_BYTES     300
#define OPTIONS_BYTES 96

/* What the text is compiled with; distinguishes programs of the same text. */
static void get_options(const struct keel_cl_device *d, enum keel_cl_program_kind kind,
			char *options)
{
	static const char *const parts[KEEL_CL_PROGRAM_COUNT] = {
		[KEEL_CL_MACS] = " -DKEEL_MACS",
		[KEEL_CL_OTHERS] = " -DKEEL_OTHERS",
		[KEEL_CL_ROOF] = " -DKEEL_ROOF",
	};

	snprintf(options, OPTIONS_BYTES, "-cl-std=CL1.2 -D%s%s",
		 kind == KEEL_CL_PORTABLE ? "KEEL_PORTABLE" : d->tier->define,
		 parts[kind] ? parts[kind] : "");
}

static void cache_key(const struct keel_cl_device *d, enum keel_cl_program_kind kind,
		      struct keel_cl_key *key)
{
	size_t bytes;
	const char *text = keel_cl_source(kind, &bytes);
	char options[OPTIONS_BYTES];

	get_options(d, kind, options);
	keel_cl_key_init(key, d->info.name, d->info.driver, options, text, bytes);
}

/* The first lines of the compiler's complaint, as one. */
static void build_log(struct keel_cl_device *d, cl_program p, char *text)
{
	size_t bytes = 0;
	char *log;

	text[0] = '\0';
	clGetProgramBuildInfo(p, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
	log = calloc(1, bytes + 1);
	if (log && !clGetProgramBuildInfo(p, d->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL))
		snprintf(text, LOG_BYTES, "%s", log);
	free(log);
}

static int build(struct keel_cl_device *d, cl_program p, const char *options, struct keel_error *e)
{
	char log[LOG_BYTES];
	cl_int err = clBuildProgram(p, 1, &d->id, options, NULL, NULL);

	if (!err)
		return 0;
	build_log(d, p, log);
	return keel_error_set(e, keel_cl_errno(err),
			      "the OpenCL compiler of '%.60s' failed: %s (%d): %s", d->info.name,
			      keel_cl_strerror(err), err, log);
}

static int from_source(struct keel_cl_device *d, enum keel_cl_program_kind kind,
		       cl_program *program, struct keel_error *e)
{
	size_t bytes;
	const char *text = keel_cl_source(kind, &bytes);
	char options[OPTIONS_BYTES];
	cl_int err;
	int r;

	get_options(d, kind, options);
	*program = clCreateProgramWithSource(d->context, 1, &text, &bytes, &err);
	if (!*program)
		return keel_error_set(e, keel_cl_errno(err), "no OpenCL program: %s (%d)",
				      keel_cl_strerror(err), err);
	r = build(d, *program, options, e);
	if (r)
		clReleaseProgram(*program);
	return r;
}

static bool from_cache(struct keel_cl_device *d, enum keel_cl_program_kind kind,
		       cl_program *program)
{
	struct keel_cl_key key;
	struct keel_error ignored;
	char folder[PATH_MAX];
	unsigned char *data;
	cl_int err, status;
	size_t bytes;

	cache_key(d, kind, &key);
	if (keel_cl_cache_load(d->cache, &key, &data, &bytes) || !bytes)
		return false;
	if (keel_cl_pocl_cache(folder, sizeof(folder)))
		keel_cl_mend(data, bytes, folder);
	*program = clCreateProgramWithBinary(d->context, 1, &d->id, &bytes,
					     (const unsigned char **)&data, &status, &err);
	free(data);
	if (!*program)
		return false;
	if (!err && !status && !build(d, *program, "", &ignored))
		return true;
	clReleaseProgram(*program);
	return false;
}

static int get_program(struct keel_cl_device *d, enum keel_cl_program_kind kind,
		       struct keel_error *e)
{
	uint64_t began = keel_now_ns();
	bool cached = from_cache(d, kind, &d->programs[kind]);
	int r = cached ? 0 : from_source(d, kind, &d->programs[kind], e);

	keel_counter_add(d->counters, KEEL_COUNTER_BUILD_NS, keel_now_ns() - began);
	keel_counter_add(d->counters,
			 cached ? KEEL_COUNTER_BUILD_CACHE_HITS : KEEL_COUNTER_BUILD_CACHE_MISSES,
			 1);
	d->cached[kind] = cached;
	if (r)
		d->programs[kind] = NULL;
	return r;
}

int keel_cl_program(struct keel_cl_device *d, enum keel_cl_program_kind kind, cl_program *program,
		    struct keel_error *e)
{
	int r = 0;

	pthread_mutex_lock(&d->lock);
	if (!d->programs[kind])
		r = get_program(d, kind, e);
	*program = d->programs[kind];
	pthread_mutex_unlock(&d->lock);
	return r;
}

static void store(struct keel_cl_device *d, enum keel_cl_program_kind kind)
{
	struct keel_cl_key key;
	unsigned char *data;
	size_t bytes = 0;

	if (clGetProgramInfo(d->programs[kind], CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes,
			     NULL) ||
	    !bytes)
		return;
	data = malloc(bytes);
	if (data &&
	    !clGetProgramInfo(d->programs[kind], CL_PROGRAM_BINARIES, sizeof(data), &data, NULL)) {
		cache_key(d, kind, &key);
		/* Portable kernels are compiled for each size of work-groups. */
		if (kind != KEEL_CL_PORTABLE)
			bytes = keel_cl_slim(data, bytes);
		keel_cl_cache_store(d->cache, &key, data, bytes);
	}
	free(data);
}

/* Called by those who wait for jobs: not for a compiler that has the lock, but the next time. */
void keel_cl_store_program(struct keel_cl_device *d, enum keel_cl_program_kind kind)
{
	if (pthread_mutex_trylock(&d->lock))
		return;
	if (d->programs[kind] && !d->cached[kind]) {
		store(d, kind);
		d->cached[kind] = true;
	}
	pthread_mutex_unlock(&d->lock);
}
