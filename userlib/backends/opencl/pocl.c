// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opencl.h"

/* What POCL has to be told before it is woken. What the user has said stands. */

#define PATH_BYTES 4096

/* POCL's workers share a core unless they are pinned; pinning is right when all cores are ours,
 * and POCL gives up when there are more workers than cores to pin them to. */
static bool should_pin(unsigned int threads)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	return threads != 1 && threads <= cores && !sched_getaffinity(0, sizeof(set), &set) &&
	       CPU_COUNT(&set) == cores;
}

/* A folder that is there, or can be made in the nearest one that is. Eats @path. */
static bool can_write(char *path)
{
	char *slash;

	while (access(path, W_OK | X_OK)) {
		slash = strrchr(path, '/');
		if (errno != ENOENT || !slash || slash == path)
			return false;
		*slash = '\0';
	}
	return true;
}

bool keel_cl_pocl_cache(char *path, size_t size)
{
	const char *own = getenv("POCL_CACHE_DIR"), *base = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");

	if (own)
		snprintf(path, size, "%s", own);
	else if (base && *base)
		snprintf(path, size, "%s/pocl/kcache", base);
	else if (home && *home)
		snprintf(path, size, "%s/.cache/pocl/kcache", home);
	else
		return false;
	return true;
}

/* In a shared folder: only when it is ours alone, since what lies there is executed. */
static void use_temporary_cache(void)
{
	const char *base = getenv("TMPDIR");
	char path[PATH_BYTES];
	struct stat st;

	snprintf(path, sizeof(path), "%s/keel-pocl-%u", base && *base == '/' ? base : "/tmp",
		 (unsigned int)geteuid());
	mkdir(path, 0700);
	if (!lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & 077))
		setenv("POCL_CACHE_DIR", path, 0);
}

void keel_cl_prepare(const struct keel_device_options *options)
{
	char threads[16], path[PATH_BYTES];

	snprintf(threads, sizeof(threads), "%u", options->threads);
	if (options->threads)
		setenv("POCL_MAX_PTHREAD_COUNT", threads, 0);
	if (should_pin(options->threads))
		setenv("POCL_AFFINITY", "1", 0);
	/* Else fast kernels are compiled twice: for their work-groups of one, and for any. */
	if (!(options->flags & KEEL_DEVICE_EXACT))
		setenv("POCL_WORK_GROUP_SPECIALIZATION", "0", 0);
	/* Without it, POCL has no devices. */
	if (!getenv("POCL_CACHE_DIR") &&
	    !(keel_cl_pocl_cache(path, sizeof(path)) && can_write(path)))
		use_temporary_cache();
}
