// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * leash SECONDS COMMAND ... : run a command, and let nothing of it survive: neither
 * its end, nor the time limit, nor a signal to us, nor the end of whoever started us.
 * User Mode Linux makes process groups of its own, so killing a group is not enough;
 * orphans become our children instead (PR_SET_CHILD_SUBREAPER). Exit status: the
 * command's, 128 + n after signal n, 124 after the time limit.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_TIME_LIMIT 124

static pid_t parent_of(const char *pid)
{
	char path[64], state;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %c %d", &state, &parent) != 2)
		parent = 0;
	fclose(f);
	return parent;
}

static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		if (isdigit(entry->d_name[0]) && parent_of(entry->d_name) == getpid())
			kill(atoi(entry->d_name), SIGKILL);
	}
	if (proc)
		closedir(proc);
}

/* Children of the killed become ours in turn, until none is left. */
static void kill_descendants(void)
{
	const struct timespec pause = {.tv_nsec = 2000000};

	for (;;) {
		kill_children();
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		nanosleep(&pause, NULL);
	}
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Waits for the command, the time limit or a signal; returns the exit status. */
static int watch(pid_t command, const sigset_t *signals, long seconds)
{
	const time_t end = now() + seconds;
	int sig, status;
	pid_t pid;

	for (;;) {
		struct timespec left = {.tv_sec = end - now()};

		if (left.tv_sec <= 0)
			return STATUS_TIME_LIMIT;
		sig = sigtimedwait(signals, NULL, &left);
		if (sig > 0 && sig != SIGCHLD)
			return 128 + sig;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == command)
				return exit_status(status);
		}
	}
}

static pid_t start(char **argv, const sigset_t *before)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigprocmask(SIG_SETMASK, before, NULL);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	sigset_t signals, before;
	pid_t pid;
	int status;

	if (argc < 3 || atol(argv[1]) <= 0) {
		fprintf(stderr, "usage: leash SECONDS COMMAND ...\n");
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	pid = start(argv + 2, &before);
	if (pid < 0) {
		perror("leash");
		return 1;
	}
	status = watch(pid, &signals, atol(argv[1]));
	kill_descendants();
	return status;
}
