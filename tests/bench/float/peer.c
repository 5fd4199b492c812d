// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compile.h"
#include "float_net.h"
#include "graph.h"
#include "import.h"

/*
 * The float network as calibration runs it: peer NET.onnx THREADS
 *
 * It speaks as ort.py does. Pictures are divided among the threads, and each has its part of the
 * time of all.
 */

#define MAX_THREADS 64

/** struct worker - an executor with its inputs */
struct worker {
	struct keel_float *f;
	void **inputs;
	pthread_t thread;
	atomic_ulong *left;
	int err;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void absent(const char *why)
{
	printf("absent %s\n", why);
	exit(0);
}

/* Noise in [-1, 1]; other types than float stay 0. */
static void *make_input(const struct keel_tensor *t)
{
	int64_t i, count = keel_tensor_count(t);
	void *data = calloc(count, sizeof(int64_t));

	for (i = 0; data && t->type == KEEL_F32 && i < count; i++)
		((float *)data)[i] = 2.0 * rand() / RAND_MAX - 1;
	return data;
}

static int worker_init(struct worker *w, const struct keel_float *f, struct keel_error *e)
{
	const struct keel_graph *g = keel_float_graph(f);
	unsigned int i;

	w->f = keel_float_clone(f, e);
	w->inputs = calloc(g->nr_inputs + 1, sizeof(*w->inputs));
	for (i = 0; w->inputs && i < g->nr_inputs; i++) {
		w->inputs[i] = make_input(g->inputs[i]);
		if (!w->inputs[i])
			return -1;
	}
	return w->f && w->inputs ? 0 : -1;
}

static int run_once(struct worker *w)
{
	return keel_float_run(w->f, (const void *const *)w->inputs, NULL, NULL, NULL);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned long left = atomic_load(w->left);

	while (left && !w->err)
		if (atomic_compare_exchange_weak(w->left, &left, left - 1)) {
			w->err = run_once(w);
			left = atomic_load(w->left);
		}
	return NULL;
}

static double run_all(struct worker *workers, unsigned int threads, unsigned long count)
{
	double start = now();
	atomic_ulong left = count;
	unsigned int i;

	for (i = 0; i < threads; i++) {
		workers[i].left = &left;
		if (i && pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			exit(1);
	}
	work(&workers[0]);
	for (i = 1; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	return now() - start;
}

static void serve(struct worker *workers, unsigned int threads)
{
	unsigned long i, count;
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		double all = 0;

		count = strtoul(line, NULL, 10);
		if (threads > 1)
			all = run_all(workers, threads, count) / count;
		for (i = 0; i < count; i++)
			printf("%s%.5f", i ? " " : "", all ? all : run_all(workers, 1, 1));
		printf("\n");
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	unsigned int threads = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, i;
	const struct keel_import_options import = {0};
	struct worker workers[MAX_THREADS] = {0};
	struct keel_error e = {""};
	struct keel_graph *g;
	struct keel_float *f;

	if (threads < 1 || threads > MAX_THREADS) {
		fprintf(stderr, "usage: peer NET.onnx THREADS\n");
		return 2;
	}
	if (keel_import_onnx(argv[1], &import, &g, &e) || keel_compile_prepare(g, &e))
		absent(e.text);
	f = keel_float_new(g, &e);
	if (!f)
		absent(e.text);
	for (i = 0; i < threads; i++)
		if (worker_init(&workers[i], f, &e) || run_once(&workers[i]))
			absent("it can't be run");
	printf("ready float network, %zu MiB of values a thread\n", keel_float_bytes(f) >> 20);
	fflush(stdout);
	serve(workers, threads);
	return 0;
}
