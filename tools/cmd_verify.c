// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "keel_disassemble.h"
#include "keel_model.h"
#include "progress.h"
#include "session.h"

#define MAX_PATHS 256

/** struct verify_args - the command line */
struct verify_args {
	struct session_options session;
	const char *model, *against, *preprocess;
	const char *paths[MAX_PATHS];
	unsigned int nr_paths, random, seed;
	bool json;
};

enum { OPT_AGAINST = 256, OPT_INPUT, OPT_RANDOM, OPT_SEED, OPT_JSON, OPT_PREPROCESS };

static const struct argp_option options[] = {
	{"against", OPT_AGAINST, "NAME", 0, "backend to compare with (default reference)", 0},
	{"input", OPT_INPUT, "FILE|DIR", 0, "inputs to compare on; may be repeated", 0},
	{"random", OPT_RANDOM, "N", 0, "compare on N random inputs (default 1 without --input)", 0},
	{"seed", OPT_SEED, "N", 0, "of the random inputs (default 1)", 0},
	{"preprocess", OPT_PREPROCESS, "FILE", 0, "instead of what the model file carries", 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

static const struct argp_child children[] = {{&session_argp, 0, "Backend:", 10}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const backends[] = {"drm", "opencl", "reference", NULL};
	struct verify_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		state->child_inputs[0] = &a->session;
		return 0;
	case OPT_AGAINST:
		a->against = backends[command_choice(arg, "against", backends, state)];
		return 0;
	case OPT_INPUT:
		command_add_path(a->paths, &a->nr_paths, MAX_PATHS, arg, "input", state);
		return 0;
	case OPT_RANDOM:
		a->random = command_number(arg, "random", 1, 1000000, state);
		return 0;
	case OPT_SEED:
		a->seed = command_number(arg, "seed", 1, 2147483647, state);
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
		if (!a->model)
			command_usage(state, "name the model: keel verify NET.keel");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/** struct verify - two sides stepping through one program
 * @side: 0: --backend, 1: --against
 * @tensors: compared so far
 * @difference: JSON of the first difference, NULL while equal
 */
struct verify {
	const struct verify_args *a;
	struct session s[2];
	struct keel_job *job[2];
	uint8_t *bytes[2];
	size_t room;
	uint64_t tensors;
	json_t *difference;
	char text[2 * KEEL_LINE_BYTES];
};

static uint64_t span(const struct keel_operand *o)
{
	uint64_t last = 0;
	unsigned int i;

	for (i = 0; i < 4; i++)
		last += (uint64_t)(o->dims[i] - 1) * o->strides[i];
	return last + 1;
}

static int fetch(struct verify *v, unsigned int side, const struct keel_operand *o,
		 struct keel_error *e)
{
	uint64_t bytes = span(o);

	if (bytes > v->room || !v->bytes[side]) {
		uint8_t *p = realloc(v->bytes[side], bytes);

		if (!p)
			return -ENOMEM;
		v->bytes[side] = p;
		if (side)
			v->room = bytes;
	}
	return keel_job_read(v->job[side], o->slot, o->offset, bytes, v->bytes[side], e);
}

/* What differs: the layer, the command, where in its output, and both values. */
static void describe(struct verify *v, size_t sample, uint32_t command,
		     const struct keel_operand *o, const uint32_t *at, int got, int expected)
{
	const struct keel_model *m = keel_network_get_model(v->s[0].network);
	const union keel_command *c = &m->commands[command];
	const char *layer = "", *op = "";
	char line[KEEL_LINE_BYTES];

	if (c->h.layer < m->nr_layers) {
		layer = keel_model_string(m, m->layers[c->h.layer].name);
		op = keel_model_string(m, m->layers[c->h.layer].op);
	}
	keel_disassemble(c, line, sizeof(line));
	snprintf(v->text, sizeof(v->text),
		 "sample %zu, layer %u '%s' (%s), command %u, %s at y %u, x %u, byte %u: %s has "
		 "%d, %s has %d; %s",
		 sample, c->h.layer, layer, op, command, o->name, at[1], at[2], at[3],
		 v->s[0].device_info.backend, got, v->s[1].device_info.backend, expected, line);
	v->difference =
		json_pack("{s:I, s:i, s:o, s:o, s:i, s:s, s:[i,i,i,i], s:i, s:i}", "sample",
			  (json_int_t)sample, "layer", (int)c->h.layer, "name",
			  command_json_text(layer), "op", command_json_text(op), "command",
			  (int)command, "operand", o->name, "coordinate", (int)at[0], (int)at[1],
			  (int)at[2], (int)at[3], "value", got, "expected", expected);
}

/* Byte of element @i, counted with the last dimension innermost. */
static uint64_t locate(const struct keel_operand *o, uint64_t i, uint32_t *at)
{
	uint64_t byte = 0;
	unsigned int d;

	for (d = 4; d-- > 0; i /= o->dims[d]) {
		at[d] = i % o->dims[d];
		byte += (uint64_t)at[d] * o->strides[d];
	}
	return byte;
}

static void compare(struct verify *v, size_t sample, uint32_t command, const struct keel_operand *o)
{
	uint64_t i, n = keel_operand_bytes(o), k;
	uint32_t at[4];

	v->tensors++;
	for (i = 0; i < n; i++) {
		k = locate(o, i, at);
		if (v->bytes[0][k] == v->bytes[1][k])
			continue;
		describe(v, sample, command, o, at, (int8_t)v->bytes[0][k], (int8_t)v->bytes[1][k]);
		return;
	}
}

static int step(struct verify *v, size_t sample, uint32_t command, struct keel_error *e)
{
	const struct keel_model *m = keel_network_get_model(v->s[0].network);
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, side, n = keel_command_operands(&m->commands[command], o);
	int err = 0;

	for (side = 0; side < 2 && !err; side++) {
		err = keel_job_submit_range(v->job[side], command, 1, e);
		if (!err)
			err = keel_job_wait(v->job[side], -1, e);
	}
	for (i = 0; i < n && !err && !v->difference; i++) {
		if (!(o[i].access & KEEL_WRITE))
			continue;
		for (side = 0; side < 2 && !err; side++)
			err = fetch(v, side, &o[i], e);
		if (!err)
			compare(v, sample, command, &o[i]);
	}
	return err;
}

static void describe_output(struct verify *v, size_t sample, const struct keel_port *p,
			    const char *how, uint64_t i, float got, float expected)
{
	snprintf(v->text, sizeof(v->text),
		 "sample %zu, output '%s' %s, element %llu: %s has %.9g, %s has %.9g", sample,
		 p->name, how, (unsigned long long)i, v->s[0].device_info.backend, got,
		 v->s[1].device_info.backend, expected);
	v->difference =
		json_pack("{s:I, s:o, s:I, s:o, s:o}", "sample", (json_int_t)sample, "name",
			  command_json_text(p->name), "coordinate", (json_int_t)i, "value",
			  command_json_number(got), "expected", command_json_number(expected));
}

static int compare_output(struct verify *v, size_t sample, unsigned int output, const char *how,
			  struct keel_error *e)
{
	struct keel_port p;
	float *out[2];
	unsigned int side;
	uint64_t i;
	int err = 0;

	keel_network_get_output(v->s[0].network, output, &p);
	out[0] = calloc(p.elements, 2 * sizeof(float));
	if (!out[0])
		return -ENOMEM;
	out[1] = out[0] + p.elements;
	for (side = 0; side < 2 && !err; side++)
		err = keel_job_get_output(v->job[side], output, KEEL_ELEMENT_F32, out[side],
					  p.elements, e);
	v->tensors++;
	for (i = 0; i < p.elements && !err; i++) {
		if (!memcmp(&out[0][i], &out[1][i], sizeof(float)))
			continue;
		describe_output(v, sample, &p, how, i, out[0][i], out[1][i]);
		break;
	}
	free(out[0]);
	return err;
}

/* Finished outputs, host steps included, as both sides hand them to the user. */
static int compare_outputs(struct verify *v, size_t sample, const char *how, struct keel_error *e)
{
	unsigned int k;
	int err = 0;

	for (k = 0; k < v->s[0].info.outputs && !err && !v->difference; k++)
		err = compare_output(v, sample, k, how, e);
	return err;
}

static int run_in_one_go(struct verify *v, unsigned int side, float *const *inputs,
			 struct keel_error *e)
{
	struct keel_port p;
	unsigned int k;
	int err = 0;

	for (k = 0; k < v->s[0].info.inputs && !err; k++) {
		keel_network_get_input(v->s[0].network, k, &p);
		err = keel_job_set_input(v->job[side], k, KEEL_ELEMENT_F32, inputs[k], p.elements,
					 e);
	}
	if (!err)
		err = keel_job_submit(v->job[side], e);
	return err ? err : keel_job_wait(v->job[side], -1, e);
}

static int run_in_steps(struct verify *v, size_t sample, struct keel_error *e)
{
	uint32_t i, commands = v->s[0].info.commands;
	unsigned int side;
	int err = 0;

	for (i = 0; i <= commands && !err && !v->difference; i++) {
		for (side = 0; side < 2 && !err; side++)
			err = keel_job_run_host_steps_before(v->job[side], i, e);
		if (!err && i < commands)
			err = step(v, sample, i, e);
	}
	return err;
}

/* First in one go, as users run it; then command by command, to see every tensor. */
static int verify_sample(struct verify *v, size_t sample, float *const *inputs,
			 struct keel_error *e)
{
	json_t *whole = NULL;
	unsigned int side;
	int err = 0;

	for (side = 0; side < 2 && !err; side++)
		err = run_in_one_go(v, side, inputs, e);
	if (!err)
		err = compare_outputs(v, sample, "after running in one go", e);
	/* A difference in one go is kept, but stepping may name the command behind it. */
	whole = v->difference;
	v->difference = NULL;
	if (!err)
		err = run_in_steps(v, sample, e);
	if (!err && !v->difference)
		err = compare_outputs(v, sample, "after stepping", e);
	if (!v->difference)
		v->difference = whole;
	else
		json_decref(whole);
	return err;
}

static void random_input(float *x, const struct keel_port *p, uint32_t *state)
{
	uint64_t k;

	for (k = 0; k < p->elements; k++) {
		*state = *state * 1664525 + 1013904223;
		x[k] = (((int)(*state >> 24) - 128) - p->zero_point) * p->scale;
	}
}

static int alloc_inputs(const struct verify *v, float **x, struct keel_port *ports,
			struct keel_error *e)
{
	unsigned int k;

	if (v->s[0].info.inputs > KEEL_MAX_INPUTS)
		return keel_error_set(e, -E2BIG,
				      "the network has %u inputs; at most %d can be filled",
				      v->s[0].info.inputs, KEEL_MAX_INPUTS);
	for (k = 0; k < v->s[0].info.inputs; k++) {
		keel_network_get_input(v->s[0].network, k, &ports[k]);
		x[k] = calloc(ports[k].elements, sizeof(**x));
		if (!x[k])
			return -ENOMEM;
	}
	return 0;
}

static int verify_all(struct verify *v, struct session_data *d, struct keel_error *e)
{
	size_t files = d->ds ? keel_dataset_count(d->ds) : 0, n = files + v->a->random, i;
	struct keel_port ports[KEEL_MAX_INPUTS];
	float *x[KEEL_MAX_INPUTS] = {NULL};
	uint32_t state = v->a->seed;
	struct keel_progress bar;
	unsigned int k;
	int err = alloc_inputs(v, x, ports, e);

	keel_progress_begin(&bar, "verify", n, v->a->json);
	for (i = 0; i < n && !err && !v->difference; i++) {
		if (i < files)
			err = keel_dataset_get(d->ds, i, x[0], e);
		for (k = 0; k < v->s[0].info.inputs && i >= files; k++)
			random_input(x[k], &ports[k], &state);
		if (!err)
			err = verify_sample(v, i, x, e);
		keel_progress_add(&bar, 1);
	}
	keel_progress_end(&bar);
	for (k = 0; k < KEEL_MAX_INPUTS; k++)
		free(x[k]);
	return err;
}

static int report(struct verify *v, struct keel_error *e)
{
	if (v->a->json)
		return command_json(json_pack("{s:b, s:I, s:O?}", "equal", !v->difference,
					      "tensors", (json_int_t)v->tensors, "first_difference",
					      v->difference),
				    "-", e);
	if (v->difference) {
		printf("DIFFERENT: ");
		command_print_name(stdout, v->text);
		printf("\n");
	} else {
		printf("equal: %llu tensors, %s and %s\n", (unsigned long long)v->tensors,
		       v->s[0].device_info.backend, v->s[1].device_info.backend);
	}
	return 0;
}

static int verify(struct verify *v, struct keel_error *e)
{
	struct session_options against = {.backend = v->a->against, .exact = true};
	struct session_data d = {0};
	unsigned int side;
	int err = session_open(&v->s[1], v->a->model, &against, e);

	if (err)
		return err;
	if (v->a->nr_paths)
		err = session_data_open(&d, &v->s[0], v->a->preprocess, v->a->paths, v->a->nr_paths,
					NULL, e);
	for (side = 0; side < 2 && !err; side++)
		err = keel_job_new(v->s[side].network, 0, &v->job[side], e);
	if (!err)
		err = verify_all(v, &d, e);
	if (!err)
		err = report(v, e);
	for (side = 0; side < 2; side++) {
		keel_job_del(v->job[side]);
		free(v->bytes[side]);
	}
	if (d.ds)
		session_data_close(&d);
	session_close(&v->s[1]);
	return err;
}

int keel_verify_main(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"NET.keel",
		"Run a network on two backends and compare every tensor of every layer, bit for "
		"bit.\v"
		"The exit code is 0 when all are equal and 1 when one differs; the first "
		"difference is named.",
		children,
		NULL,
		NULL,
	};
	struct verify_args a = {.against = "reference", .seed = 1};
	struct verify v = {.a = &a};
	struct keel_error e = {""};
	bool different;
	int err;

	command_parse(&argp, argc, argv, &a);
	if (!a.nr_paths && !a.random)
		a.random = 1;
	err = session_open(&v.s[0], a.model, &a.session, &e);
	if (err)
		return command_fail(err, &e);
	err = verify(&v, &e);
	session_close(&v.s[0]);
	different = v.difference;
	json_decref(v.difference);
	if (err)
		return command_fail(err, &e);
	if (!different)
		return KEEL_EXIT_DONE;
	fprintf(stderr, "keel: the two backends' results differ\n");
	return KEEL_EXIT_FAILED;
}
