// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "graph.h"
#include "patches.h"
#include "sweep.h"
#include "weights_all.h"

/** struct all - nodes that threads take one after the other
 * @next: index of the next node
 * @lock: protects @failed, @err and @error
 * @failed: the first node that failed; all before it are done or being done
 */
struct all {
	const struct keel_graph *g;
	const bool *wanted;
	const struct keel_weight_options *options;
	const struct keel_patches *patches;
	struct keel_weights **weights;
	atomic_uint next;
	atomic_bool stop;
	pthread_mutex_t lock;
	unsigned int failed;
	int err;
	struct keel_error error;
};

static int quantize(struct all *a, unsigned int i, struct keel_error *e)
{
	const struct keel_node *n = a->g->nodes[i];
	struct keel_weight_options o = *a->options;

	o.wide = n->inputs[0]->quant.wide;
	o.patches = a->patches ? &a->patches[i] : NULL;
	return keel_weights_quantize(n, n->inputs[0]->quant.scale, &o, &a->weights[i], e);
}

static void fail(struct all *a, unsigned int i, int err, const struct keel_error *e)
{
	pthread_mutex_lock(&a->lock);
	if (!a->err || i < a->failed) {
		a->failed = i;
		a->err = err;
		a->error = *e;
	}
	pthread_mutex_unlock(&a->lock);
	atomic_store(&a->stop, true);
}

static void *work(void *arg)
{
	struct all *a = arg;
	unsigned int i;

	while (!atomic_load(&a->stop) && (i = atomic_fetch_add(&a->next, 1)) < a->g->nr_nodes) {
		struct keel_error e = {""};
		int err = a->wanted[i] ? quantize(a, i, &e) : 0;

		if (err)
			fail(a, i, err, &e);
	}
	return NULL;
}

int keel_weights_all(const struct keel_graph *g, const bool *wanted,
		     const struct keel_weight_options *options, const struct keel_patches *patches,
		     unsigned int threads, struct keel_weights **weights, struct keel_error *e)
{
	struct all a = {g, wanted, options, patches, weights};
	unsigned int nr = keel_sweep_workers(threads, g->nr_nodes), i, started = 0;
	pthread_t others[nr];

	pthread_mutex_init(&a.lock, NULL);
	/* A thread that can't be created is only missed: the others do its work. */
	for (i = 1; i < nr; i++)
		if (!pthread_create(&others[started], NULL, work, &a))
			started++;
	work(&a);
	for (i = 0; i < started; i++)
		pthread_join(others[i], NULL);
	pthread_mutex_destroy(&a.lock);
	if (a.err && e)
		*e = a.error;
	return a.err;
}
