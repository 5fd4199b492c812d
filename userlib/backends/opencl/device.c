// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "opencl.h"
#include "trial.h"

/* Devices: context, facts, tier. */

#define PORTABLE_LOCAL 64

static void get_text(cl_device_id id, cl_device_info what, char *text, size_t bytes)
{
	char all[256] = "";

	clGetDeviceInfo(id, what, sizeof(all), all, NULL);
	all[sizeof(all) - 1] = '\0';
	snprintf(text, bytes, "%s", all);
}

/* After the context is made and whenever the tier changes. */
static void describe(struct keel_cl_device *d, const struct keel_device_options *o)
{
	cl_ulong memory = 0, alloc = 0;
	cl_uint units = 1, align = 1024;
	size_t local = 1;

	get_text(d->id, CL_DEVICE_NAME, d->info.name, sizeof(d->info.name));
	get_text(d->id, CL_DRIVER_VERSION, d->info.driver, sizeof(d->info.driver));
	clGetDeviceInfo(d->id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(memory), &memory, NULL);
	clGetDeviceInfo(d->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(alloc), &alloc, NULL);
	clGetDeviceInfo(d->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units), &units, NULL);
	clGetDeviceInfo(d->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof(align), &align, NULL);
	clGetDeviceInfo(d->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(local), &local, NULL);
	d->info.memory_bytes = memory;
	d->info.compute_units = units;
	d->info.align = align / 8 > KEEL_ALIGN ? align / 8 : KEEL_ALIGN;
	d->max_alloc = alloc;
	d->local = local < PORTABLE_LOCAL ? local : PORTABLE_LOCAL;
	d->groups = o->threads && o->threads < units ? o->threads : units;
	d->info.threads = d->direct ? d->groups : 0;
	snprintf(d->info.tier, sizeof(d->info.tier), "%s", d->tier ? d->tier->name : "portable");
	d->info.flags = d->tier ? 0 : KEEL_DEVICE_EXACT;
}

static int make_context(struct keel_cl_device *d, const struct keel_cl_choice *c,
			struct keel_error *e)
{
	const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
						    (cl_context_properties)c->platform, 0};
	cl_int err;

	d->id = c->device;
	d->direct = c->type & CL_DEVICE_TYPE_CPU;
	d->context = clCreateContext(properties, 1, &d->id, NULL, NULL, &err);
	if (d->context)
		d->queue = clCreateCommandQueue(d->context, d->id, 0, &err);
	if (d->queue)
		return 0;
	return keel_error_set(e, keel_cl_errno(err), "the OpenCL device cannot be opened: %s (%d)",
			      keel_cl_strerror(err), err);
}

void keel_cl_device_del(struct keel_cl_device *d)
{
	unsigned int i;

	for (i = 0; i < KEEL_CL_PROGRAM_COUNT; i++)
		if (d->programs[i])
			clReleaseProgram(d->programs[i]);
	if (d->queue)
		clReleaseCommandQueue(d->queue);
	if (d->context)
		clReleaseContext(d->context);
	pthread_mutex_destroy(&d->lock);
	free(d->cache);
	free(d);
}

/* The tier that the user wants, of this processor. */
static int find_tier(const char *name, const struct keel_cl_tier **tier, struct keel_error *e)
{
	*tier = keel_cl_tier_find(name);
	if (!*tier)
		return keel_error_set(e, -EINVAL,
				      "KEEL_OPENCL_TIER=%.40s is not a tier; known are portable, "
				      "generic, avx2, avx512bw, avx-vnni, avx512-vnni and amx-int8",
				      name);
	if (!(*tier)->supported())
		return keel_error_set(
			e, -EINVAL,
			"KEEL_OPENCL_TIER=%s is not for this processor; unset it, and "
			"the best tier is taken",
			name);
	return 0;
}

/* Fast kernels are for CPU devices, and never literal in the sense of KEEL_DEVICE_EXACT. */
int keel_cl_device_choose_tier(struct keel_cl_device *d, const struct keel_device_options *o,
			       struct keel_cl_trial *trial, struct keel_error *e)
{
	const char *wanted = getenv("KEEL_OPENCL_TIER");
	int r = 0;

	if (!d->direct || o->flags & KEEL_DEVICE_EXACT || (wanted && !strcmp(wanted, "portable")))
		return 0;
	if (wanted && *wanted)
		r = find_tier(wanted, &d->tier, e);
	else
		d->tier = keel_cl_trial_tier(trial, d);
	if (r) {
		keel_cl_device_del(d);
		return r;
	}
	describe(d, o);
	return 0;
}

static int open_device(struct keel_cl_device *d, const struct keel_device_options *o,
		       struct keel_error *e)
{
	struct keel_cl_choice choice;
	int r = keel_cl_choose(o->selector, &choice, e);

	r = r ? r : make_context(d, &choice, e);
	keel_cl_trim();
	if (!r)
		describe(d, o);
	return r;
}

int keel_cl_device_new(const struct keel_device_options *options, struct keel_counters *counters,
		       const struct keel_cl_tier *tier, struct keel_cl_device **device,
		       struct keel_error *e)
{
	struct keel_cl_device *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return keel_error_set(e, -ENOMEM, "no memory for a device");
	pthread_mutex_init(&d->lock, NULL);
	d->counters = counters;
	d->tier = tier;
	d->cache = keel_cl_cache_folder(options->cache);
	r = open_device(d, options, e);
	if (r) {
		keel_cl_device_del(d);
		return r;
	}
	*device = d;
	return 0;
}
