// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "evaluation.h"
#include "graph.h"
#include "import.h"

#define MAX_PATHS 256

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

static unsigned int worker_count(const struct eval_args *a)
{
	long n = a->session.threads ? a->session.threads : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > EVALUATION_THREADS ? EVALUATION_THREADS : n;
}

static double share(size_t part, size_t whole)
{
	return whole ? (double)part / whole : 0;
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
	evaluation_add_up(v, &t);
	if (a->json)
		err = command_json(eval_json(v, &t, v->labels), "-", e);
	else
		print_totals(v, &t, v->labels);
	free(t.db);
	return err;
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
	int err = evaluation_init(&v, e);

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
		err = evaluation_run(&v, e);
	if (!err)
		err = report(&v, a, e);
	keel_float_del(f);
	if (g)
		keel_graph_del(g);
	evaluation_fini(&v);
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
