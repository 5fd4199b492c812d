// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "float_net.h"
#include "graph.h"
#include "sweep.h"

#define MAX_WORKERS 256u

/** struct sweep - shared by all workers
 * @next: the next sample to take
 * @stop: set once a sample has failed
 * @lock: protects @failed, @err and @error
 * @failed: index of the failing sample that is reported
 *
 * Samples are taken in order, so when one fails every sample before it has been
 * taken as well and will report if it fails: the lowest always wins.
 */
struct sweep {
	const struct keel_sample_source *source;
	const struct keel_sweep_ops *ops;
	void *ctx;
	atomic_size_t next;
	atomic_bool stop;
	pthread_mutex_t lock;
	size_t failed;
	int err;
	struct keel_error error;
};

/** struct worker - one thread
 * @inputs: one array per graph input
 */
struct worker {
	struct sweep *sweep;
	unsigned int index;
	size_t sample;
	struct keel_float *f;
	void **inputs;
	pthread_t thread;
};

unsigned int keel_sweep_workers(unsigned int threads, size_t nr_samples)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (!threads)
		threads = online > 0 ? online : 1;
	if (threads > MAX_WORKERS)
		threads = MAX_WORKERS;
	if (threads > nr_samples)
		threads = nr_samples;
	return threads ? threads : 1;
}

static void worker_free(struct worker *w)
{
	unsigned int i;

	if (w->inputs)
		for (i = 0; i < keel_float_graph(w->f)->nr_inputs; i++)
			free(w->inputs[i]);
	free(w->inputs);
	keel_float_del(w->f);
}

static int worker_init(struct worker *w, const struct keel_float *f, struct keel_error *e)
{
	const struct keel_graph *g = keel_float_graph(f);
	unsigned int i;

	w->f = keel_float_clone(f, e);
	if (!w->f)
		return -ENOMEM;
	w->inputs = calloc(g->nr_inputs + 1, sizeof(*w->inputs));
	for (i = 0; w->inputs && i < g->nr_inputs; i++) {
		size_t elem = g->inputs[i]->type == KEEL_F32 ? sizeof(float) : sizeof(int64_t);

		w->inputs[i] = calloc(keel_tensor_count(g->inputs[i]) + 1, elem);
		if (!w->inputs[i])
			break;
	}
	if (w->inputs && i == g->nr_inputs)
		return 0;
	return keel_error_set(e, -ENOMEM, "no memory for the inputs of worker %u", w->index);
}

static void on_node(void *ctx, const struct keel_node *node, const float *pre, const float *post)
{
	struct worker *w = ctx;

	w->sweep->ops->watch(w->sweep->ctx, w->index, w->sample, node, pre, post);
}

static void on_pixels(void *ctx, const struct keel_node *node, const struct keel_float_part *part)
{
	struct worker *w = ctx;

	w->sweep->ops->pixels(w->sweep->ctx, w->index, w->sample, node, part);
}

static bool wants(void *ctx, const struct keel_node *node)
{
	const struct worker *w = ctx;

	return w->sweep->ops->wants(w->sweep->ctx, node);
}

static int sample_run(struct worker *w, struct keel_error *e)
{
	struct sweep *s = w->sweep;
	const struct keel_float_watcher watcher = {
		.wants = s->ops->wants ? wants : NULL,
		.dense = on_node,
		.pixels = s->ops->pixels ? on_pixels : NULL,
		.in_parts = s->ops->in_parts,
	};
	int err = s->source->get(s->source->ctx, w->sample, w->inputs, e);

	if (!err)
		err = keel_float_run_watched(w->f, (const void *const *)w->inputs,
					     s->ops->watch ? &watcher : NULL, w, e);
	if (!err && s->ops->done)
		err = s->ops->done(s->ctx, w->index, w->sample, w->f, e);
	return err;
}

static void sweep_fail(struct sweep *s, size_t sample, int err, const struct keel_error *e)
{
	pthread_mutex_lock(&s->lock);
	if (!s->err || sample < s->failed) {
		s->failed = sample;
		s->err = err;
		s->error = *e;
	}
	pthread_mutex_unlock(&s->lock);
	atomic_store(&s->stop, true);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct sweep *s = w->sweep;

	while (!atomic_load(&s->stop)) {
		struct keel_error e = {""};
		int err;

		w->sample = atomic_fetch_add(&s->next, 1);
		if (w->sample >= s->source->count)
			break;
		err = sample_run(w, &e);
		if (err)
			sweep_fail(s, w->sample, err, &e);
	}
	return NULL;
}

/* The calling thread is worker 0. When a thread cannot be had, fewer do the work. */
static void sweep_run(struct worker *workers, unsigned int nr)
{
	unsigned int i, started;

	for (started = 1; started < nr; started++)
		if (pthread_create(&workers[started].thread, NULL, worker_main, &workers[started]))
			break;
	worker_main(&workers[0]);
	for (i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
}

static int sweep_result(struct sweep *s, struct keel_error *e)
{
	if (s->err && e)
		*e = s->error;
	return s->err;
}

int keel_float_sweep(const struct keel_float *f, unsigned int threads,
		     const struct keel_sample_source *source, const struct keel_sweep_ops *ops,
		     void *ctx, struct keel_error *e)
{
	unsigned int i, nr = keel_sweep_workers(threads, source->count);
	struct sweep s = {.source = source, .ops = ops, .ctx = ctx};
	struct worker *workers = calloc(nr, sizeof(*workers));
	int err = 0;

	if (!workers)
		return keel_error_set(e, -ENOMEM, "no memory for %u workers", nr);
	pthread_mutex_init(&s.lock, NULL);
	for (i = 0; i < nr && !err; i++) {
		workers[i].sweep = &s;
		workers[i].index = i;
		err = worker_init(&workers[i], f, e);
	}
	if (!err) {
		sweep_run(workers, nr);
		err = sweep_result(&s, e);
	}
	while (i-- > 0)
		worker_free(&workers[i]);
	pthread_mutex_destroy(&s.lock);
	free(workers);
	return err;
}
