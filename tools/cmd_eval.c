// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "float.h"
#include "graph.h"
#include "import.h"
#include "progress.h"
#include "session.h"

#define MAX_PATHS 256

/** struct eval_args - the command line */
struct eval_args {
	struct session_options session;
	const char *model, *preprocess, *labels, *float_model;
	const char *paths[MAX_PATHS];
	unsigned int nr_paths;
	struct keel_selection select;
	bool json;
};

enum { OPT_DATA = 256, OPT_LABELS, OPT_FLOAT, OPT_LIMIT, OPT_SHARD, OPT_SPLIT, OPT_JSON, OPT_PREPROCESS };

static const struct argp_option options[] = {
	{ "data", OPT_DATA, "DIR|FILE", 0, "pictures, tensors or an IDX file; may be repeated", 0 },
	{ "labels", OPT_LABELS, "FILE", 0,
	  "classes: an IDX file, or text with 'file,label' or one label a line; 'folders': the folder names",
	  0 },
	{ "float", OPT_FLOAT, "NET.onnx", 0, "compare with this float network", 0 },
	{ "limit", OPT_LIMIT, "N", 0, "only the first N samples", 0 },
	{ "shard", OPT_SHARD, "I/N", 0, "only the I-th of N parts, to spread the work over machines", 0 },
	{ "split", OPT_SPLIT, "K", 0,
	  "leave out every K-th sample: those that 'keel compile --split K' uses", 0 },
	{ "preprocess", OPT_PREPROCESS, "FILE", 0, "instead of what the model file carries", 0 },
	{ "json", OPT_JSON, NULL, 0, "print JSON", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &session_argp, 0, "Backend:", 10 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct eval_args *a = state->input;
	struct keel_error e;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->session;
		return 0;
	case OPT_DATA:
		if (a->nr_paths == MAX_PATHS)
			argp_error(state, "--data may be given %d times at most", MAX_PATHS);
		a->paths[a->nr_paths++] = arg;
		return 0;
	case OPT_LABELS:
		a->labels = arg;
		return 0;
	case OPT_FLOAT:
		a->float_model = arg;
		return 0;
	case OPT_LIMIT:
		a->select.limit = command_number(arg, "limit", 1, 1000000000, state);
		return 0;
	case OPT_SHARD:
		if (keel_shard_parse(arg, &a->select, &e))
			argp_error(state, "%s", e.text);
		return 0;
	case OPT_SPLIT:
		a->select.split_every = command_number(arg, "split", 2, 1000000, state);
		a->select.split_rest = true;
		return 0;
	case OPT_PREPROCESS:
		a->preprocess = arg;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->model)
			argp_error(state, "one model at a time, not also '%s'", arg);
		a->model = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->model || !a->nr_paths)
			argp_error(state, "name the model and data: keel eval NET.keel --data DIR");
		if (!a->labels && !a->float_model)
			argp_error(state, "nothing to compare with: give --labels, --float, or both");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/** struct sample_score - what one sample contributes, merged in order afterwards
 * @signal: sum of squares of the float output, by output
 * @noise: sum of squares of the difference
 */
struct sample_score {
	bool top1, top5, labelled, agrees, float_top1, float_top5;
	double *signal, *noise;
};

/** struct evaluation - shared by the workers */
struct evaluation {
	const struct session *s;
	const struct session_data *d;
	const struct keel_float *f;
	struct keel_port *ports;
	struct sample_score *scores;
	struct keel_progress bar;
	atomic_size_t next;
	pthread_mutex_t lock;
	size_t failed_at;
	int err;
	struct keel_error *e;
};

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

static void score(struct evaluation *v, struct eval_worker *w, size_t i)
{
	struct sample_score *s = &v->scores[i];
	uint64_t top[5], ref[5];
	unsigned int k, n = session_top(w->out[0], v->ports[0].elements, 5, top);
	int64_t label = keel_dataset_label(v->d->ds, i);

	s->labelled = label >= 0;
	s->top1 = n && (int64_t)top[0] == label;
	s->top5 = contains(top, n, label);
	if (!w->f)
		return;
	for (k = 0; k < v->s->info.outputs; k++) {
		const float *f = keel_float_output(w->f, k);
		uint64_t j;

		if (v->ports[k].type == KEEL_ELEMENT_S64)
			continue;
		for (j = 0; j < v->ports[k].elements; j++) {
			double d = (double)w->out[k][j] - f[j];

			s->signal[k] += (double)f[j] * f[j];
			s->noise[k] += d * d;
		}
	}
	if (v->ports[0].type != KEEL_ELEMENT_S64) {
		n = session_top(keel_float_output(w->f, 0), v->ports[0].elements, 5, ref);
		s->agrees = n && ref[0] == top[0];
		s->float_top1 = n && (int64_t)ref[0] == label;
		s->float_top5 = contains(ref, n, label);
	}
}

static int eval_sample(struct evaluation *v, struct eval_worker *w, size_t i, struct keel_error *e)
{
	const void *inputs[1] = { w->in };
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
		err = keel_job_get_output(w->job, k, KEEL_ELEMENT_F32, w->out[k], v->ports[k].elements,
					  e);
	if (!err)
		score(v, w, i);
	return err;
}

static void *worker_main(void *arg)
{
	struct eval_worker *w = arg;
	struct evaluation *v = w->v;
	size_t i, n = keel_dataset_count(v->d->ds);
	struct keel_error e = { "" };
	int err = 0;

	while (!err && !command_interrupted && (i = atomic_fetch_add(&v->next, 1)) < n) {
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

static int run_workers(struct evaluation *v, struct keel_error *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int n = cpus < 1 ? 1 : cpus > 16 ? 16 : cpus, i, started = 0;
	struct eval_worker workers[16] = { 0 };
	pthread_t threads[16];
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
	return command_interrupted ? -ECANCELED : v->err;
}

static double db(double signal, double noise)
{
	/* Equal outputs have no noise; JSON has no infinity. */
	return noise > 0 && signal > 0 ? fmin(10 * log10(signal / noise), 200) : noise > 0 ? 0 : 200;
}

static double share(size_t part, size_t whole)
{
	return whole ? (double)part / whole : 0;
}

static int report(const struct evaluation *v, const struct eval_args *a, struct keel_error *e)
{
	size_t i, n = keel_dataset_count(v->d->ds), labelled = 0, agrees = 0;
	size_t top1 = 0, top5 = 0, float1 = 0, float5 = 0;
	unsigned int k, outputs = v->s->info.outputs;
	double signal[outputs], noise[outputs];
	json_t *j, *per_output = json_array();

	memset(signal, 0, sizeof(signal));
	memset(noise, 0, sizeof(noise));
	for (i = 0; i < n; i++) {
		const struct sample_score *s = &v->scores[i];

		labelled += s->labelled;
		top1 += s->top1;
		top5 += s->top5;
		agrees += s->agrees;
		float1 += s->float_top1;
		float5 += s->float_top5;
		for (k = 0; k < outputs && v->f; k++) {
			signal[k] += s->signal[k];
			noise[k] += s->noise[k];
		}
	}
	j = json_pack("{s:I}", "images", (json_int_t)n);
	if (a->labels) {
		json_object_set_new(j, "labelled", json_integer(labelled));
		json_object_set_new(j, "top1", json_real(share(top1, labelled)));
		json_object_set_new(j, "top5", json_real(share(top5, labelled)));
	}
	if (a->labels && v->f) {
		json_object_set_new(j, "float_top1", json_real(share(float1, labelled)));
		json_object_set_new(j, "float_top5", json_real(share(float5, labelled)));
	}
	for (k = 0; k < outputs && v->f; k++)
		json_array_append_new(per_output, json_pack("{s:s, s:f}", "name", v->ports[k].name,
							    "sqnr_db", db(signal[k], noise[k])));
	if (v->f) {
		json_object_set_new(j, "agreement", json_real((double)agrees / n));
		json_object_set_new(j, "sqnr_db", json_real(db(signal[0], noise[0])));
		json_object_set(j, "outputs", per_output);
	}
	json_decref(per_output);
	if (a->json)
		return command_json(j, "-", e);
	json_decref(j);
	printf("images     %zu\n", n);
	if (a->labels)
		printf("top-1      %.4f\ntop-5      %.4f  (%zu labelled)\n", share(top1, labelled),
		       share(top5, labelled), labelled);
	if (a->labels && v->f)
		printf("float      top-1 %.4f, top-5 %.4f\n", share(float1, labelled),
		       share(float5, labelled));
	if (v->f)
		printf("agreement  %.4f\n", (double)agrees / n);
	for (k = 0; k < outputs && v->f; k++)
		printf("SQNR       %.2f dB  %s\n", db(signal[k], noise[k]), v->ports[k].name);
	return 0;
}

static int prepare(struct evaluation *v, struct keel_error *e)
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

/* The float network must have the same outputs, or comparing means nothing. */
static int check_float(const struct evaluation *v, const struct keel_graph *g, const char *path,
		       struct keel_error *e)
{
	unsigned int k;

	if (g->nr_outputs != v->s->info.outputs || g->nr_inputs != 1)
		return keel_error_set(e, -EINVAL, "'%s' has %u inputs and %u outputs, the model 1 and %u",
				      path, g->nr_inputs, g->nr_outputs, v->s->info.outputs);
	if ((uint64_t)keel_tensor_count(g->inputs[0]) != v->d->elements)
		return keel_error_set(e, -EINVAL, "the input of '%s' is not that of the model", path);
	for (k = 0; k < g->nr_outputs; k++)
		if ((uint64_t)keel_tensor_count(g->outputs[k]) != v->ports[k].elements)
			return keel_error_set(e, -EINVAL, "output '%s' of '%s' is not that of the model",
					      g->outputs[k]->name, path);
	return 0;
}

static int eval(const struct eval_args *a, struct session *s, struct session_data *d,
		struct keel_error *e)
{
	struct evaluation v = { .s = s, .d = d, .e = e, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct keel_import_options import = { 0 };
	struct keel_graph *g = NULL;
	struct keel_float *f = NULL;
	int err = prepare(&v, e);

	if (!err && a->labels)
		err = !strcmp(a->labels, "folders") ?
			      keel_dataset_folder_labels(d->ds, v.ports[0].elements, e) :
			      keel_dataset_labels(d->ds, a->labels, v.ports[0].elements, e);
	if (!err && a->float_model) {
		err = keel_import_onnx(a->float_model, &import, &g, e);
		if (!err)
			err = check_float(&v, g, a->float_model, e);
		if (!err) {
			f = keel_float_new(g, e);
			err = f ? 0 : -EINVAL;
		}
		v.f = f;
	}
	if (!err)
		err = run_workers(&v, e);
	if (!err)
		err = report(&v, a, e);
	keel_float_del(f);
	if (g)
		keel_graph_del(g);
	if (v.scores)
		free(v.scores[0].signal);
	free(v.scores);
	free(v.ports);
	return err;
}

int keel_eval_main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, "NET.keel --data DIR|FILE",
		"Measure accuracy on labelled samples and agreement with the float network.", children,
		NULL, NULL,
	};
	struct eval_args a = { 0 };
	struct keel_error e = { "" };
	struct session s;
	struct session_data d;
	int err;

	command_parse(&argp, argc, argv, &a);
	command_catch_interrupts();
	err = session_open(&s, a.model, &a.session, &e);
	if (err)
		return command_fail(err, &e);
	err = session_data_open(&d, &s, a.preprocess, a.paths, a.nr_paths, &a.select, &e);
	if (!err) {
		err = eval(&a, &s, &d, &e);
		session_data_close(&d);
	}
	session_close(&s);
	return err ? command_fail(err, &e) : KEEL_EXIT_DONE;
}
