// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "data/npy.h"
#include "output.h"
#include "progress.h"
#include "session.h"

#define MAX_INPUTS 4096
#define MAX_TOP 100

/** struct run_args - the command line */
struct run_args {
	struct session_options session;
	const char *model, *preprocess, *output;
	const char *inputs[MAX_INPUTS];
	unsigned int nr_inputs, top;
	bool json;
};

enum { OPT_INPUT = 256, OPT_PREPROCESS, OPT_TOP, OPT_OUTPUT, OPT_JSON };

static const struct argp_option options[] = {
	{ "input", OPT_INPUT, "FILE|DIR", 0,
	  "picture, .npy, raw, .pb or IDX file, or a folder of them; further names may follow", 0 },
	{ "preprocess", OPT_PREPROCESS, "FILE", 0, "instead of what the model file carries", 0 },
	{ "top", OPT_TOP, "K", 0, "show the K best classes (default 5)", 0 },
	{ "output", OPT_OUTPUT, "DIR", 0, "write every output as DIR/SAMPLE.OUTPUT.npy", 0 },
	{ "json", OPT_JSON, NULL, 0, "print JSON", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &session_argp, 0, "Backend:", 10 }, { 0 } };

static void add_input(struct run_args *a, const char *path, struct argp_state *state)
{
	if (a->nr_inputs == MAX_INPUTS)
		argp_error(state, "more than %d inputs; name a folder instead", MAX_INPUTS);
	a->inputs[a->nr_inputs++] = path;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->session;
		return 0;
	case OPT_INPUT:
		add_input(a, arg, state);
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
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->model)
			a->model = arg;
		else if (a->nr_inputs)
			add_input(a, arg, state);
		else
			argp_error(state, "put --input in front of '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->model || !a->nr_inputs)
			argp_error(state, "name the model and an input: keel run NET.keel --input PICTURE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Class scores: one value that is not 1 among the extents, or the last one of several. */
static bool is_classes(const struct keel_port *p)
{
	unsigned int i, large = 0;

	for (i = 0; i < p->rank; i++)
		large += p->dims[i] > 1;
	return large == 1;
}

static json_t *output_json(const struct run_args *a, const struct session_data *d,
			   const struct keel_port *p, const float *v)
{
	json_t *shape = json_array(), *top = json_array();
	uint64_t index[MAX_TOP];
	unsigned int i, n = is_classes(p) ? session_top(v, p->elements, a->top, index) : 0;

	for (i = 0; i < p->rank; i++)
		json_array_append_new(shape, json_integer(p->dims[i]));
	for (i = 0; i < n; i++) {
		const char *label = session_label(d, index[i]);

		json_array_append_new(top, json_pack("{s:I, s:s?, s:f}", "index",
						     (json_int_t)index[i], "label", label, "score",
						     v[index[i]]));
	}
	return json_pack("{s:s, s:o, s:o}", "name", p->name, "shape", shape, "top", top);
}

static void print_output(const struct run_args *a, const struct session_data *d,
			 const struct keel_port *p, const float *v)
{
	uint64_t index[MAX_TOP], k;
	float lo = v[0], hi = v[0];
	unsigned int i, n;

	printf("  %s [", p->name);
	for (i = 0; i < p->rank; i++)
		printf("%s%u", i ? "x" : "", p->dims[i]);
	printf("]");
	if (!is_classes(p)) {
		for (k = 1; k < p->elements; k++) {
			lo = v[k] < lo ? v[k] : lo;
			hi = v[k] > hi ? v[k] : hi;
		}
		printf(" from %g to %g\n", lo, hi);
		return;
	}
	printf("\n");
	n = session_top(v, p->elements, a->top, index);
	for (i = 0; i < n; i++) {
		const char *label = session_label(d, index[i]);

		printf("    %10.5f  %s%s%llu\n", v[index[i]], label ? label : "", label ? "  #" : "#",
		       (unsigned long long)index[i]);
	}
}

static int write_npy(const char *path, const float *v, const struct keel_port *p, const int64_t *dims,
		     struct keel_error *e)
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

/* SAMPLE.OUTPUT.npy; slashes in either name would leave the folder. */
static int save_output(const struct run_args *a, const char *sample, const struct keel_port *p,
		       const float *v, struct keel_error *e)
{
	char path[4096];
	int64_t dims[KEEL_RANK_MAX];
	unsigned int i;
	int n = snprintf(path, sizeof(path), "%s/%s.%s.npy", a->output, sample, p->name);
	char *c;

	if (n < 0 || (size_t)n >= sizeof(path))
		return keel_error_set(e, -ENAMETOOLONG, "the name of output '%s' of '%s' is too long", p->name,
				      sample);
	for (c = path + strlen(a->output) + 1; *c; c++)
		if (*c == '/')
			*c = '_';
	for (i = 0; i < p->rank; i++)
		dims[i] = p->dims[i];
	return write_npy(path, v, p, dims, e);
}

struct run_state {
	const struct run_args *a;
	struct session *s;
	struct session_data *d;
	struct keel_job *job;
	float *in, **out;
	struct keel_port *ports;
};

static int run_sample(struct run_state *r, size_t i, json_t *runs, struct keel_error *e)
{
	char name[1024];
	json_t *outputs = json_array();
	double start, ms;
	unsigned int k;
	int err = keel_dataset_get(r->d->ds, i, r->in, e);

	keel_dataset_name(r->d->ds, i, name, sizeof(name));
	start = command_seconds();
	if (!err)
		err = keel_job_set_input(r->job, 0, KEEL_ELEMENT_F32, r->in, r->d->elements, e);
	if (!err)
		err = keel_job_submit(r->job, e);
	if (!err)
		err = keel_job_wait(r->job, -1, e);
	for (k = 0; k < r->s->info.outputs && !err; k++)
		err = keel_job_get_output(r->job, k, KEEL_ELEMENT_F32, r->out[k], r->ports[k].elements,
					  e);
	ms = (command_seconds() - start) * 1e3;
	if (!err && !r->a->json)
		printf("%s  (%.2f ms)\n", name, ms);
	for (k = 0; k < r->s->info.outputs && !err; k++) {
		if (r->a->json)
			json_array_append_new(outputs, output_json(r->a, r->d, &r->ports[k], r->out[k]));
		else
			print_output(r->a, r->d, &r->ports[k], r->out[k]);
		if (r->a->output)
			err = save_output(r->a, name, &r->ports[k], r->out[k], e);
	}
	json_array_append_new(runs, json_pack("{s:s, s:o, s:f}", "input", name, "outputs", outputs, "ms",
					      ms));
	return err;
}

static int run_all(struct run_state *r, struct keel_error *e)
{
	size_t i, n = keel_dataset_count(r->d->ds);
	struct keel_progress bar;
	json_t *runs = json_array(), *j;
	int err = 0;

	keel_progress_begin(&bar, "run", n, !r->a->json);
	for (i = 0; i < n && !err && !command_interrupted; i++) {
		err = run_sample(r, i, runs, e);
		keel_progress_add(&bar, 1);
	}
	keel_progress_end(&bar);
	if (command_interrupted)
		err = -ECANCELED;
	if (!err && r->a->json) {
		j = n == 1 ? json_incref(json_array_get(runs, 0)) : json_pack("{s:O}", "runs", runs);
		err = command_json(j, "-", e);
	}
	json_decref(runs);
	return err;
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
	if (r->a->output && mkdir(r->a->output, 0777) && errno != EEXIST) {
		err = keel_error_set(e, -errno, "can't make the folder '%s': %s", r->a->output,
				     strerror(errno));
		goto out;
	}
	err = keel_job_new(r->s->network, 0, &r->job, e);
	if (!err)
		err = run_all(r, e);
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
		options, parse, "NET.keel --input FILE...",
		"Run a compiled network on pictures or tensors.", children, NULL, NULL,
	};
	struct run_args a = { .top = 5 };
	struct keel_error e = { "" };
	struct session s;
	struct session_data d;
	struct run_state r = { .a = &a, .s = &s, .d = &d };
	int err;

	command_parse(&argp, argc, argv, &a);
	command_catch_interrupts();
	err = session_open(&s, a.model, &a.session, &e);
	if (err)
		return command_fail(err, &e);
	err = session_data_open(&d, &s, a.preprocess, a.inputs, a.nr_inputs, NULL, &e);
	if (!err) {
		err = run(&r, &e);
		session_data_close(&d);
	}
	session_close(&s);
	return err ? command_fail(err, &e) : KEEL_EXIT_DONE;
}
