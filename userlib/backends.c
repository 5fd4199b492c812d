// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "backends.h"

/* In the order in which "auto" tries them, the last ones never. */
static const struct keel_backend_choice choices[] = {
	{&keel_backend_drm, true},
#ifdef KEEL_HAVE_OPENCL
	{&keel_backend_opencl, true},
#endif
	{&keel_backend_reference, false},
};

#define NR_CHOICES (sizeof(choices) / sizeof(*choices))

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
#ifndef KEEL_HAVE_OPENCL
	if (!strcmp(name, "opencl"))
		return keel_error_set(
			e, -ENODEV, "this library was built without OpenCL; try auto or reference");
#endif
	return keel_error_set(e, -EINVAL,
			      "there is no backend named '%.40s'; known are auto, drm, opencl and "
			      "reference",
			      name);
}
