// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

/* A pipe that holds @text, which must fit into one, and ends behind it; -1: none. */
static int open_text(const char *text)
{
	ssize_t bytes = (ssize_t)strlen(text);
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	if (write(ends[1], text, (size_t)bytes) != bytes) {
		close(ends[0]);
		ends[0] = -1;
	}
	close(ends[1]);
	return ends[0];
}

static int start(char *const *argv, const char *input, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int in = input ? open_text(input) : -1, err;

	if (input && in < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	if (input) {
		posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	}
	err = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (input)
		close(in);
	if (err)
		fprintf(stderr, "bench: %s: %s\n", argv[0], strerror(err));
	return err ? -1 : 0;
}

int bench_process(char *const *argv, const char *input, struct bench_usage *used)
{
	struct rusage usage;
	double began = bench_now();
	int status;
	pid_t pid;

	if (start(argv, input, &pid) || wait4(pid, &status, 0, &usage) < 0)
		return -1;
	used->ms = bench_now() - began;
	used->rss_mib = usage.ru_maxrss / 1024.0;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
}
