// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clients.h"
#include "command.h"
#include "keel_hw_counters.h"

/* keel top: who uses the NPU, and how much of it; from fdinfo and debugfs. */

enum { OPT_INTERVAL = 256, OPT_COUNT, OPT_ROOT, OPT_JSON };

static const struct argp_option options[] = {
	{"interval", OPT_INTERVAL, "S", 0, "seconds between two looks (default 1)", 0},
	{"count", OPT_COUNT, "N", 0, "stop after N looks (default: on a terminal never, else 1)",
	 0},
	{"root", OPT_ROOT, "DIR", 0, "read DIR/proc and DIR/sys instead of /proc and /sys", 0},
	{"json", OPT_JSON, NULL, 0, "print one line of JSON for each look", 0},
	{0},
};

/** struct top - the command line
 * @count: 0: for ever
 */
struct top {
	const char *root;
	double interval;
	long count;
	bool json, terminal;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top *t = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		return 0;
	case OPT_INTERVAL:
		t->interval = command_real(arg, "interval", 0, 3600, state);
		return 0;
	case OPT_COUNT:
		t->count = command_number(arg, "count", 1, INT_MAX, state);
		return 0;
	case OPT_ROOT:
		t->root = arg;
		return 0;
	case OPT_JSON:
		t->json = true;
		return 0;
	case ARGP_KEY_ARG:
		command_usage(state, "takes no argument, like '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *const counter_names[] = {
#define NAME(NAME, name, unit, category, source, flags, text) #name,
	KEEL_HW_COUNTERS(NAME)
#undef NAME
};

/** struct look - everything at one moment
 * @has_counters: debugfs could be read
 * @counters: of all NPUs together, by enum keel_hw_counter
 */
struct look {
	double seconds;
	struct clients clients;
	bool has_counters;
	uint64_t counters[KEEL_HW_COUNTER_COUNT];
};

/* Lines of "name value", others are passed over. */
static void add_counters(FILE *f, uint64_t *counters)
{
	char line[256], name[64];
	uint64_t value;
	unsigned int i;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %" SCNu64, name, &value) != 2)
			continue;
		for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
			if (!strcmp(name, counter_names[i]))
				counters[i] += value;
	}
}

static void read_counters(const struct top *t, struct look *l)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/kernel/debug/accel", t->root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/sys/kernel/debug/accel/%.40s/counters", t->root,
			 entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		l->has_counters = true;
		add_counters(f, l->counters);
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

static int take(const struct top *t, struct look *l, struct keel_error *e)
{
	char proc[PATH_MAX];
	int err;

	memset(l, 0, sizeof(*l));
	snprintf(proc, sizeof(proc), "%s/proc", t->root);
	l->seconds = command_seconds();
	err = clients_read(proc, &l->clients, e);
	if (!err)
		read_counters(t, l);
	return err;
}

/** struct usage - between two looks
 * @busy: share of the time, by engine; 0 .. 1
 * @jobs: a second
 */
struct usage {
	double busy[KEEL_ENGINE_COUNT];
	double jobs;
};

/* A client that wasn't there at the first look counts from nothing. */
static struct usage usage_of(const struct client *now, const struct look *before, double seconds)
{
	static const struct client none;
	const struct client *then = clients_find(&before->clients, now->id);
	struct usage u;
	int i;

	then = then ? then : &none;
	for (i = 0; i < KEEL_ENGINE_COUNT; i++)
		u.busy[i] = (double)(now->busy_ns[i] - then->busy_ns[i]) * 1e-9 / seconds;
	u.jobs = (double)(now->jobs_done - then->jobs_done) / seconds;
	return u;
}

static struct usage usage_of_all(const struct look *now, const struct look *before, double seconds)
{
	struct usage all = {{0}, 0}, u;
	size_t i;
	int k;

	for (i = 0; i < now->clients.count; i++) {
		u = usage_of(&now->clients.list[i], before, seconds);
		for (k = 0; k < KEEL_ENGINE_COUNT; k++)
			all.busy[k] += u.busy[k];
		all.jobs += u.jobs;
	}
	return all;
}

static void print_usage(const struct usage *u)
{
	printf("%6.1f %6.1f %6.1f %9.1f", 100 * u->busy[KEEL_ENGINE_MAC],
	       100 * u->busy[KEEL_ENGINE_VEC], 100 * u->busy[KEEL_ENGINE_DMA], u->jobs);
}

static double rate(const struct look *now, const struct look *before, enum keel_hw_counter c)
{
	return (double)(now->counters[c] - before->counters[c]) / (now->seconds - before->seconds);
}

static void print_counters(const struct look *now, const struct look *before)
{
	const uint64_t *c = now->counters;

	if (!now->has_counters) {
		printf("debugfs can't be read, so nothing is known about the NPU as a whole\n");
		return;
	}
	printf("NPU: %.2f GMAC/s, %.1f MB/s read, %.1f MB/s written, %" PRIu64
	       " jobs in flight; so far %" PRIu64 " jobs done, %" PRIu64 " failed, %" PRIu64
	       " resets\n",
	       rate(now, before, KEEL_HW_COUNTER_MACS) * 1e-9,
	       rate(now, before, KEEL_HW_COUNTER_BYTES_READ) * 1e-6,
	       rate(now, before, KEEL_HW_COUNTER_BYTES_WRITTEN) * 1e-6,
	       c[KEEL_HW_COUNTER_JOBS_IN_FLIGHT], c[KEEL_HW_COUNTER_JOBS_DONE],
	       c[KEEL_HW_COUNTER_JOBS_FAILED],
	       c[KEEL_HW_COUNTER_ENGINE_RESETS] + c[KEEL_HW_COUNTER_FULL_RESETS]);
}

static void print_look(const struct top *t, const struct look *now, const struct look *before)
{
	double seconds = now->seconds - before->seconds;
	const struct client *c;
	struct usage u;
	size_t i;

	if (t->terminal)
		printf("\033[H\033[J");
	print_counters(now, before);
	printf("\n%8s %8s  MAC %%  VEC %%  DMA %%    jobs/s   MiB  failed  process\n", "client",
	       "pid");
	for (i = 0; i < now->clients.count; i++) {
		c = &now->clients.list[i];
		u = usage_of(c, before, seconds);
		printf("%8" PRIu64 " %8u ", c->id, c->pid);
		print_usage(&u);
		printf(" %5" PRIu64 " %7" PRIu64 "  ", c->memory_bytes >> 20, c->jobs_failed);
		command_print_name(stdout, c->comm);
		printf("\n");
	}
	u = usage_of_all(now, before, seconds);
	printf("%8s %8s ", "all", "");
	print_usage(&u);
	printf("\n");
	if (now->clients.hidden)
		printf("%u processes of other users can't be looked into\n", now->clients.hidden);
}

static json_t *usage_json(const struct usage *u)
{
	return json_pack("{s:f, s:f, s:f, s:f}", "mac", u->busy[KEEL_ENGINE_MAC], "vec",
			 u->busy[KEEL_ENGINE_VEC], "dma", u->busy[KEEL_ENGINE_DMA],
			 "jobs_per_second", u->jobs);
}

static json_t *client_json(const struct client *c, const struct usage *u)
{
	return json_pack("{s:I, s:i, s:o, s:I, s:I, s:I, s:I, s:o}", "client", (json_int_t)c->id,
			 "pid", (int)c->pid, "process", command_json_text(c->comm), "memory_bytes",
			 (json_int_t)c->memory_bytes, "jobs_done", (json_int_t)c->jobs_done,
			 "jobs_failed", (json_int_t)c->jobs_failed, "jobs_in_flight",
			 (json_int_t)c->jobs_in_flight, "usage", usage_json(u));
}

static json_t *counters_json(const struct look *l)
{
	json_t *j = json_object();
	unsigned int i;

	if (!l->has_counters) {
		json_decref(j);
		return json_null();
	}
	for (i = 0; i < KEEL_HW_COUNTER_COUNT; i++)
		json_object_set_new(j, counter_names[i], json_integer((json_int_t)l->counters[i]));
	return j;
}

/* One line, so that a program can read look by look. */
static void print_json(const struct look *now, const struct look *before)
{
	double seconds = now->seconds - before->seconds;
	struct usage all = usage_of_all(now, before, seconds), u;
	json_t *j, *list = json_array();
	size_t i;

	for (i = 0; i < now->clients.count; i++) {
		u = usage_of(&now->clients.list[i], before, seconds);
		json_array_append_new(list, client_json(&now->clients.list[i], &u));
	}
	j = json_pack("{s:f, s:o, s:o, s:o, s:i}", "seconds", seconds, "usage", usage_json(&all),
		      "clients", list, "counters", counters_json(now), "hidden",
		      (int)now->clients.hidden);
	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	printf("\n");
	json_decref(j);
}

static void pause_for(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds,
			     .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&t, NULL);
}

static int watch(const struct top *t, struct keel_error *e)
{
	struct look before, now;
	long i;
	int err = take(t, &before, e);

	for (i = 0; !err && (!t->count || i < t->count); i++) {
		pause_for(t->interval);
		err = take(t, &now, e);
		if (err)
			break;
		if (t->json)
			print_json(&now, &before);
		else
			print_look(t, &now, &before);
		if (fflush(stdout))
			err = keel_error_set(e, -errno, "standard output: %s", strerror(errno));
		clients_free(&before.clients);
		before = now;
	}
	clients_free(&before.clients);
	return err;
}

int keel_top_main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, NULL, "Show who uses the NPU, and how much of it.",
		NULL,	 NULL,	NULL,
	};
	struct top t = {.root = "", .interval = 1};
	struct keel_error e = {""};
	int err;

	command_parse(&argp, argc, argv, &t);
	t.terminal = isatty(STDOUT_FILENO) && !t.json;
	if (!t.count && !t.terminal && !t.json)
		t.count = 1;
	err = watch(&t, &e);
	return err ? command_fail(err, &e) : KEEL_EXIT_DONE;
}
