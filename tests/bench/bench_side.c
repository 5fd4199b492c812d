// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_side.h"

extern char **environ;

/* Each turn lasts this long, at least MIN_RUNS inferences. */
#define TURN_MS	 150.0
#define MIN_RUNS 5
/* Not counted at the start of a turn: caches are the other's. */
#define WARM_RUNS 2
/* Between turns; workers of others spin on for a while after a run. */
#define PAUSE_US 30000

static const struct {
	const char *name, *key;
} names[] = {
	[BENCH_KEEL] = {"Keel", "keel"},
	[BENCH_ORT] = {"ONNX Runtime", "onnxruntime"},
	[BENCH_ONEDNN] = {"oneDNN", "onednn"},
	[BENCH_FLOAT] = {"Keel", "keel"},
	[BENCH_ORT_FLOAT] = {"ONNX Runtime", "onnxruntime"},
};

const char *bench_who_name(enum bench_who who)
{
	return names[who].name;
}

const char *bench_who_key(enum bench_who who)
{
	return names[who].key;
}

/* Other processes mustn't keep these ends open. */
static int spawn(struct bench_process *p, char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int to[2], from[2], err;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	err = posix_spawnp(&p->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	p->to = fdopen(to[1], "w");
	p->from = fdopen(from[0], "r");
	return err || !p->to || !p->from ? -1 : 0;
}

static const char *next_line(struct bench_process *p)
{
	ssize_t n = getline(&p->line, &p->room, p->from);

	if (n <= 0)
		return NULL;
	p->line[strcspn(p->line, "\n")] = '\0';
	return p->line;
}

static int start(struct bench_process *p, const struct bench_options *o, const struct bench_net *n,
		 const struct bench_way *w)
{
	char *script = bench_path(o->scripts, "ort.py", ""), threads[16], jobs[16];
	char *keel = bench_path(o->work, n->file, ".keel");
	char *qdq = bench_path(o->work, n->file, ".onnx");
	char *real = bench_float_model(o, n);
	char *const argv[BENCH_WHO_COUNT][6] = {
		[BENCH_KEEL] = {(char *)"/proc/self/exe", (char *)"--serve", keel, threads, jobs},
		[BENCH_ORT] = {(char *)o->python, script, qdq, threads},
		[BENCH_ONEDNN] = {(char *)o->onednn, keel, threads},
		[BENCH_FLOAT] = {(char *)o->real, real, threads},
		[BENCH_ORT_FLOAT] = {(char *)o->python, script, real, threads},
	};
	int err;

	snprintf(threads, sizeof(threads), "%u", w->threads);
	snprintf(jobs, sizeof(jobs), "%u", w->jobs);
	err = spawn(p, argv[w->who]);
	free(script);
	free(keel);
	free(qdq);
	free(real);
	return err;
}

static void hear(struct bench_side *s, struct bench_process *p)
{
	const char *line = p->from ? next_line(p) : NULL;

	if (!line)
		snprintf(s->absent, sizeof(s->absent), "it can't be started");
	else if (!strncmp(line, "ready ", 6))
		snprintf(s->what, sizeof(s->what), "%s", line + 6);
	else
		snprintf(s->absent, sizeof(s->absent), "%s",
			 strncmp(line, "absent ", 7) ? line : line + 7);
}

void bench_side_open(struct bench_side *s, const struct bench_options *o, const struct bench_net *n,
		     const struct bench_way *way)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->way = *way;
	s->runs = MIN_RUNS;
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < way->copies && !*s->absent; i++) {
		if (start(&s->processes[i], o, n, way))
			snprintf(s->absent, sizeof(s->absent), "it can't be started");
		else
			hear(s, &s->processes[i]);
	}
}

void bench_side_close(struct bench_side *s)
{
	unsigned int i;

	for (i = 0; i < s->way.copies; i++) {
		struct bench_process *p = &s->processes[i];

		if (p->to)
			fclose(p->to);
		if (p->from)
			fclose(p->from);
		if (p->pid > 0)
			waitpid(p->pid, NULL, 0);
		free(p->line);
	}
	bench_samples_free(&s->all);
	bench_samples_free(&s->rounds);
}

static int read_times(struct bench_side *s, struct bench_process *p)
{
	const char *line = next_line(p);
	unsigned int i;
	char *end;

	for (i = 0; line && i < s->runs + WARM_RUNS; i++, line = end) {
		double ms = strtod(line, &end);

		if (end == line)
			return -1;
		if (i >= WARM_RUNS)
			bench_add(&s->all, ms);
	}
	return line ? 0 : -1;
}

int bench_side_turn(struct bench_side *s)
{
	unsigned int i, runs = s->runs + WARM_RUNS;
	size_t from = s->all.nr;
	double start = bench_now(), min, median;
	int err = 0;

	for (i = 0; i < s->way.copies; i++) {
		fprintf(s->processes[i].to, "%u\n", runs);
		fflush(s->processes[i].to);
	}
	for (i = 0; i < s->way.copies && !err; i++)
		err = read_times(s, &s->processes[i]);
	median = (bench_now() - start) / (runs * s->way.copies);
	if (!err && !s->throughput)
		bench_sort(&s->all, from, &min, &median);
	bench_add(&s->rounds, median);
	usleep(PAUSE_US);
	return err;
}

void bench_side_settle(struct bench_side *s)
{
	double min, median;

	bench_sort(&s->all, 0, &min, &median);
	if (median > 0 && TURN_MS / median > MIN_RUNS)
		s->runs = TURN_MS / median;
	/* As many for each thread, or one would be waited for with nothing to do. */
	s->runs += (s->way.threads - (s->runs + WARM_RUNS) % s->way.threads) % s->way.threads;
	s->all.nr = s->rounds.nr = 0;
}
