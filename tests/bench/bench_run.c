// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Noise over the whole range of levels; no network runs faster on zeros here. */
static void fill(const struct keel_port *p, float *x)
{
	uint32_t state = 1;
	uint64_t i;

	for (i = 0; i < p->elements; i++) {
		state = state * 1664525 + 1013904223;
		x[i] = ((int)(state >> 24) - 128 - p->zero_point) * p->scale;
	}
}

static int make_values(struct bench_run *r)
{
	uint64_t total = 0;
	struct keel_port p;
	unsigned int i;

	for (i = 0; i < r->info.inputs; i++) {
		keel_network_get_input(r->network, i, &p);
		total += p.elements;
	}
	for (i = 0; i < r->info.outputs; i++) {
		keel_network_get_output(r->network, i, &p);
		total += p.elements;
	}
	r->values = calloc(total + 1, sizeof(*r->values));
	if (!r->values)
		return -ENOMEM;
	r->outputs = r->values;
	for (i = 0; i < r->info.inputs; i++, r->outputs += p.elements) {
		keel_network_get_input(r->network, i, &p);
		fill(&p, r->outputs);
	}
	return 0;
}

int bench_run_open(struct bench_run *r, const char *path, const char *backend, unsigned int threads)
{
	const struct keel_device_options options = {.threads = threads};
	struct keel_error e = {""};
	unsigned int i;
	int err;

	memset(r, 0, sizeof(*r));
	err = keel_device_new(backend, &options, &r->device, &e);
	if (!err) {
		keel_device_get_info(r->device, &r->device_info);
		err = keel_network_new(r->device, path, &r->network, &e);
	}
	if (!err) {
		keel_network_get_info(r->network, &r->info);
		err = make_values(r);
	}
	for (i = 0; i < BENCH_JOBS && !err; i++)
		err = keel_job_new(r->network, 0, &r->jobs[i], &e);
	if (err) {
		fprintf(stderr, "bench: %s\n", *e.text ? e.text : strerror(-err));
		bench_run_close(r);
	}
	return err;
}

void bench_run_close(struct bench_run *r)
{
	unsigned int i;

	for (i = 0; i < BENCH_JOBS; i++)
		keel_job_del(r->jobs[i]);
	keel_network_del(r->network);
	keel_device_del(r->device);
	free(r->values);
	memset(r, 0, sizeof(*r));
}

static int set_inputs(struct bench_run *r, struct keel_job *job, float **at, struct keel_error *e)
{
	struct keel_port p;
	unsigned int i;
	int err = 0;

	*at = r->values;
	for (i = 0; i < r->info.inputs && !err; i++) {
		keel_network_get_input(r->network, i, &p);
		err = keel_job_set_input(job, i, KEEL_ELEMENT_F32, *at, p.elements, e);
		*at += p.elements;
	}
	return err;
}

static int get_outputs(struct bench_run *r, struct keel_job *job, float *at, struct keel_error *e)
{
	struct keel_port p;
	unsigned int i;
	int err = 0;

	for (i = 0; i < r->info.outputs && !err; i++) {
		keel_network_get_output(r->network, i, &p);
		err = keel_job_get_output(job, i, KEEL_ELEMENT_F32, at, p.elements, e);
		at += p.elements;
	}
	return err;
}

static int begin(struct bench_run *r, struct keel_job *job, struct keel_error *e)
{
	float *at;
	int err = set_inputs(r, job, &at, e);

	return err ? err : keel_job_submit(job, e);
}

static int end(struct bench_run *r, struct keel_job *job, struct keel_error *e)
{
	int err = keel_job_wait(job, -1, e);

	return err ? err : get_outputs(r, job, r->outputs, e);
}

double bench_run_once(struct bench_run *r)
{
	struct keel_error e = {""};
	double start = bench_now();
	int err = begin(r, r->jobs[0], &e);

	if (!err)
		err = end(r, r->jobs[0], &e);
	if (err)
		fprintf(stderr, "bench: %s\n", e.text);
	return err ? -1 : bench_now() - start;
}

double bench_run_many(struct bench_run *r, unsigned int count)
{
	struct keel_error e = {""};
	double start = bench_now();
	unsigned int i;
	int err = 0;

	/* A job is begun again as soon as what it did before was fetched; the other goes on. */
	for (i = 0; i < count + BENCH_JOBS && !err; i++) {
		if (i >= BENCH_JOBS)
			err = end(r, r->jobs[i % BENCH_JOBS], &e);
		if (i < count && !err)
			err = begin(r, r->jobs[i % BENCH_JOBS], &e);
	}
	if (err)
		fprintf(stderr, "bench: %s\n", e.text);
	return err ? -1 : bench_now() - start;
}

double bench_run_input(struct bench_run *r)
{
	struct keel_error e = {""};
	double start = bench_now();
	float *at;
	int err = set_inputs(r, r->jobs[0], &at, &e);

	if (err)
		fprintf(stderr, "bench: %s\n", e.text);
	return err ? -1 : bench_now() - start;
}
