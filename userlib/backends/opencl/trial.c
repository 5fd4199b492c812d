// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "trial.h"

/* Seconds; compiling everything takes a few, on a slow and busy machine many. */
#define TIMEOUT 120

enum verdict { PASSED = 'p', FAILED = 'f', UNKNOWN = 'u' };

/* What the program does about signals isn't for a child that may crash and must end in time. */
static void forget_handlers(void)
{
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In a process of its own: never returns. */
static void run_trial(const struct keel_device_options *options, uint8_t index)
{
	struct keel_counters counters = {0};
	struct keel_cl_device *d;
	struct keel_error e;
	int null = open("/dev/null", O_RDWR);

	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	alarm(TIMEOUT);
	/* Asked again, since a process has its own permissions. */
	if (!keel_cl_tier(index)->supported() ||
	    keel_cl_device_new(options, &counters, keel_cl_tier(index), &d, &e))
		_exit(1);
	_exit(keel_cl_self_test(d) ? 1 : 0);
}

static uint8_t try(const struct keel_device_options *options, uint8_t index)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		run_trial(options, index);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return UNKNOWN;
	if (pid < 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM))
		return UNKNOWN;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? PASSED : FAILED;
}

/* The helper: a tier's index comes in, a verdict goes out, until the other end is closed. */
static void serve(int socket, const struct keel_device_options *options)
{
	uint8_t index, verdict;

	forget_handlers();
	while (recv(socket, &index, 1, 0) == 1) {
		verdict = try(options, index);
		if (send(socket, &verdict, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	_exit(0);
}

static int is_pocl(struct dl_phdr_info *info, size_t size, void *found)
{
	return *(bool *)found = info->dlpi_name && strstr(info->dlpi_name, "libpocl");
}

/* Whoever woke it, this library or the program: its threads would be missing in a child, which
 * would wait for them until the timeout. */
static bool is_awake(void)
{
	bool found = false;

	dl_iterate_phdr(is_pocl, &found);
	return found;
}

void keel_cl_trial_begin(struct keel_cl_trial *t, const struct keel_device_options *options)
{
	int ends[2];

	*t = (struct keel_cl_trial){.socket = -1};
	if (is_awake() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return;
	t->pid = fork();
	if (!t->pid) {
		close(ends[0]);
		serve(ends[1], options);
	}
	close(ends[1]);
	t->socket = ends[0];
	if (t->pid < 0) {
		close(t->socket);
		t->socket = -1;
	}
}

void keel_cl_trial_end(struct keel_cl_trial *t)
{
	if (t->socket < 0)
		return;
	/* Closing it may not be enough: a child that another thread made has it, too. */
	shutdown(t->socket, SHUT_RDWR);
	close(t->socket);
	while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
		;
	t->socket = -1;
}

static uint8_t ask(struct keel_cl_trial *t, uint8_t index)
{
	uint8_t verdict;

	if (t->socket < 0 || send(t->socket, &index, 1, MSG_NOSIGNAL) != 1)
		return UNKNOWN;
	while (recv(t->socket, &verdict, 1, 0) != 1)
		if (errno != EINTR)
			return UNKNOWN;
	return verdict;
}

/* Verdicts are about the code around the kernels too: size and date of the file it is in. */
static void own_file(struct stat *st)
{
	Dl_info info;

	memset(st, 0, sizeof(*st));
	if (dladdr(&keel_backend_opencl, &info) && info.dli_fname)
		stat(info.dli_fname, st);
}

static void verdict_key(const struct keel_cl_device *d, const struct keel_cl_tier *tier,
			struct keel_cl_key *key)
{
	size_t bytes;
	const char *text = keel_cl_source(KEEL_CL_FAST, &bytes);
	char variant[96];
	struct stat st;

	own_file(&st);
	snprintf(variant, sizeof(variant), "trial of %s by %lld %lld.%09ld", tier->name,
		 (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	keel_cl_key_init(key, d->info.name, d->info.driver, variant, text, bytes);
}

/* Verdicts of this process, for devices that are opened later and with another cache. */
static struct {
	uint64_t hash;
	uint8_t verdict;
} remembered[16];
static unsigned int nr_remembered;
static pthread_mutex_t memory = PTHREAD_MUTEX_INITIALIZER;

static uint8_t recall(const struct keel_cl_key *key)
{
	uint8_t verdict = UNKNOWN;
	unsigned int i;

	pthread_mutex_lock(&memory);
	for (i = 0; i < nr_remembered && verdict == UNKNOWN; i++)
		if (remembered[i].hash == key->hash)
			verdict = remembered[i].verdict;
	pthread_mutex_unlock(&memory);
	return verdict;
}

static void remember(const struct keel_cl_key *key, uint8_t verdict)
{
	if (recall(key) != UNKNOWN)
		return;
	pthread_mutex_lock(&memory);
	if (nr_remembered < sizeof(remembered) / sizeof(*remembered)) {
		remembered[nr_remembered].hash = key->hash;
		remembered[nr_remembered++].verdict = verdict;
	}
	pthread_mutex_unlock(&memory);
}

static uint8_t load_verdict(const struct keel_cl_device *d, const struct keel_cl_key *key)
{
	uint8_t verdict = recall(key);
	unsigned char *known;
	size_t bytes;

	if (verdict != UNKNOWN || keel_cl_cache_load(d->cache, key, &known, &bytes))
		return verdict;
	verdict = bytes == 1 ? *known : UNKNOWN;
	free(known);
	return verdict;
}

static bool passes(struct keel_cl_trial *t, const struct keel_cl_device *d, uint8_t index)
{
	struct keel_cl_key key;
	uint8_t verdict;

	verdict_key(d, keel_cl_tier(index), &key);
	verdict = load_verdict(d, &key);
	if (verdict == UNKNOWN) {
		verdict = ask(t, index);
		if (verdict != UNKNOWN)
			keel_cl_cache_store(d->cache, &key, &verdict, 1);
		else
			keel_cl_trial_end(t); /* one timeout is enough to wait for */
	}
	if (verdict != UNKNOWN)
		remember(&key, verdict);
	return verdict == PASSED;
}

const struct keel_cl_tier *keel_cl_trial_tier(struct keel_cl_trial *t,
					      const struct keel_cl_device *d)
{
	const struct keel_cl_tier *tier;
	uint8_t i;

	for (i = 0; (tier = keel_cl_tier(i)); i++)
		if (tier->supported() && passes(t, d, i))
			return tier;
	return NULL;
}
