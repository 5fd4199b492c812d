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
#include "float_net.h"
#include "graph.h"
#include "import.h"
#include "progress.h"
#include "session.h"

#define MAX_PATHS   256
#define MAX_WORKERS 16

/** struct eval_args - the command line */
struct eval_args {
	struct session_options session;
	const char *model, *preprocess, *labels, *float_model;
	const char *paths[MAX_PATHS];
	unsigned int nr_paths;
	struct keel_selection select;
	bool swap, json;
};

enum {
	OPT_DATA = 256,
	OPT_LABELS,
	OPT_FLOAT,
	OPT_LIMIT,
	OPT_SHARD,
	OPT_SPLIT,
	OPT_SWAP,
	OPT_JSON,
	OPT_PREPROCESS
};

static const struct argp_option options[] = {
	{"data", OPT_DATA, "DIR|FILE", 0, "pictures, tensors or an IDX file; may be repeated", 0},
	{"labels", OPT_LABELS, "FILE", 0,
	 "classes: an IDX file, or text with 'file,label' or one label a line; 'folders': the "
	 "folder names",
	 0},
	{"float", OPT_FLOAT, "NET.onnx", 0, "compare with this float network", 0},
	{"limit", OPT_LIMIT, "N", 0, "only the first N samples", 0},
	{"shard", OPT_SHARD, "I/N", 0, "only the I-th of N parts, to spread the work over machines",
	 0},
	{"split", OPT_SPLIT, "K", 0,
	 "leave out every K-th sample: those that 'keel compile --split K' uses", 0},
	{"swap", OPT_SWAP, NULL, 0, "with --split: use every K-th instead of the rest", 0},
	{"preprocess", OPT_PREPROCESS, "FILE", 0, "instead of what the model file carries", 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

#define NOTHING "nothing to compare with: give --labels, --float, or both"

static const struct argp_child children[] = {{&session_argp, 0, "Backend:", 10}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct eval_args *a = state->input;
	struct keel_error e;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		state->child_inputs[0] = &a->session;
		return 0;
	case OPT_DATA:
		command_add_path(a->paths, &a->nr_paths, MAX_PATHS, arg, "data", state);
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
			command_usage(state, "%s", e.text);
		return 0;
	case OPT_SPLIT:
		a->select.split_every = command_number(arg, "split", 2, 1000000, state);
		return 0;
	case OPT_SWAP:
		a->swap = true;
		return 0;
	case OPT_PREPROCESS:
		a->preprocess = arg;
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
		if (!a->model || !a->nr_paths)
			command_usage(state,
				      "name the model and data: keel eval NET.keel --data DIR");
		if (a->swap && !a->select.split_every)
			command_usage(state, "--swap needs --split K");
		a->select.split_rest = a->select.split_every && !a->swap;
		/* Among several files there may be labels. */
		if (!a->labels && !a->float_model && a->nr_paths < 2)
			command_usage(state, "%s", NOTHING);
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
	unsigned int threads;
	bool labels;
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

static unsigned int worker_count(const struct eval_args *a)
{
	long n = a->session.threads ? a->session.threads : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > MAX_WORKERS ? MAX_WORKERS : n;
}

static int run_workers(struct evaluation *v, struct keel_error *e)
{
	unsigned int n = v->threads, i, started = 0;
	struct eval_worker workers[MAX_WORKERS] = {0};
	pthread_t threads[MAX_WORKERS];
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

static double share(size_t part, size_t whole)
{
	return whole ? (double)part / whole : 0;
}

/** struct totals - over all samples, in their order
 * @db: signal to noise of each output; the caller's array
 */
struct totals {
	size_t images, labelled, agrees, top1, top5, float1, float5;
	double *db;
};

static void add_up(const struct evaluation *v, struct totals *t)
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

static void json_share(json_t *j, const char *key, size_t part, size_t whole)
{
	json_object_set_new(j, key, json_real(share(part, whole)));
}

static json_t *outputs_json(const struct evaluation *v, const struct totals *t)
{
	json_t *outputs = json_array();
	unsigned int k;

	for (k = 0; k < v->s->info.outputs; k++)
		json_array_append_new(outputs, json_pack("{s:o, s:o}", "name",
							 command_json_text(v->ports[k].name),
							 "sqnr_db", command_json_number(t->db[k])));
	return outputs;
}

static json_t *eval_json(const struct evaluation *v, const struct totals *t, bool labels)
{
	json_t *j = json_pack("{s:I}", "images", (json_int_t)t->images);

	session_json_backend(v->s, j);
	if (labels) {
		json_object_set_new(j, "labelled", json_integer(t->labelled));
		json_share(j, "top1", t->top1, t->labelled);
		json_share(j, "top5", t->top5, t->labelled);
	}
	if (labels && v->f) {
		json_share(j, "float_top1", t->float1, t->labelled);
		json_share(j, "float_top5", t->float5, t->labelled);
	}
	if (v->f) {
		json_share(j, "agreement", t->agrees, t->images);
		json_object_set_new(j, "sqnr_db", command_json_number(t->db[0]));
		json_object_set_new(j, "outputs", outputs_json(v, t));
	}
	return j;
}

/* Where one extent is more than 1, or the output is a class number. Of a picture or of a detector's
 * boxes, the place of the largest value means nothing. */
static bool is_classes(const struct keel_port *p)
{
	unsigned int i, large = 0;

	for (i = 0; i < p->rank; i++)
		large += p->dims[i] > 1;
	return large <= 1;
}

static void print_totals(const struct evaluation *v, const struct totals *t, bool labels)
{
	unsigned int k;

	session_print_backend(v->s, "backend    ");
	printf("images     %zu\n", t->images);
	if (labels)
		printf("top-1      %.4f\ntop-5      %.4f  (%zu labelled)\n",
		       share(t->top1, t->labelled), share(t->top5, t->labelled), t->labelled);
	if (labels && v->f)
		printf("float      top-1 %.4f, top-5 %.4f\n", share(t->float1, t->labelled),
		       share(t->float5, t->labelled));
	if (!v->f)
		return;
	if (is_classes(&v->ports[0]))
		printf("agreement  %.4f\n", share(t->agrees, t->images));
	for (k = 0; k < v->s->info.outputs; k++) {
		if (v->ports[k].type == KEEL_ELEMENT_S64)
			continue;
		if (isfinite(t->db[k]))
			printf("SQNR       %.2f dB  ", t->db[k]);
		else
			printf("SQNR       none: NaN or infinity in  ");
		command_print_name(stdout, v->ports[k].name);
		printf("\n");
	}
}

static int report(const struct evaluation *v, const struct eval_args *a, struct keel_error *e)
{
	struct totals t = {.images = keel_dataset_count(v->d->ds)};
	int err = 0;

	t.db = calloc(v->s->info.outputs, sizeof(*t.db));
	if (!t.db)
		return -ENOMEM;
	add_up(v, &t);
	if (a->json)
		err = command_json(eval_json(v, &t, v->labels), "-", e);
	else
		print_totals(v, &t, v->labels);
	free(t.db);
	return err;
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
		return keel_error_set(e, -EINVAL,
				      "'%s' has %u inputs and %u outputs, the model 1 and %u", path,
				      g->nr_inputs, g->nr_outputs, v->s->info.outputs);
	if ((uint64_t)keel_tensor_count(g->inputs[0]) != v->d->elements)
		return keel_error_set(e, -EINVAL, "the input of '%s' is not that of the model",
				      path);
	for (k = 0; k < g->nr_outputs; k++)
		if ((uint64_t)keel_tensor_count(g->outputs[k]) != v->ports[k].elements)
			return keel_error_set(e, -EINVAL,
					      "output '%s' of '%s' is not that of the model",
					      g->outputs[k]->name, path);
	return 0;
}

/* Labels among the data were read before the number of classes was known. */
static int check_labels(const struct keel_dataset *ds, int64_t classes, struct keel_error *e)
{
	size_t i;

	for (i = 0; i < keel_dataset_count(ds); i++)
		if (keel_dataset_label(ds, i) >= classes)
			return keel_error_set(e, -EINVAL,
					      "the data's label %lld is none of the network's "
					      "classes 0 to %lld",
					      (long long)keel_dataset_label(ds, i),
					      (long long)classes - 1);
	return 0;
}

/* From the file that was named, the folders' names, or an IDX file among the data. */
static int find_labels(struct evaluation *v, const struct eval_args *a, struct keel_error *e)
{
	struct keel_dataset *ds = v->d->ds;
	/* An output that is a class number itself doesn't say how many there are. */
	int64_t classes = v->ports[0].elements > 1 ? v->ports[0].elements : 0;
	int err = 0;

	if (a->labels)
		err = !strcmp(a->labels, "folders")
			      ? keel_dataset_folder_labels(ds, classes, e)
			      : keel_dataset_labels(ds, a->labels, classes, e);
	else if (classes)
		err = check_labels(ds, classes, e);
	if (err)
		return err;
	v->labels = a->labels || keel_dataset_labelled(ds);
	if (!v->labels && !a->float_model)
		return keel_error_set(e, -EINVAL, "%s", NOTHING);
	return 0;
}

static int eval(const struct eval_args *a, struct session *s, struct session_data *d,
		struct keel_error *e)
{
	struct evaluation v = {.s = s,
			       .d = d,
			       .e = e,
			       .lock = PTHREAD_MUTEX_INITIALIZER,
			       .threads = worker_count(a)};
	struct keel_import_options import = {0};
	struct keel_graph *g = NULL;
	struct keel_float *f = NULL;
	int err = prepare(&v, e);

	if (!err)
		err = find_labels(&v, a, e);
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
		options,
		parse,
		"NET.keel --data DIR|FILE",
		"Measure accuracy on labelled samples and agreement with the float network.",
		children,
		NULL,
		NULL,
	};
	struct eval_args a = {0};
	struct keel_error e = {""};
	struct session s;
	struct session_data d;
	int err;

	command_parse(&argp, argc, argv, &a);
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
