// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "evaluation.h"

/** struct eval_worker - one thread's job, float executor and arrays */
struct eval_worker {
	struct evaluation *v;
	struct keel_job *job;
	struct keel_float *f;
	float *in, **out;
};

static bool contains(const uint64_t *top, unsigned int n, int64_t label)
{
	unsigned int k;

	for (k = 0; k < n; k++)
		if ((int64_t)top[k] == label)
			return true;
	return false;
}

static void add_noise(const float *got, const float *wanted, uint64_t n, double *signal,
		      double *noise)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		double d = (double)got[i] - wanted[i];

		*signal += (double)wanted[i] * wanted[i];
		*noise += d * d;
	}
}

/* The best classes; an output that is a class number itself is the best and only one. */
static unsigned int best(const struct keel_port *p, const void *v, bool is_float, uint64_t *top)
{
	if (p->type != KEEL_ELEMENT_S64)
		return session_top(v, p->elements, 5, top);
	top[0] = is_float ? (uint64_t) * (const float *)v : (uint64_t) * (const int64_t *)v;
	return p->elements == 1;
}

static void score(struct evaluation *v, struct eval_worker *w, size_t i)
{
	struct sample_score *s = &v->scores[i];
	uint64_t top[5], ref[5];
	unsigned int k, m, n = best(&v->ports[0], w->out[0], true, top);
	int64_t label = keel_dataset_label(v->d->ds, i);

	s->labelled = label >= 0;
	s->top1 = n && (int64_t)top[0] == label;
	s->top5 = contains(top, n, label);
	if (!w->f)
		return;
	for (k = 0; k < v->s->info.outputs; k++)
		if (v->ports[k].type != KEEL_ELEMENT_S64)
			add_noise(w->out[k], keel_float_output(w->f, k), v->ports[k].elements,
				  &s->signal[k], &s->noise[k]);
	m = best(&v->ports[0], keel_float_output(w->f, 0), false, ref);
	s->agrees = n && m && ref[0] == top[0];
	s->float_top1 = m && (int64_t)ref[0] == label;
	s->float_top5 = contains(ref, m, label);
}

static int eval_sample(struct evaluation *v, struct eval_worker *w, size_t i, struct keel_error *e)
{
	const void *inputs[1] = {w->in};
	unsigned int k;
	int err = keel_dataset_get(v->d->ds, i, w->in, e);

	if (!err)
		err = keel_job_set_input(w->job, 0, KEEL_ELEMENT_F32, w->in, v->d->elements, e);
	if (!err)
		err = keel_job_submit(w->job, e);
	/* The float network runs while the device works. */
	if (!err && w->f)
		err = keel_float_run(w->f, inputs, NULL, NULL, e);
	if (!err)
		err = keel_job_wait(w->job, -1, e);
	for (k = 0; k < v->s->info.outputs && !err; k++)
		err = keel_job_get_output(w->job, k, KEEL_ELEMENT_F32, w->out[k],
					  v->ports[k].elements, e);
	if (!err)
		score(v, w, i);
	return err;
}

static void *worker_main(void *arg)
{
	struct eval_worker *w = arg;
	struct evaluation *v = w->v;
	size_t i, n = keel_dataset_count(v->d->ds);
	struct keel_error e = {""};
	int err = 0;

	while (!err && (i = atomic_fetch_add(&v->next, 1)) < n) {
		err = eval_sample(v, w, i, &e);
		keel_progress_add(&v->bar, 1);
		if (!err)
			continue;
		/* The earliest failing sample speaks, whatever the threads did. */
		pthread_mutex_lock(&v->lock);
		if (!v->err || i < v->failed_at) {
			v->err = err;
			v->failed_at = i;
			*v->e = e;
		}
		pthread_mutex_unlock(&v->lock);
		atomic_store(&v->next, n);
	}
	return NULL;
}

static void worker_free(struct eval_worker *w)
{
	unsigned int k;

	for (k = 0; w->out && k < w->v->s->info.outputs; k++)
		free(w->out[k]);
	keel_job_del(w->job);
	keel_float_del(w->f);
	free(w->in);
	free(w->out);
}

static int worker_init(struct eval_worker *w, struct evaluation *v, struct keel_error *e)
{
	unsigned int k;
	int err;

	w->v = v;
	w->in = malloc(v->d->elements * sizeof(*w->in));
	w->out = calloc(v->s->info.outputs, sizeof(*w->out));
	if (!w->in || !w->out)
		return -ENOMEM;
	for (k = 0; k < v->s->info.outputs; k++) {
		w->out[k] = malloc(v->ports[k].elements * sizeof(**w->out));
		if (!w->out[k])
			return -ENOMEM;
	}
	if (v->f) {
		w->f = keel_float_clone(v->f, e);
		if (!w->f)
			return -ENOMEM;
	}
	err = keel_job_new(v->s->network, 0, &w->job, e);
	return err;
}

int evaluation_run(struct evaluation *v, struct keel_error *e)
{
	unsigned int n = v->threads, i, started = 0;
	struct eval_worker workers[EVALUATION_THREADS] = {0};
	pthread_t threads[EVALUATION_THREADS];
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = worker_init(&workers[i], v, e);
	keel_progress_begin(&v->bar, "eval", keel_dataset_count(v->d->ds), false);
	for (i = 1; i < n && !err; i++)
		if (!pthread_create(&threads[started], NULL, worker_main, &workers[i]))
			started++;
	if (!err)
		worker_main(&workers[0]);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	keel_progress_end(&v->bar);
	for (i = 0; i < n; i++)
		if (workers[i].v)
			worker_free(&workers[i]);
	if (err)
		return err;
	return v->err;
}

static double db(double signal, double noise)
{
	/* A sample with NaN or infinity in its float output says nothing about the integers. */
	if (!isfinite(signal) || !isfinite(noise))
		return NAN;
	/* Equal outputs have no noise; JSON has no infinity. */
	return noise > 0 && signal > 0 ? fmin(10 * log10(signal / noise), 200)
	       : noise > 0	       ? 0
				       : 200;
}

void evaluation_add_up(const struct evaluation *v, struct totals *t)
{
	unsigned int k;
	size_t i;

	for (i = 0; i < t->images; i++) {
		const struct sample_score *s = &v->scores[i];

		t->labelled += s->labelled;
		t->top1 += s->top1;
		t->top5 += s->top5;
		t->agrees += s->agrees;
		t->float1 += s->float_top1;
		t->float5 += s->float_top5;
	}
	for (k = 0; k < v->s->info.outputs && v->f; k++) {
		double signal = 0, noise = 0;

		for (i = 0; i < t->images; i++) {
			signal += v->scores[i].signal[k];
			noise += v->scores[i].noise[k];
		}
		t->db[k] = db(signal, noise);
	}
}

int evaluation_init(struct evaluation *v, struct keel_error *e)
{
	size_t i, n = keel_dataset_count(v->d->ds);
	unsigned int k, outputs = v->s->info.outputs;
	double *sums;

	v->ports = calloc(outputs, sizeof(*v->ports));
	v->scores = calloc(n, sizeof(*v->scores));
	sums = calloc(n * outputs, 2 * sizeof(*sums));
	if (!v->ports || !v->scores || !sums) {
		free(sums);
		return keel_error_set(e, -ENOMEM, "out of memory for %zu samples", n);
	}
	for (k = 0; k < outputs; k++)
		keel_network_get_output(v->s->network, k, &v->ports[k]);
	for (i = 0; i < n; i++) {
		v->scores[i].signal = sums + 2 * i * outputs;
		v->scores[i].noise = v->scores[i].signal + outputs;
	}
	return 0;
}

void evaluation_fini(struct evaluation *v)
{
	if (v->scores)
		free(v->scores[0].signal);
	free(v->scores);
	free(v->ports);
}
