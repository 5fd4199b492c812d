// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "opencl.h"

/* Which OpenCL device. */

#define MAX_PLATFORMS 16
#define MAX_DEVICES   64

/** struct list - all devices of all platforms */
struct list {
	struct keel_cl_choice devices[MAX_DEVICES];
	unsigned int n;
};

static void add_devices(struct list *l, cl_platform_id platform)
{
	cl_device_id ids[MAX_DEVICES];
	cl_uint n = 0, i;
	cl_bool compiler;

	if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &n))
		return;
	for (i = 0; i < n && i < MAX_DEVICES && l->n < MAX_DEVICES; i++) {
		struct keel_cl_choice *c = &l->devices[l->n];

		*c = (struct keel_cl_choice){.platform = platform, .device = ids[i]};
		if (clGetDeviceInfo(ids[i], CL_DEVICE_TYPE, sizeof(c->type), &c->type, NULL) ||
		    clGetDeviceInfo(ids[i], CL_DEVICE_COMPILER_AVAILABLE, sizeof(compiler),
				    &compiler, NULL) ||
		    !compiler)
			continue;
		l->n++;
	}
}

static int list_devices(struct list *l, struct keel_error *e)
{
	cl_platform_id platforms[MAX_PLATFORMS];
	cl_uint n = 0, i;
	cl_int err;

	l->n = 0;
	keel_cl_trim();
	err = clGetPlatformIDs(MAX_PLATFORMS, platforms, &n);
	keel_cl_trim();
	if (err || !n)
		return keel_error_set(
			e, -ENODEV,
			"there is no OpenCL platform on this machine; install one, for "
			"example the package pocl-opencl-icd, or the driver of the GPU");
	for (i = 0; i < n && i < MAX_PLATFORMS; i++)
		add_devices(l, platforms[i]);
	if (!l->n)
		return keel_error_set(
			e, -ENODEV,
			"none of the %u OpenCL platforms has a device with a compiler; install "
			"one, for example the package pocl-opencl-icd, and let POCL_CACHE_DIR "
			"name a folder that POCL can write to",
			n);
	return 0;
}

static void device_name(cl_device_id id, char *name, size_t bytes)
{
	if (clGetDeviceInfo(id, CL_DEVICE_NAME, bytes, name, NULL))
		snprintf(name, bytes, "unnamed");
	name[bytes - 1] = '\0';
}

static int rank(const struct keel_cl_choice *c)
{
	if (c->type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR))
		return 2;
	return c->type & CL_DEVICE_TYPE_CPU ? 1 : 0;
}

static const struct keel_cl_choice *best(const struct list *l)
{
	const struct keel_cl_choice *b = &l->devices[0];
	unsigned int i;

	for (i = 1; i < l->n; i++)
		if (rank(&l->devices[i]) > rank(b))
			b = &l->devices[i];
	return b;
}

static const struct keel_cl_choice *by_selector(const struct list *l, const char *selector)
{
	char name[256], *end;
	unsigned long index;
	unsigned int i;

	index = strtoul(selector, &end, 10);
	if (isdigit((unsigned char)*selector) && !*end)
		return index < l->n ? &l->devices[index] : NULL;
	for (i = 0; i < l->n; i++) {
		device_name(l->devices[i].device, name, sizeof(name));
		if (strcasestr(name, selector))
			return &l->devices[i];
	}
	return NULL;
}

static int not_found(const struct list *l, const char *selector, struct keel_error *e)
{
	char names[320] = "", name[96];
	unsigned int i;
	size_t at = 0;

	for (i = 0; i < l->n && at < sizeof(names); i++) {
		device_name(l->devices[i].device, name, sizeof(name));
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%u (%s)", i ? ", " : "",
				       i, name);
	}
	return keel_error_set(e, -ENODEV, "no OpenCL device matches '%.60s'; known are %s",
			      selector, names);
}

int keel_cl_choose(const char *selector, struct keel_cl_choice *choice, struct keel_error *e)
{
	const struct keel_cl_choice *c;
	struct list l;
	int r = list_devices(&l, e);

	if (r)
		return r;
	c = selector && *selector ? by_selector(&l, selector) : best(&l);
	if (!c)
		return not_found(&l, selector, e);
	*choice = *c;
	return 0;
}
