// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "backends.h"

/* In the order in which "auto" tries them, the last ones never. */
static const struct keel_backend_choice choices[] = {
#ifdef KEEL_HAVE_OPENCL
	{&keel_backend_opencl, true},
#endif
	{&keel_backend_reference, false},
};

#define NR_CHOICES (sizeof(choices) / sizeof(*choices))

/* What a user may ask for although this library can't, with the reason. */
static const struct {
	const char *name, *reason;
} absent[] = {
	{"drm", "this library has no backend for the accel driver yet"},
#ifndef KEEL_HAVE_OPENCL
	{"opencl", "this library was built without OpenCL"},
#endif
};

unsigned int keel_backend_count(void)
{
	return NR_CHOICES;
}

int keel_backend_get(unsigned int index, struct keel_backend_info *info)
{
	if (index >= NR_CHOICES)
		return -ENOENT;
	info->name = choices[index].backend->name;
	info->description = choices[index].backend->description;
	return 0;
}

const struct keel_backend_choice *keel_backend_choice(unsigned int index)
{
	return index < NR_CHOICES ? &choices[index] : NULL;
}

int keel_backend_find(const char *name, const struct keel_backend **backend, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < NR_CHOICES; i++) {
		*backend = choices[i].backend;
		if (!strcmp((*backend)->name, name))
			return 0;
	}
	for (i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		if (!strcmp(absent[i].name, name))
			return keel_error_set(
				e, -ENODEV,
				"backend %s is not available: %s; try auto or reference", name,
				absent[i].reason);
	return keel_error_set(e, -EINVAL,
			      "there is no backend named '%.40s'; known are auto, drm, opencl and "
			      "reference",
			      name);
}
