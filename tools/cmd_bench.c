// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "keel_model.h"
#include "keel_rules.h"
#include "progress.h"
#include "session.h"

/* Runs with a profile, of which each command's fastest counts. */
#define PROFILE_RUNS   10
#define MAX_ITERATIONS 1000000

/** struct bench_args - the command line */
struct bench_args {
	struct session_options session;
	const char *model;
	unsigned int warmup, iterations;
	double duration;
	bool json;
};

enum { OPT_WARMUP = 256, OPT_ITERATIONS, OPT_DURATION, OPT_JSON };

static const struct argp_option options[] = {
	{"warmup", OPT_WARMUP, "N", 0, "runs that are not counted (default 5)", 0},
	{"iterations", OPT_ITERATIONS, "N", 0, "runs that are counted (default 100)", 0},
	{"duration", OPT_DURATION, "S", 0, "run for S seconds instead", 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

static const struct argp_child children[] = {{&session_argp, 0, "Backend:", 10}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		state->child_inputs[0] = &a->session;
		return 0;
	case OPT_WARMUP:
		a->warmup = command_number(arg, "warmup", 0, MAX_ITERATIONS, state);
		return 0;
	case OPT_ITERATIONS:
		a->iterations = command_number(arg, "iterations", 1, MAX_ITERATIONS, state);
		return 0;
	case OPT_DURATION:
		a->duration = command_real(arg, "duration", 0, 86400, state);
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->model)
			command_usage(state, "one model at a time, not also '%s'", arg);
		a->model = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->model)
			command_usage(state, "name the model: keel bench NET.keel");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/** struct layer_time - a row of the table */
struct layer_time {
	const char *name, *op;
	uint64_t ns, macs;
};

/** struct bench - one measurement
 * @ms: latency of each counted run
 * @same: every run gave the same outputs
 */
struct bench {
	const struct bench_args *a;
	struct session *s;
	struct keel_job *job;
	double *ms, total;
	size_t n;
	bool same;
	float *first, *now;
	uint64_t elements;
	struct layer_time *layers;
	unsigned int nr_layers;
};

/* Reproducible noise over the whole range of levels: no network runs faster on zeros here. */
static int fill_inputs(struct bench *b, struct keel_error *e)
{
	uint32_t state = 1;
	unsigned int i;
	int err = 0;

	for (i = 0; i < b->s->info.inputs && !err; i++) {
		struct keel_port p;
		float *x;
		uint64_t k;

		keel_network_get_input(b->s->network, i, &p);
		x = malloc(p.elements * sizeof(*x));
		if (!x)
			return -ENOMEM;
		for (k = 0; k < p.elements; k++) {
			state = state * 1664525 + 1013904223;
			x[k] = (((int)(state >> 24) - 128) - p.zero_point) * p.scale;
		}
		err = keel_job_set_input(b->job, i, KEEL_ELEMENT_F32, x, p.elements, e);
		free(x);
	}
	return err;
}

static int one_run(struct bench *b, double *ms, struct keel_error *e)
{
	double start = command_seconds();
	int err = keel_job_submit(b->job, e);

	if (!err)
		err = keel_job_wait(b->job, -1, e);
	*ms = (command_seconds() - start) * 1e3;
	return err;
}

static int read_outputs(struct bench *b, float *to, struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < b->s->info.outputs && !err; i++) {
		struct keel_port p;

		keel_network_get_output(b->s->network, i, &p);
		err = keel_job_get_output(b->job, i, KEEL_ELEMENT_F32, to, p.elements, e);
		to += p.elements;
	}
	return err;
}

static int compare_outputs(struct bench *b, struct keel_error *e)
{
	int err = read_outputs(b, b->now, e);

	if (!err && memcmp(b->now, b->first, b->elements * sizeof(*b->now)))
		b->same = false;
	return err;
}

static int warm_up(struct bench *b, struct keel_error *e)
{
	unsigned int i;
	double ms;
	int err = fill_inputs(b, e);

	/* One more, which the others are compared with. */
	for (i = 0; i < b->a->warmup + 1 && !err; i++)
		err = one_run(b, &ms, e);
	return err ? err : read_outputs(b, b->first, e);
}

static int measure(struct bench *b, struct keel_error *e)
{
	const struct bench_args *a = b->a;
	size_t room = a->duration > 0 ? MAX_ITERATIONS : a->iterations;
	struct keel_progress bar;
	double start;
	int err = warm_up(b, e);

	b->ms = malloc(room * sizeof(*b->ms));
	if (!b->ms)
		return -ENOMEM;
	start = command_seconds();
	keel_progress_begin(&bar, "bench", a->duration > 0 ? 0 : a->iterations, a->json);
	while (!err && b->n < room &&
	       (!b->n || !(a->duration > 0) || command_seconds() - start < a->duration)) {
		err = one_run(b, &b->ms[b->n], e);
		b->total += b->ms[b->n++];
		if (!err)
			err = compare_outputs(b, e);
		keel_progress_add(&bar, 1);
	}
	keel_progress_end(&bar);
	return err;
}

/* The fastest time of each command over some runs of a job that takes times. */
static int profile_commands(struct bench *b, uint64_t *best, uint32_t commands,
			    struct keel_error *e)
{
	uint64_t *ns = calloc(commands, sizeof(*ns));
	unsigned int i, k;
	double ms;
	int err = ns ? fill_inputs(b, e) : -ENOMEM;

	memset(best, 0xff, commands * sizeof(*best));
	for (k = 0; k < PROFILE_RUNS && !err; k++) {
		err = one_run(b, &ms, e);
		if (!err && keel_job_get_profile(b->job, ns, commands, e) != (int)commands)
			err = keel_error_set(e, -EIO, "the profile doesn't have all commands");
		for (i = 0; i < commands && !err; i++)
			best[i] = ns[i] < best[i] ? ns[i] : best[i];
	}
	free(ns);
	return err;
}

static int sum_layers(struct bench *b, const uint64_t *best)
{
	const struct keel_model *m = keel_network_get_model(b->s->network);
	unsigned int i;

	b->layers = calloc(m->nr_layers + 1, sizeof(*b->layers));
	if (!b->layers)
		return -ENOMEM;
	for (i = 0; i < m->nr_commands; i++) {
		struct layer_time *l = &b->layers[m->commands[i].h.layer];

		if (keel_command_desc(m->commands[i].h.opcode)->engine == KEEL_ENGINE_CONTROL)
			continue;
		l->ns += best[i];
		l->macs += keel_command_macs(&m->commands[i]);
	}
	for (i = 0; i < m->nr_layers; i++) {
		b->layers[i].name = keel_model_string(m, m->layers[i].name);
		b->layers[i].op = keel_model_string(m, m->layers[i].op);
	}
	b->nr_layers = m->nr_layers;
	return 0;
}

/* A backend that can't time commands leaves the table empty. */
static int profile(struct bench *b, struct keel_error *e)
{
	uint32_t commands = b->s->info.commands;
	uint64_t *best = malloc(commands * sizeof(*best));
	struct keel_job *plain = b->job;
	int err = best ? keel_job_new(b->s->network, KEEL_JOB_PROFILE, &b->job, e) : -ENOMEM;

	if (!err) {
		err = profile_commands(b, best, commands, e);
		if (!err)
			err = sum_layers(b, best);
		keel_job_del(b->job);
	}
	b->job = plain;
	free(best);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nearest rank on sorted values. */
static double percentile(const struct bench *b, double p)
{
	size_t rank = (size_t)ceil(p * b->n);

	return b->ms[rank ? rank - 1 : 0];
}

static json_t *latency_json(const struct bench *b)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "min", b->ms[0], "mean",
			 b->total / b->n, "median", percentile(b, 0.5), "p90", percentile(b, 0.9),
			 "p95", percentile(b, 0.95), "p99", percentile(b, 0.99), "max",
			 b->ms[b->n - 1]);
}

static json_t *layer_json(const struct layer_time *l)
{
	return json_pack("{s:o, s:o, s:f, s:f}", "name", command_json_text(l->name), "op",
			 command_json_text(l->op), "ms", l->ns / 1e6, "gmacs",
			 (double)l->macs / l->ns);
}

static json_t *bench_json(const struct bench *b)
{
	const struct keel_device_info *d = &b->s->device_info;
	json_t *layers = json_array(), *j;
	unsigned int i;

	for (i = 0; i < b->nr_layers; i++)
		if (b->layers[i].ns)
			json_array_append_new(layers, layer_json(&b->layers[i]));
	j = json_pack("{s:i, s:i, s:o, s:f, s:f, s:b, s:o}", "threads", d->threads, "iterations",
		      (int)b->n, "latency_ms", latency_json(b), "throughput", 1e3 * b->n / b->total,
		      "gmacs", b->s->info.macs / 1e6 / percentile(b, 0.5), "passed", b->same,
		      "layers", layers);
	session_json_backend(b->s, j);
	return j;
}

static void print_bench(const struct bench *b)
{
	unsigned int i;

	session_print_backend(b->s, "backend     ");
	for (i = 0; i < b->nr_layers; i++) {
		const struct layer_time *l = &b->layers[i];

		if (!l->ns)
			continue;
		printf("  %9.4f ms %8.1f GMAC/s  %-16s ", l->ns / 1e6, (double)l->macs / l->ns,
		       l->op);
		command_print_name(stdout, l->name);
		printf("\n");
	}
	printf("latency ms  min %.3f  mean %.3f  median %.3f  p90 %.3f  p95 %.3f  p99 %.3f  max "
	       "%.3f\n",
	       b->ms[0], b->total / b->n, percentile(b, 0.5), percentile(b, 0.9),
	       percentile(b, 0.95), percentile(b, 0.99), b->ms[b->n - 1]);
	printf("throughput  %.1f inferences/s, %.1f GMAC/s over %zu runs\n", 1e3 * b->n / b->total,
	       b->s->info.macs / 1e6 / percentile(b, 0.5), b->n);
	printf("%s\n", b->same ? "PASSED" : "FAILED");
}

static int alloc_outputs(struct bench *b, struct keel_error *e)
{
	struct keel_port p;
	unsigned int i;

	for (i = 0; i < b->s->info.outputs; i++) {
		keel_network_get_output(b->s->network, i, &p);
		b->elements += p.elements;
	}
	b->first = calloc(b->elements, sizeof(*b->first));
	b->now = calloc(b->elements, sizeof(*b->now));
	return b->first && b->now ? 0 : -ENOMEM;
}

static int bench(struct bench *b, struct keel_error *e)
{
	int err = alloc_outputs(b, e);

	b->same = true;
	if (!err)
		err = keel_job_new(b->s->network, 0, &b->job, e);
	if (!err)
		err = measure(b, e);
	if (!err)
		err = profile(b, e);
	if (!err)
		qsort(b->ms, b->n, sizeof(*b->ms), by_value);
	if (!err && b->a->json)
		err = command_json(bench_json(b), "-", e);
	else if (!err)
		print_bench(b);
	keel_job_del(b->job);
	free(b->first);
	free(b->now);
	free(b->ms);
	free(b->layers);
	return err;
}

int keel_bench_main(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"NET.keel",
		"Measure latency, throughput and the time of each layer.\v"
		"Inputs are reproducible noise. The last line is PASSED, or FAILED when runs gave "
		"different outputs.",
		children,
		NULL,
		NULL,
	};
	struct bench_args a = {.warmup = 5, .iterations = 100};
	struct keel_error e = {""};
	struct session s;
	struct bench b = {.a = &a, .s = &s};
	int err;

	command_parse(&argp, argc, argv, &a);
	err = session_open(&s, a.model, &a.session, &e);
	if (!err) {
		err = bench(&b, &e);
		session_close(&s);
	}
	if (err) {
		if (!a.json)
			printf("FAILED\n");
		return command_fail(err, &e);
	}
	if (b.same)
		return KEEL_EXIT_DONE;
	fprintf(stderr, "keel: runs on the same input gave different outputs\n");
	return KEEL_EXIT_FAILED;
}
