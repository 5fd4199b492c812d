// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

/*
 * Keel and ONNX Runtime in turns: K O K O ... Each has a process of its own, so
 * that neither's threads, affinities or spinning are in the other's way, and
 * waits while it is the other's turn.
 */

/* Each turn lasts this long, at least MIN_RUNS inferences. */
#define TURN_MS	 150.0
#define MIN_RUNS 5
/* Not counted at the start of a turn: caches are the other's. */
#define WARM_RUNS 2
/* Between turns; ONNX Runtime's workers spin on for a while after a run. */
#define PAUSE_US 30000

/** struct peer - the process of the other side */
struct peer {
	pid_t pid;
	FILE *to, *from;
	char *line;
	size_t room;
};

static int peer_spawn(struct peer *p, char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int to[2], from[2], err;

	if (pipe(to) || pipe(from))
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	posix_spawn_file_actions_addclose(&actions, to[1]);
	posix_spawn_file_actions_addclose(&actions, from[0]);
	err = posix_spawnp(&p->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	p->to = fdopen(to[1], "w");
	p->from = fdopen(from[0], "r");
	return err || !p->to || !p->from ? -1 : 0;
}

static const char *peer_line(struct peer *p)
{
	ssize_t n = getline(&p->line, &p->room, p->from);

	if (n <= 0)
		return NULL;
	p->line[strcspn(p->line, "\n")] = '\0';
	return p->line;
}

/* Return: NULL when it is ready, else why not; @version is what it said about itself. */
static const char *peer_open(struct peer *p, const struct bench_options *o, const char *model,
			     unsigned int threads, char *version, size_t room)
{
	char *script = bench_path(o->scripts, "ort.py", ""), count[16];
	char *const argv[] = {(char *)o->python, script, (char *)model, count, NULL};
	const char *line = NULL;

	memset(p, 0, sizeof(*p));
	snprintf(count, sizeof(count), "%u", threads);
	if (!peer_spawn(p, argv))
		line = peer_line(p);
	free(script);
	if (!line)
		return "it can't be started";
	if (strncmp(line, "ready ", 6))
		return strncmp(line, "absent ", 7) ? line : line + 7;
	snprintf(version, room, "%s", line + 6);
	return NULL;
}

static void peer_close(struct peer *p)
{
	if (p->to)
		fclose(p->to);
	if (p->from)
		fclose(p->from);
	if (p->pid > 0)
		waitpid(p->pid, NULL, 0);
	free(p->line);
}

static int peer_turn(struct peer *p, unsigned int runs, struct bench_samples *s)
{
	const char *line;
	char *end;
	unsigned int i;

	fprintf(p->to, "%u\n", runs + WARM_RUNS);
	fflush(p->to);
	line = peer_line(p);
	for (i = 0; line && i < runs + WARM_RUNS; i++, line = end) {
		double ms = strtod(line, &end);

		if (end == line)
			return -1;
		if (i >= WARM_RUNS)
			bench_add(s, ms);
	}
	return line ? 0 : -1;
}

static int own_turn(struct bench_run *r, unsigned int runs, struct bench_samples *s)
{
	unsigned int i;
	double ms;

	for (i = 0; i < runs + WARM_RUNS; i++) {
		ms = bench_run_once(r);
		if (ms < 0)
			return -1;
		if (i >= WARM_RUNS)
			bench_add(s, ms);
	}
	return 0;
}

/** struct side - what one of the two measured */
struct side {
	struct bench_samples all;
	unsigned int runs;
	double min, median;
};

static void set_runs(struct side *s)
{
	double min, median;

	bench_sort(&s->all, 0, &min, &median);
	s->runs = min > 0 && TURN_MS / min > MIN_RUNS ? TURN_MS / min : MIN_RUNS;
	s->all.nr = 0;
}

/* One pair of turns; the ratio of the medians is above 1 where Keel is faster. */
static int take_turns(struct bench_run *r, struct peer *p, struct side *own, struct side *other,
		      struct bench_samples *ratios)
{
	size_t from = own->all.nr, other_from = other->all.nr;
	double min, median, other_median;
	int err = own_turn(r, own->runs, &own->all);

	usleep(PAUSE_US);
	if (!err)
		err = peer_turn(p, other->runs, &other->all);
	usleep(PAUSE_US);
	if (err)
		return err;
	bench_sort(&own->all, from, &min, &median);
	bench_sort(&other->all, other_from, &min, &other_median);
	bench_add(ratios, other_median / median);
	return 0;
}

static json_t *side_json(struct side *s)
{
	bench_sort(&s->all, 0, &s->min, &s->median);
	return json_pack("{s:f, s:f, s:i}", "min", s->min, "median", s->median, "runs",
			 (int)s->all.nr);
}

static json_t *compare(struct bench_run *r, struct peer *p, unsigned int rounds)
{
	struct side own = {.runs = MIN_RUNS}, other = {.runs = MIN_RUNS};
	struct bench_samples ratios = {0};
	json_t *result = NULL;
	double low, median;
	unsigned int i;
	int err = take_turns(r, p, &own, &other, &ratios);

	set_runs(&own);
	set_runs(&other);
	ratios.nr = 0;
	for (i = 0; i < rounds && !err; i++)
		err = take_turns(r, p, &own, &other, &ratios);
	if (!err) {
		bench_sort(&ratios, 0, &low, &median);
		result = json_pack("{s:o, s:o, s:f, s:f, s:f, s:i}", "keel_ms", side_json(&own),
				   "onnxruntime_ms", side_json(&other), "ratio", median,
				   "ratio_low", low, "ratio_high", ratios.ms[ratios.nr - 1],
				   "rounds", (int)rounds);
		json_object_set_new(result, "ratio_of_minima", json_real(other.min / own.min));
	}
	bench_samples_free(&own.all);
	bench_samples_free(&other.all);
	bench_samples_free(&ratios);
	return result;
}

static json_t *alone(struct bench_run *r, unsigned int rounds)
{
	struct side own = {.runs = MIN_RUNS};
	json_t *result = NULL;
	unsigned int i;
	int err = own_turn(r, own.runs, &own.all);

	set_runs(&own);
	for (i = 0; i < rounds && !err; i++)
		err = own_turn(r, own.runs, &own.all);
	if (!err)
		result = json_pack("{s:o}", "keel_ms", side_json(&own));
	bench_samples_free(&own.all);
	return result;
}

static json_t *measure(const struct bench_options *o, const struct bench_net *n,
		       unsigned int threads)
{
	char *keel = bench_path(o->work, n->file, ".keel"),
	     *qdq = bench_path(o->work, n->file, ".onnx");
	char version[64] = "";
	json_t *result = NULL;
	const char *absent;
	struct bench_run r;
	struct peer p;

	signal(SIGPIPE, SIG_IGN);
	absent = peer_open(&p, o, qdq, threads, version, sizeof(version));
	if (!bench_run_open(&r, keel, "opencl", threads)) {
		result = absent ? alone(&r, o->rounds) : compare(&r, &p, o->rounds);
		if (result) {
			json_object_set_new(result, "network", json_string(n->title));
			json_object_set_new(result, "threads", json_integer(threads));
			json_object_set_new(result, "device", json_string(r.device_info.name));
			json_object_set_new(result, "tier", json_string(r.device_info.tier));
			json_object_set_new(result, absent ? "absent" : "onnxruntime",
					    json_string(absent ? absent : version));
		}
		bench_run_close(&r);
	}
	peer_close(&p);
	free(keel);
	free(qdq);
	return result;
}

/* In a process of its own: an OpenCL platform may fix its threads once. */
json_t *bench_pair(const struct bench_options *o, const struct bench_net *n, unsigned int threads)
{
	json_t *result;
	FILE *from;
	int fds[2];
	pid_t pid;

	fflush(NULL);
	if (pipe(fds))
		return NULL;
	pid = fork();
	if (!pid) {
		close(fds[0]);
		result = measure(o, n, threads);
		_exit(!result || json_dumpfd(result, fds[1], 0));
	}
	close(fds[1]);
	from = pid > 0 ? fdopen(fds[0], "r") : NULL;
	result = from ? json_loadf(from, 0, NULL) : NULL;
	if (from)
		fclose(from);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return result;
}
