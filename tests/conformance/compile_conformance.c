// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ONNX project's own test vectors, compiled: every model file becomes a
 * model that computes the expected values within int8's reach, or is refused
 * with a sentence. usage: compile_conformance [-v] [DIRECTORY]; exit 77
 * without vectors.
 */
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "conformance.h"
#include "import.h"
#include "keel.h"
#include "onnx.pb-c.h"

/* Part of the output's range that values may be off: a few steps of 1/255. */
#define TOLERANCE 0.02

enum verdict { PASSED, REFUSED, EXCLUDED, FAILED, NR_VERDICTS };

static const char *const verdict_names[] = {"passed", "refused", "excluded", "failed"};

static bool verbose;

/** struct exclusion - cases whose values int8 can't have; names are shell patterns */
static const struct exclusion {
	const char *name, *reason;
} exclusions[] = {
	{"test_layer_normalization_*", "the reciprocal of a small variance"},
	{"test_logsoftmax_large_number_expanded", "10000 and 10003 are one level"},
	{"test_softmax_large_number", "10000 and 10003 are one level"},
	{"test_softmax_large_number_expanded", "10000 and 10003 are one level"},
	{"test_resize_downsample_scales_linear_align_corners",
	 "the vector is wrong: it divides by the size of the output before rounding"},
	{"test_round", "halves that no level says exactly"},
	{"test_softmax_lastdim", "probabilities below the step of 1/256"},
	{NULL, NULL},
};

static const char *excluded(const char *name)
{
	const struct exclusion *x = exclusions;

	while (x->name && fnmatch(x->name, name, 0))
		x++;
	return x->reason;
}

/** struct sample - the vectors of one case
 * @inputs: as the float executor wants them
 * @floats: the same as libkeel wants them
 */
struct sample {
	unsigned int nr;
	size_t *bytes;
	void **inputs;
	float **floats;
};

static void free_sample(struct sample *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		free(s->inputs[i]);
		free(s->floats[i]);
	}
	free(s->inputs);
	free(s->floats);
	free(s->bytes);
}

/* What a level of a network that arrives quantized means; the interface is in real values. */
static double real_of(const struct keel_tensor *vector, const struct keel_quant *q, double x)
{
	if (vector->type != KEEL_U8 && vector->type != KEEL_I8)
		return x;
	return (x - (vector->type == KEEL_U8 ? 128 : 0) - q->zero_point) * q->scale;
}

static int load_input(struct sample *s, unsigned int i, const struct keel_tensor *t,
		      const char *path, struct keel_error *e)
{
	int64_t k, n = keel_tensor_count(t);
	struct keel_tensor like;
	void *values = conformance_values(path, &like, e);
	bool real = t->type == KEEL_F32;

	s->inputs[i] = calloc(n + 1, sizeof(int64_t));
	s->floats[i] = calloc(n + 1, sizeof(float));
	s->bytes[i] = n * (real ? sizeof(float) : sizeof(int64_t));
	if (!values || !s->inputs[i] || !s->floats[i] || keel_tensor_count(&like) != n) {
		free(values);
		return keel_error_set(e, -EINVAL, "input '%s' has another shape in the vector",
				      t->name);
	}
	for (k = 0; k < n; k++) {
		double x = like.type == KEEL_F32 ? ((float *)values)[k] : ((int64_t *)values)[k];

		s->floats[i][k] = real_of(&like, &t->quant, x);
		if (real)
			((float *)s->inputs[i])[k] = s->floats[i][k];
		else
			((int64_t *)s->inputs[i])[k] = x;
	}
	free(values);
	return 0;
}

static int load_sample(struct sample *s, const struct keel_graph *g, const Onnx__ModelProto *m,
		       const char *folder, struct keel_error *e)
{
	char path[4096];
	unsigned int i;
	int err = 0;

	s->nr = g->nr_inputs;
	s->inputs = calloc(s->nr + 1, sizeof(*s->inputs));
	s->floats = calloc(s->nr + 1, sizeof(*s->floats));
	s->bytes = calloc(s->nr + 1, sizeof(*s->bytes));
	if (!s->inputs || !s->floats || !s->bytes)
		return -ENOMEM;
	for (i = 0; i < s->nr && !err; i++) {
		ptrdiff_t k = conformance_input(m->graph, g->inputs[i]->name);

		err = load_input(s, i, g->inputs[i], conformance_path(folder, "input", k, path), e);
	}
	return err;
}

static int get_sample(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct sample *s = ctx;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		memcpy(inputs[i], s->inputs[i], s->bytes[i]);
	return 0;
}

static double value_at(const struct keel_tensor *t, const struct keel_quant *q, const void *want,
		       int64_t i)
{
	return real_of(t, q,
		       t->type == KEEL_F32 ? ((const float *)want)[i] : ((const int64_t *)want)[i]);
}

static int compare(const struct keel_tensor *t, const struct keel_quant *q, const float *got,
		   const void *want, struct keel_error *e)
{
	int64_t i, n = keel_tensor_count(t);
	double max = 0, slack;

	for (i = 0; i < n; i++)
		max = fmax(max, fabs(value_at(t, q, want, i)));
	slack = TOLERANCE * max + 1e-6;
	for (i = 0; i < n; i++) {
		double w = value_at(t, q, want, i);

		if (fabs(got[i] - w) > slack && got[i] != w)
			return keel_error_set(e, -ERANGE, "output '%s' element %lld is %g, not %g",
					      t->name, (long long)i, got[i], w);
	}
	return 0;
}

static int compare_output(const struct keel_graph *g, unsigned int i, const char *folder,
			  const float *got, struct keel_error *e)
{
	struct keel_tensor like;
	char path[4096];
	void *want = conformance_values(conformance_path(folder, "output", i, path), &like, e);
	int err = -ERANGE;

	like.name = g->outputs[i]->name;
	if (want)
		err = compare(&like, &g->outputs[i]->quant, got, want, e);
	free(want);
	return err;
}

static int run(struct keel_network *net, const struct keel_graph *g, const struct sample *s,
	       const char *folder, struct keel_error *e)
{
	struct keel_network_info info;
	struct keel_port port;
	float **y;
	unsigned int i;
	int err = 0;

	keel_network_get_info(net, &info);
	y = calloc(info.outputs + 1, sizeof(*y));
	for (i = 0; y && i < info.outputs; i++) {
		keel_network_get_output(net, i, &port);
		y[i] = calloc(port.elements + 1, sizeof(**y));
	}
	if (y)
		err = keel_network_run(net, (const float *const *)s->floats, y, e);
	for (i = 0; y && i < info.outputs && !err; i++)
		err = compare_output(g, i, folder, y[i], e);
	for (i = 0; y && i < info.outputs; i++)
		free(y[i]);
	free(y);
	return err ? -ERANGE : 0;
}

static int execute(const struct keel_compiled *c, const struct sample *s, const char *folder,
		   struct keel_error *e)
{
	struct keel_device *device = NULL;
	struct keel_network *net = NULL;
	int err = keel_device_new("reference", NULL, &device, e);

	if (!err)
		err = keel_network_new_from_memory(device, c->data, c->bytes, &net, e);
	err = err ? -ERANGE : run(net, c->g, s, folder, e);
	keel_network_del(net);
	keel_device_del(device);
	return err;
}

/* Levels that nothing says the meaning of: arithmetic on bytes, which int8 networks don't do. */
static bool holds_bytes(const struct keel_graph *g)
{
	unsigned int i;

	for (i = 0; i < g->nr_tensors; i++)
		if ((g->tensors[i]->type == KEEL_U8 || g->tensors[i]->type == KEEL_I8) &&
		    !g->tensors[i]->data)
			return true;
	return false;
}

static bool converts(const struct keel_graph *g)
{
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++)
		if (g->nodes[i]->op == KEEL_OP_QUANTIZE || g->nodes[i]->op == KEEL_OP_DEQUANTIZE)
			return true;
	return false;
}

/* 0: as expected; -ERANGE: wrong; anything else: refused. Takes @g over. */
static int compile_and_run(struct keel_graph *g, const Onnx__ModelProto *m, const char *folder,
			   struct keel_error *e)
{
	struct keel_compile_options o = {.per_channel = true, .threads = 1};
	struct sample s = {0};
	struct keel_sample_source source = {1, get_sample, &s};
	struct keel_compiled c;
	int err = keel_target_get("medium", &o.target, e);

	if (!err && holds_bytes(g) && !converts(g))
		err = keel_error_set(e, -EOPNOTSUPP, "it computes on bytes");
	if (!err)
		err = keel_compile_prepare(g, e);
	if (!err)
		err = load_sample(&s, g, m, folder, e);
	if (!err)
		err = keel_compile(g, &source, &o, &c, e);
	else
		keel_graph_del(g);
	err = err == -ERANGE ? -EINVAL : err;
	if (!err) {
		err = execute(&c, &s, folder, e);
		keel_compiled_free(&c);
	}
	free_sample(&s);
	return err;
}

/* As it is; what needs its weights, shapes or axes as constants gets them. */
static int test_set(const char *model, Onnx__ModelProto *m, const char *folder,
		    struct keel_error *e)
{
	struct keel_error ignored = {""};
	struct keel_graph *g = NULL;
	size_t size;
	void *bytes;
	int err = keel_import_onnx(model, NULL, &g, e);

	if (!err)
		err = compile_and_run(g, m, folder, e);
	if (!err || err == -ERANGE)
		return err;
	bytes = conformance_with_constants(m, folder, 1, &size);
	g = NULL;
	if (bytes && !keel_import_onnx_memory(bytes, size, NULL, &g, &ignored)) {
		int second = compile_and_run(g, m, folder, &ignored);

		if (!second || second == -ERANGE)
			*e = ignored;
		err = !second || second == -ERANGE ? second : err;
	}
	free(bytes);
	return err;
}

static enum verdict judge(const char *model, Onnx__ModelProto *m, struct keel_error *e)
{
	size_t length = strlen(model) - strlen("model.onnx");
	char folder[4096], name[256];
	const char *reason;
	int err;

	snprintf(folder, sizeof(folder), "%.*stest_data_set_0", (int)length, model);
	err = test_set(model, m, folder, e);
	if (!err)
		return PASSED;
	if (err != -ERANGE)
		return e->text[0] ? REFUSED : FAILED;
	reason = excluded(conformance_case(model, name));
	if (!reason)
		return FAILED;
	keel_error_set(e, 0, "%s", reason);
	return EXCLUDED;
}

static enum verdict test(const char *model)
{
	struct keel_error e = {""};
	Onnx__ModelProto *m;
	char name[256];
	size_t size;
	void *data = conformance_read(model, &size);
	enum verdict v = REFUSED;

	m = data ? onnx__model_proto__unpack(NULL, size, data) : NULL;
	free(data);
	if (m)
		v = judge(model, m, &e);
	else
		keel_error_set(&e, 0, "no ONNX model");
	if (m)
		onnx__model_proto__free_unpacked(m, NULL);
	if (v == FAILED || verbose)
		printf("%-8s %s: %s\n", verdict_names[v], conformance_case(model, name), e.text);
	fflush(stdout);
	return v;
}

static int test_all(const char *directory)
{
	unsigned int counts[NR_VERDICTS] = {0}, i;
	char pattern[4096];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*/*/*.onnx", directory);
	if (glob(pattern, 0, NULL, &found)) {
		printf("skipped: no ONNX vectors in %s (Debian package libonnx-testdata)\n",
		       directory);
		return 77;
	}
	for (i = 0; i < found.gl_pathc; i++)
		counts[test(found.gl_pathv[i])]++;
	globfree(&found);
	printf("note: %u model files compiled:", i);
	for (i = 0; i < NR_VERDICTS; i++)
		printf(" %u %s%s", counts[i], verdict_names[i], i + 1 < NR_VERDICTS ? "," : "\n");
	/* As the check library says it, so that tests/run counts files. */
	printf("Checks: %u, Failures: %u, Errors: 0\n", counts[PASSED] + counts[FAILED],
	       counts[FAILED]);
	return counts[FAILED] ? 1 : 0;
}

int main(int argc, char **argv)
{
	verbose = argc > 1 && !strcmp(argv[1], "-v");
	return test_all(argc > 1 + verbose ? argv[1 + verbose] : CONFORMANCE_DIRECTORY);
}
