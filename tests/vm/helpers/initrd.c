// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * First process of a guest whose kernel has the way to its root in modules: loads what is in
 * /modules, in order of names, mounts the host's files as KEEL_ROOTFLAGS says, and becomes
 * KEEL_INIT there.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed(const char *what)
{
	perror(what);
	return 1;
}

static int load_modules(void)
{
	glob_t modules;
	size_t i;

	if (glob("/modules/*.ko", 0, NULL, &modules))
		return failed("/modules");
	for (i = 0; i < modules.gl_pathc; i++) {
		int fd = open(modules.gl_pathv[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			return failed(modules.gl_pathv[i]);
		close(fd);
	}
	globfree(&modules);
	return 0;
}

static int change_root(const char *flags)
{
	if (mount("root", "/root", "9p", MS_RDONLY, flags))
		return failed("the host's files");
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		return failed("change of root");
	return 0;
}

int main(void)
{
	const char *flags = getenv("KEEL_ROOTFLAGS"), *init = getenv("KEEL_INIT");

	if (!flags || !init || load_modules() || change_root(flags))
		return 1;
	execl(init, init, (char *)NULL);
	return failed(init);
}
