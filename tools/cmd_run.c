// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "data/npy.h"
#include "output.h"
#include "progress.h"
#include "session.h"
#include "timeline.h"

#define MAX_INPUTS  4096
#define MAX_TOP	    100
#define LABEL_BYTES 256

/** struct run_args - the command line */
struct run_args {
	struct session_options session;
	const char *model, *preprocess, *output, *profile;
	const char *inputs[MAX_INPUTS];
	unsigned int nr_inputs, top;
	bool json;
};

enum { OPT_INPUT = 256, OPT_PREPROCESS, OPT_TOP, OPT_OUTPUT, OPT_PROFILE, OPT_JSON };

static const struct argp_option options[] = {
	{"input", OPT_INPUT, "FILE|DIR", 0,
	 "picture, .npy, raw, .pb or IDX file, or a folder of them; further names may follow", 0},
	{"preprocess", OPT_PREPROCESS, "FILE", 0, "instead of what the model file carries", 0},
	{"top", OPT_TOP, "K", 0, "show the K best classes (default 5)", 0},
	{"output", OPT_OUTPUT, "DIR", 0, "write every output as DIR/SAMPLE.OUTPUT.npy", 0},
	{"profile", OPT_PROFILE, "FILE", 0,
	 "write a timeline of engines and jobs, which Perfetto opens", 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

static const struct argp_child children[] = {{&session_argp, 0, "Backend:", 10}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		state->child_inputs[0] = &a->session;
		return 0;
	case OPT_INPUT:
		command_add_path(a->inputs, &a->nr_inputs, MAX_INPUTS, arg, "input", state);
		return 0;
	case OPT_PREPROCESS:
		a->preprocess = arg;
		return 0;
	case OPT_TOP:
		a->top = command_number(arg, "top", 0, MAX_TOP, state);
		return 0;
	case OPT_OUTPUT:
		a->output = arg;
		return 0;
	case OPT_PROFILE:
		a->profile = arg;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->model)
			a->model = arg;
		else if (a->nr_inputs)
			command_add_path(a->inputs, &a->nr_inputs, MAX_INPUTS, arg, "input", state);
		else
			command_usage(state, "put --input in front of '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->model || !a->nr_inputs)
			command_usage(
				state,
				"name the model and an input: keel run NET.keel --input PICTURE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Class scores: exactly one extent is more than 1. */
static bool is_classes(const struct keel_port *p)
{
	unsigned int i, large = 0;

	for (i = 0; i < p->rank; i++)
		large += p->dims[i] > 1;
	return large == 1;
}

static json_t *top_json(const struct session_data *d, const float *v, uint64_t index)
{
	char label[LABEL_BYTES];
	json_t *j = json_object();

	json_object_set_new(j, "index", json_integer(index));
	json_object_set_new(j, "label",
			    session_label(d, index, label, sizeof(label))[0]
				    ? command_json_text(label)
				    : json_null());
	json_object_set_new(j, "score", command_json_number(v[index]));
	return j;
}

static json_t *output_json(const struct run_args *a, const struct session_data *d,
			   const struct keel_port *p, const float *v)
{
	json_t *j = json_object(), *shape = json_array(), *top = json_array();
	uint64_t index[MAX_TOP];
	unsigned int i, n = is_classes(p) ? session_top(v, p->elements, a->top, index) : 0;

	for (i = 0; i < p->rank; i++)
		json_array_append_new(shape, json_integer(p->dims[i]));
	for (i = 0; i < n; i++)
		json_array_append_new(top, top_json(d, v, index[i]));
	json_object_set_new(j, "name", command_json_text(p->name));
	json_object_set_new(j, "shape", shape);
	json_object_set_new(j, "top", top);
	return j;
}

static void print_range(const struct keel_port *p, const float *v)
{
	float lo = v[0], hi = v[0];
	uint64_t k;

	for (k = 1; k < p->elements; k++) {
		lo = v[k] < lo ? v[k] : lo;
		hi = v[k] > hi ? v[k] : hi;
	}
	if (p->elements == 1)
		printf(" %g\n", lo);
	else
		printf(" from %g to %g\n", lo, hi);
}

static void print_output(const struct run_args *a, const struct session_data *d,
			 const struct keel_port *p, const float *v)
{
	char label[LABEL_BYTES];
	uint64_t index[MAX_TOP];
	unsigned int i, n;

	printf("  ");
	command_print_name(stdout, p->name);
	for (i = 0; i < p->rank; i++)
		printf("%s%u", i ? "x" : " [", p->dims[i]);
	printf(p->rank ? "]" : "");
	if (!is_classes(p)) {
		print_range(p, v);
		return;
	}
	printf("\n");
	n = session_top(v, p->elements, a->top, index);
	for (i = 0; i < n; i++) {
		printf("    %10.5f  #%-4llu ", v[index[i]], (unsigned long long)index[i]);
		command_print_name(stdout, session_label(d, index[i], label, sizeof(label)));
		printf("\n");
	}
}

static int write_npy(const char *path, const float *v, const struct keel_port *p,
		     const int64_t *dims, struct keel_error *e)
{
	struct keel_outfile *out;
	char *header;
	size_t size;
	int err = keel_npy_write_header(KEEL_ARRAY_F32, p->rank, dims, &header, &size, e);

	if (err)
		return err;
	err = keel_outfile_open(path, &out, e);
	if (!err) {
		err = keel_outfile_write(out, header, size, e);
		if (!err)
			err = keel_outfile_write(out, v, p->elements * sizeof(*v), e);
		if (err)
			keel_outfile_cancel(out);
		else
			err = keel_outfile_commit(out, e);
	}
	free(header);
	return err;
}

/* SAMPLE.OUTPUT.npy; slashes and the like in either name must not lead out of the folder. */
static int output_path(const struct run_args *a, const char *sample, const char *output, char *path,
		       struct keel_error *e)
{
	size_t folder = strlen(a->output);
	char *c;
	int n;

	sample += strspn(sample, "./");
	n = snprintf(path, PATH_MAX, "%s/%s.%s.npy", a->output, sample, output);
	if (n < 0 || n >= PATH_MAX)
		return keel_error_set(e, -ENAMETOOLONG,
				      "the name of output '%s' of '%s' is too long", output,
				      sample);
	for (c = path + folder + 1; *c; c++)
		if (*c == '/' || (unsigned char)*c < ' ' || *c == 0x7f)
			*c = '_';
	return 0;
}

static int save_output(const struct run_args *a, const char *sample, const struct keel_port *p,
		       const float *v, struct keel_error *e)
{
	char path[PATH_MAX];
	int64_t dims[KEEL_RANK_MAX];
	unsigned int i;
	int err = output_path(a, sample, p->name, path, e);

	for (i = 0; i < p->rank; i++)
		dims[i] = p->dims[i];
	return err ? err : write_npy(path, v, p, dims, e);
}

/** struct run_state - what the samples have in common
 * @in: the input, floats
 * @out: outputs, floats
 * @ports: the outputs' shapes
 * @timeline: NULL unless it was asked for
 */
struct run_state {
	const struct run_args *a;
	struct session *s;
	struct session_data *d;
	struct keel_job *job;
	float *in, **out;
	struct keel_port *ports;
	struct timeline *timeline;
};

static int infer(struct run_state *r, size_t i, const char *name, double *ms, struct keel_error *e)
{
	double start, end;
	unsigned int k;
	int err = keel_dataset_get(r->d->ds, i, r->in, e);

	start = command_seconds();
	if (!err)
		err = keel_job_set_input(r->job, 0, KEEL_ELEMENT_F32, r->in, r->d->elements, e);
	if (!err)
		err = keel_job_submit(r->job, e);
	if (!err)
		err = keel_job_wait(r->job, -1, e);
	for (k = 0; k < r->s->info.outputs && !err; k++)
		err = keel_job_get_output(r->job, k, KEEL_ELEMENT_F32, r->out[k],
					  r->ports[k].elements, e);
	end = command_seconds();
	*ms = (end - start) * 1e3;
	if (!err && r->timeline)
		err = timeline_add(r->timeline, r->job, name, (uint64_t)(start * 1e9),
				   (uint64_t)(end * 1e9), e);
	return err;
}

static json_t *sample_json(const struct run_state *r, const char *name, double ms)
{
	json_t *j = json_object(), *outputs = json_array();
	unsigned int k;

	for (k = 0; k < r->s->info.outputs; k++)
		json_array_append_new(outputs, output_json(r->a, r->d, &r->ports[k], r->out[k]));
	json_object_set_new(j, "input", command_json_text(name));
	json_object_set_new(j, "outputs", outputs);
	json_object_set_new(j, "ms", json_real(ms));
	return j;
}

static void print_sample(const struct run_state *r, const char *name, double ms)
{
	unsigned int k;

	command_print_name(stdout, name);
	printf("  (%.2f ms)\n", ms);
	for (k = 0; k < r->s->info.outputs; k++)
		print_output(r->a, r->d, &r->ports[k], r->out[k]);
}

static int run_sample(struct run_state *r, size_t i, json_t *runs, struct keel_error *e)
{
	char name[1024];
	double ms;
	unsigned int k;
	int err;

	keel_dataset_name(r->d->ds, i, name, sizeof(name));
	err = infer(r, i, name, &ms, e);
	for (k = 0; k < r->s->info.outputs && !err && r->a->output; k++)
		err = save_output(r->a, name, &r->ports[k], r->out[k], e);
	if (err)
		return err;
	if (r->a->json)
		json_array_append_new(runs, sample_json(r, name, ms));
	else
		print_sample(r, name, ms);
	/* Nobody waits for the next one to see this one. */
	if (fflush(stdout))
		return keel_error_set(e, -errno, "can't write to the standard output: %s",
				      strerror(errno));
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int refuse_twins(char **paths, size_t n, struct keel_error *e)
{
	size_t i;

	qsort(paths, n, sizeof(*paths), by_text);
	for (i = 1; i < n; i++)
		if (!strcmp(paths[i - 1], paths[i]))
			return keel_error_set(e, -EEXIST,
					      "two inputs would write '%s'; give them names that "
					      "differ, or run them one folder at a time",
					      paths[i]);
	return 0;
}

/* Two samples of the same name would overwrite each other's outputs. */
static int check_paths(const struct run_state *r, struct keel_error *e)
{
	size_t i, n = keel_dataset_count(r->d->ds);
	char name[1024], path[PATH_MAX], **paths = calloc(n, sizeof(*paths));
	int err = paths ? 0 : -ENOMEM;

	for (i = 0; i < n && !err; i++) {
		keel_dataset_name(r->d->ds, i, name, sizeof(name));
		err = output_path(r->a, name, r->ports[0].name, path, e);
		if (!err && !(paths[i] = strdup(path)))
			err = -ENOMEM;
	}
	if (!err)
		err = refuse_twins(paths, n, e);
	for (i = 0; i < n && paths; i++)
		free(paths[i]);
	free(paths);
	return err;
}

static int run_all(struct run_state *r, struct keel_error *e)
{
	size_t i, n = keel_dataset_count(r->d->ds);
	struct keel_progress bar;
	json_t *runs = json_array(), *j;
	int err = 0;

	if (!r->a->json)
		session_print_backend(r->s, "backend ");
	/* Results themselves show how far it is. */
	keel_progress_begin(&bar, "run", n, !r->a->json);
	for (i = 0; i < n && !err; i++) {
		err = run_sample(r, i, runs, e);
		keel_progress_add(&bar, 1);
	}
	keel_progress_end(&bar);
	if (!err && r->a->json) {
		j = n == 1 ? json_incref(json_array_get(runs, 0))
			   : json_pack("{s:O}", "runs", runs);
		session_json_backend(r->s, j);
		err = command_json(j, "-", e);
	}
	json_decref(runs);
	return err;
}

static int begin_timeline(struct run_state *r, struct keel_error *e)
{
	int err = keel_outfile_probe(r->a->profile, e);

	if (err)
		return err;
	r->timeline = timeline_new(r->s->network, r->s->device_info.name, r->a->model);
	return r->timeline ? 0 : -ENOMEM;
}

static int run(struct run_state *r, struct keel_error *e)
{
	unsigned int k, n = r->s->info.outputs;
	int err = -ENOMEM;

	r->in = malloc(r->d->elements * sizeof(*r->in));
	r->out = calloc(n, sizeof(*r->out));
	r->ports = calloc(n, sizeof(*r->ports));
	if (!r->in || !r->out || !r->ports)
		goto out;
	for (k = 0; k < n; k++) {
		keel_network_get_output(r->s->network, k, &r->ports[k]);
		r->out[k] = malloc(r->ports[k].elements * sizeof(**r->out));
		if (!r->out[k])
			goto out;
	}
	err = r->a->output ? check_paths(r, e) : 0;
	if (!err && r->a->output && mkdir(r->a->output, 0777) && errno != EEXIST)
		err = keel_error_set(e, -errno, "can't make the folder '%s': %s", r->a->output,
				     strerror(errno));
	if (!err)
		err = keel_job_new(r->s->network, r->a->profile ? KEEL_JOB_PROFILE : 0, &r->job, e);
	if (!err && r->a->profile)
		err = begin_timeline(r, e);
	if (!err)
		err = run_all(r, e);
	if (!err && r->a->profile)
		err = command_json(timeline_json(r->timeline), r->a->profile, e);
	timeline_del(r->timeline);
	keel_job_del(r->job);
out:
	for (k = 0; r->out && k < n; k++)
		free(r->out[k]);
	free(r->in);
	free(r->out);
	free(r->ports);
	return err;
}

int keel_run_main(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"NET.keel --input FILE...",
		"Run a compiled network on pictures or tensors.",
		children,
		NULL,
		NULL,
	};
	struct run_args a = {.top = 5};
	struct keel_error e = {""};
	struct session s;
	struct session_data d;
	struct run_state r = {.a = &a, .s = &s, .d = &d};
	int err;

	command_parse(&argp, argc, argv, &a);
	err = session_open(&s, a.model, &a.session, &e);
	if (err)
		return command_fail(err, &e);
	err = session_data_open(&d, &s, a.preprocess, a.inputs, a.nr_inputs, NULL, &e);
	if (!err) {
		err = run(&r, &e);
		if (!err)
			command_leave();
		session_data_close(&d);
	}
	session_close(&s);
	return err ? command_fail(err, &e) : KEEL_EXIT_DONE;
}
