// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_output.h"
#include "command.h"
#include "output.h"
#include "progress.h"
#include "roof.h"
#include "session.h"

/* Runs with a profile, of which each command's fastest counts. */
#define PROFILE_RUNS   10
#define MAX_ITERATIONS 1000000

/** struct bench_args - the command line */
struct bench_args {
	struct session_options session;
	const char *model, *report;
	unsigned int warmup, iterations;
	double duration;
	bool json, csv;
};

enum { OPT_WARMUP = 256, OPT_ITERATIONS, OPT_DURATION, OPT_JSON, OPT_CSV, OPT_REPORT };

static const struct argp_option options[] = {
	{"warmup", OPT_WARMUP, "N", 0, "runs that are not counted (default 5)", 0},
	{"iterations", OPT_ITERATIONS, "N", 0, "runs that are counted (default 100)", 0},
	{"duration", OPT_DURATION, "S", 0, "run for S seconds instead", 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{"csv", OPT_CSV, NULL, 0, "print the tables as CSV", 0},
	{"report", OPT_REPORT, "FILE.html", 0, "write a page with a roofline plot, too", 0},
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
	case OPT_CSV:
		a->csv = true;
		return 0;
	case OPT_REPORT:
		a->report = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->model)
			command_usage(state, "one model at a time, not also '%s'", arg);
		a->model = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->model)
			command_usage(state, "name the model: keel bench NET.keel");
		if (a->json && a->csv)
			command_usage(state, "--json or --csv, not both");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/** struct rig - what it takes to measure
 * @job: the one that is run now
 * @first: outputs of the first run, which the others are compared with
 */
struct rig {
	const struct bench_args *a;
	struct bench *b;
	struct session *s;
	struct keel_job *job;
	float *first, *now;
	uint64_t elements;
};

/* Reproducible noise over the whole range of levels: no network runs faster on zeros here. */
static int fill_inputs(struct rig *r, struct keel_error *e)
{
	uint32_t state = 1;
	unsigned int i;
	int err = 0;

	for (i = 0; i < r->s->info.inputs && !err; i++) {
		struct keel_port p;
		float *x;
		uint64_t k;

		keel_network_get_input(r->s->network, i, &p);
		x = malloc(p.elements * sizeof(*x));
		if (!x)
			return -ENOMEM;
		for (k = 0; k < p.elements; k++) {
			state = state * 1664525 + 1013904223;
			x[k] = (((int)(state >> 24) - 128) - p.zero_point) * p.scale;
		}
		err = keel_job_set_input(r->job, i, KEEL_ELEMENT_F32, x, p.elements, e);
		free(x);
	}
	return err;
}

static int one_run(struct rig *r, double *ms, struct keel_error *e)
{
	double start = command_seconds();
	int err = keel_job_submit(r->job, e);

	if (!err)
		err = keel_job_wait(r->job, -1, e);
	*ms = (command_seconds() - start) * 1e3;
	return err;
}

static int read_outputs(struct rig *r, float *to, struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < r->s->info.outputs && !err; i++) {
		struct keel_port p;

		keel_network_get_output(r->s->network, i, &p);
		err = keel_job_get_output(r->job, i, KEEL_ELEMENT_F32, to, p.elements, e);
		to += p.elements;
	}
	return err;
}

static int compare_outputs(struct rig *r, struct keel_error *e)
{
	int err = read_outputs(r, r->now, e);

	if (!err && memcmp(r->now, r->first, r->elements * sizeof(*r->now)))
		r->b->same = false;
	return err;
}

static int warm_up(struct rig *r, struct keel_error *e)
{
	unsigned int i;
	double ms;
	int err = fill_inputs(r, e);

	/* One more, which the others are compared with. */
	for (i = 0; i < r->a->warmup + 1 && !err; i++)
		err = one_run(r, &ms, e);
	return err ? err : read_outputs(r, r->first, e);
}

static int measure(struct rig *r, struct keel_error *e)
{
	const struct bench_args *a = r->a;
	size_t room = a->duration > 0 ? MAX_ITERATIONS : a->iterations;
	struct keel_progress bar;
	double start;
	int err = warm_up(r, e);

	r->b->ms = malloc(room * sizeof(*r->b->ms));
	if (!r->b->ms)
		return -ENOMEM;
	start = command_seconds();
	keel_progress_begin(&bar, "bench", a->duration > 0 ? 0 : a->iterations, a->json || a->csv);
	while (!err && r->b->n < room &&
	       (!r->b->n || !(a->duration > 0) || command_seconds() - start < a->duration)) {
		err = one_run(r, &r->b->ms[r->b->n], e);
		r->b->total += r->b->ms[r->b->n++];
		if (!err)
			err = compare_outputs(r, e);
		keel_progress_add(&bar, 1);
	}
	keel_progress_end(&bar);
	return err;
}

/* The fastest time of each command over some runs of a job that takes times. */
static int profile_commands(struct rig *r, uint64_t *best, uint32_t commands, struct keel_error *e)
{
	uint64_t *ns = calloc(commands, sizeof(*ns));
	unsigned int i, k;
	double ms;
	int err = ns ? fill_inputs(r, e) : -ENOMEM;

	memset(best, 0xff, commands * sizeof(*best));
	for (k = 0; k < PROFILE_RUNS && !err; k++) {
		err = one_run(r, &ms, e);
		if (!err && keel_job_get_profile(r->job, ns, commands, e) != (int)commands)
			err = keel_error_set(e, -EIO, "the profile doesn't have all commands");
		for (i = 0; i < commands && !err; i++)
			best[i] = ns[i] < best[i] ? ns[i] : best[i];
	}
	free(ns);
	return err;
}

/* Elsewhere cycles are the compiler's estimate. */
static void count_cycles(struct rig *r)
{
	struct keel_job_result result;

	if (!strcmp(r->s->device_info.backend, "drm") && !keel_job_get_result(r->job, &result))
		r->b->cycles = result.cycles;
}

/* Only beside layers; a backend that can't tell leaves it out. */
static int measure_roof(struct rig *r, struct keel_error *e)
{
	struct bench_profile *p = &r->b->profile;
	int err = 0;

	if (!r->b->has_layers)
		return 0;
	p->roof_bytes = r->s->info.constants_bytes + r->s->info.scratch_bytes;
	err = keel_device_roof(r->s->device, p->roof_bytes, &p->roof, e);
	p->has_roof = !err;
	return err == -EOPNOTSUPP ? 0 : err;
}

/* A backend that can't time commands leaves the table empty. */
static int profile(struct rig *r, struct keel_error *e)
{
	uint32_t commands = r->s->info.commands;
	uint64_t *best = malloc(commands * sizeof(*best));
	struct keel_job *plain = r->job;
	int err = best ? keel_job_new(r->s->network, KEEL_JOB_PROFILE, &r->job, e) : -ENOMEM;

	if (!err) {
		err = profile_commands(r, best, commands, e);
		if (!err)
			count_cycles(r);
		if (!err)
			err = bench_profile_init(&r->b->profile,
						 keel_network_get_model(r->s->network), best);
		r->b->has_layers = !err;
		keel_job_del(r->job);
	}
	r->job = plain;
	free(best);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int alloc_outputs(struct rig *r, struct keel_error *e)
{
	struct keel_port p;
	unsigned int i;

	for (i = 0; i < r->s->info.outputs; i++) {
		keel_network_get_output(r->s->network, i, &p);
		r->elements += p.elements;
	}
	r->first = calloc(r->elements, sizeof(*r->first));
	r->now = calloc(r->elements, sizeof(*r->now));
	return r->first && r->now ? 0 : -ENOMEM;
}

static int run_all(struct rig *r, struct keel_error *e)
{
	int err = alloc_outputs(r, e);

	if (!err)
		err = keel_job_new(r->s->network, 0, &r->job, e);
	if (!err)
		err = measure(r, e);
	if (!err)
		err = profile(r, e);
	if (!err)
		err = measure_roof(r, e);
	if (!err)
		qsort(r->b->ms, r->b->n, sizeof(*r->b->ms), by_value);
	keel_job_del(r->job);
	free(r->first);
	free(r->now);
	return err;
}

static int write_page(const struct bench *b, const char *path, struct keel_error *e)
{
	struct keel_outfile *out;
	int err = keel_outfile_open(path, &out, e);

	if (err)
		return err;
	bench_page(keel_outfile_stream(out), b);
	return keel_outfile_commit(out, e);
}

static int tell(const struct bench_args *a, const struct bench *b, struct keel_error *e)
{
	int err = a->report ? write_page(b, a->report, e) : 0;

	if (err)
		return err;
	if (a->json)
		return command_json(bench_json(b), "-", e);
	if (a->csv)
		bench_csv(stdout, b);
	else
		bench_print(b);
	return 0;
}

static int bench(const struct bench_args *a, struct session *s, bool *same, struct keel_error *e)
{
	struct bench b = {.s = s, .model = a->model, .same = true};
	struct rig r = {.a = a, .b = &b, .s = s};
	int err = run_all(&r, e);

	if (!err)
		err = tell(a, &b, e);
	*same = b.same;
	free(b.ms);
	bench_profile_free(&b.profile);
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
	bool same = true;
	int err;

	command_parse(&argp, argc, argv, &a);
	keel_outfile_spare(a.model);
	err = keel_outfile_probe(a.report, &e);
	err = err ? err : session_open(&s, a.model, &a.session, &e);
	if (!err) {
		err = bench(&a, &s, &same, &e);
		session_close(&s);
	}
	if (err) {
		if (!a.json && !a.csv)
			printf("FAILED\n");
		return command_fail(err, &e);
	}
	if (same)
		return KEEL_EXIT_DONE;
	fprintf(stderr, "keel: runs on the same input gave different outputs\n");
	return KEEL_EXIT_FAILED;
}
