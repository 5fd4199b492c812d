// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compile_rig.h"
#include "float_net.h"
#include "keel.h"
#include "qdq_rig.h"

struct crig *crig_new(uint64_t seed)
{
	struct crig *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	c->seed = seed;
	c->b = (struct keel_builder){
		.g = keel_graph_new(), .e = &c->e, .prefix = "t", .budget = KEEL_BUILD_BUDGET};
	c->options.per_channel = true;
	c->options.threads = 1;
	ck_assert_int_eq(keel_target_get("medium", &c->options.target, &c->e), 0);
	return c;
}

void crig_del(struct crig *c)
{
	keel_graph_del(c->b.g);
	free(c->b.marks);
	free(c);
}

struct keel_tensor *crig_input_in(struct crig *c, double lo, double hi, unsigned int rank,
				  const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_tensor(c->b.g, "in", KEEL_F32, rank, dims);

	ck_assert_ptr_nonnull(t);
	ck_assert_uint_lt(c->b.g->nr_inputs, CRIG_MAX_INPUTS);
	c->lo[c->b.g->nr_inputs] = lo;
	c->hi[c->b.g->nr_inputs] = hi;
	ck_assert_int_eq(keel_graph_add_input(c->b.g, t), 0);
	return t;
}

struct keel_tensor *crig_input(struct crig *c, unsigned int rank, const int64_t *dims)
{
	return crig_input_in(c, -1, 127.0 / 128, rank, dims);
}

struct keel_tensor *crig_const(struct crig *c, unsigned int rank, const int64_t *dims)
{
	return rig_const(c->b.g, &c->seed, rank, dims);
}

struct keel_tensor *crig_weights(struct crig *c, unsigned int axis, unsigned int rank,
				 const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_constant(c->b.g, "w", KEEL_F32, rank, dims, NULL);
	int64_t i, inner = 1, count = keel_tensor_count(t);
	bool *full = calloc(dims[axis], sizeof(*full));
	unsigned int k;

	for (k = axis + 1; k < rank; k++)
		inner *= dims[k];
	for (i = 0; i < count; i++) {
		int64_t channel = i / inner % dims[axis];

		((float *)t->data)[i] = rig_between(&c->seed, -127, 127) / 256.0f;
		/* one full level per channel, so that the scale is a power of two */
		if (!full[channel])
			((float *)t->data)[i] = 127 / 256.0f;
		full[channel] = true;
	}
	free(full);
	return t;
}

struct keel_tensor *crig_ints(struct crig *c, unsigned int rank, const int64_t *dims,
			      const int64_t *values)
{
	return keel_graph_constant(c->b.g, "ints", KEEL_I64, rank, dims, values);
}

static struct keel_tensor *built(struct crig *c, struct keel_tensor *t)
{
	ck_assert_msg(t && !c->b.err, "%s", c->e.text);
	return t;
}

struct keel_tensor *crig_node(struct crig *c, struct keel_node spec, unsigned int nr, ...)
{
	struct keel_tensor *in[CRIG_MAX_INPUTS];
	unsigned int i;
	va_list ap;

	va_start(ap, nr);
	for (i = 0; i < nr; i++)
		in[i] = va_arg(ap, struct keel_tensor *);
	va_end(ap);
	spec.nr_inputs = nr;
	spec.inputs = in;
	return built(c, keel_build(&c->b, &spec, NULL));
}

struct keel_tensor *crig_wanted(struct crig *c, struct keel_node spec, struct keel_tensor *x,
				unsigned int rank, const int64_t *dims)
{
	struct keel_shape want = {.type = x->type, .rank = rank};

	memcpy(want.dims, dims, rank * sizeof(*dims));
	spec.nr_inputs = 1;
	spec.inputs = &x;
	return built(c, keel_build(&c->b, &spec, &want));
}

struct keel_tensor *crig_unary(struct crig *c, enum keel_op op, struct keel_tensor *x)
{
	return crig_node(c, (struct keel_node){.op = op}, 1, x);
}

struct keel_tensor *crig_binary(struct crig *c, enum keel_op op, struct keel_tensor *x,
				struct keel_tensor *y)
{
	return crig_node(c, (struct keel_node){.op = op}, 2, x, y);
}

struct keel_tensor *crig_conv(struct crig *c, struct keel_tensor *x, int64_t out, int kernel,
			      int stride, int groups)
{
	int pad = kernel / 2;
	const int64_t dims[] = {out, x->dims[1] / groups, kernel, kernel};
	/* One after the other: compilers differ in the order of arguments, which draw numbers. */
	struct keel_tensor *bias = crig_const(c, 1, &out);
	struct keel_tensor *weights = crig_weights(c, 0, 4, dims);

	return crig_node(c,
			 (struct keel_node){.op = KEEL_OP_CONV,
					    .groups = groups,
					    .window = {.kernel = {kernel, kernel},
						       .stride = {stride, stride},
						       .dilation = {1, 1},
						       .pad = {pad, pad, pad, pad}}},
			 3, x, weights, bias);
}

struct keel_tensor *crig_fc(struct crig *c, struct keel_tensor *x, int64_t out)
{
	const int64_t dims[] = {out, x->dims[1]};
	struct keel_tensor *bias = crig_const(c, 1, &out);
	struct keel_tensor *weights = crig_weights(c, 0, 2, dims);

	return crig_node(c, (struct keel_node){.op = KEEL_OP_FC}, 3, x, weights, bias);
}

struct keel_tensor *crig_reshape(struct crig *c, struct keel_tensor *x, unsigned int rank,
				 const int64_t *dims)
{
	return crig_wanted(c, (struct keel_node){.op = KEEL_OP_RESHAPE}, x, rank, dims);
}

struct keel_tensor *crig_transpose(struct crig *c, struct keel_tensor *x, const int *perm)
{
	struct keel_node n = {.op = KEEL_OP_TRANSPOSE};

	memcpy(n.perm, perm, x->rank * sizeof(*perm));
	return crig_node(c, n, 1, x);
}

struct keel_tensor *crig_concat(struct crig *c, int axis, unsigned int nr, ...)
{
	struct keel_tensor *in[CRIG_MAX_INPUTS];
	struct keel_node n = {.op = KEEL_OP_CONCAT, .axis = axis, .nr_inputs = nr, .inputs = in};
	unsigned int i;
	va_list ap;

	va_start(ap, nr);
	for (i = 0; i < nr; i++)
		in[i] = va_arg(ap, struct keel_tensor *);
	va_end(ap);
	return built(c, keel_build(&c->b, &n, NULL));
}

struct keel_tensor *crig_slice(struct crig *c, struct keel_tensor *x, unsigned int axis,
			       int64_t start, int64_t count, int64_t step)
{
	struct keel_node n = {.op = KEEL_OP_SLICE};
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i;

	for (i = 0; i < x->rank; i++) {
		dims[i] = x->dims[i];
		n.step[i] = 1;
	}
	n.start[axis] = start;
	n.step[axis] = step;
	dims[axis] = count;
	return crig_wanted(c, n, x, x->rank, dims);
}

struct keel_tensor *crig_pool(struct crig *c, enum keel_op op, struct keel_tensor *x, int kernel,
			      int stride, int pad)
{
	return crig_node(c,
			 (struct keel_node){.op = op,
					    .window = {.kernel = {kernel, kernel},
						       .stride = {stride, stride},
						       .dilation = {1, 1},
						       .pad = {pad, pad, pad, pad}}},
			 1, x);
}

void crig_output(struct crig *c, struct keel_tensor *t)
{
	ck_assert_int_eq(keel_graph_add_output(c->b.g, t), 0);
}

/* Both ends of the range occur in every sample, so that all see the same scale. */
static void fill_sample(const struct crig *c, size_t index, unsigned int input, float *x)
{
	const struct keel_tensor *t = c->b.g->inputs[input];
	uint64_t state = c->seed + 977 * index + 31 * input + 1;
	int64_t i, n = keel_tensor_count(t);

	for (i = 0; i < n; i++)
		x[i] = c->lo[input] +
		       (c->hi[input] - c->lo[input]) * (rig_random(&state) % 256) / 255;
	if (n > 1) {
		x[rig_random(&state) % n] = c->hi[input];
		x[(rig_random(&state) % (n - 1))] = c->lo[input];
	}
}

static int get_sample(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct crig *c = ctx;
	unsigned int i;

	for (i = 0; i < c->b.g->nr_inputs; i++)
		fill_sample(c, index, i, inputs[i]);
	return 0;
}

/** struct outcome - a compiled network beside the float one */
struct outcome {
	struct crig *c;
	const char *what;
	bool blind, exports;
	struct keel_float *f;
	struct keel_network *net;
	struct qdq_rig exported;
	struct crig_result result;
	double signal[CRIG_MAX_INPUTS], noise[CRIG_MAX_INPUTS], exported_noise[CRIG_MAX_INPUTS];
};

static double on_level(const struct keel_port *p, double x)
{
	double q = rint(x / p->scale) + p->zero_point;

	return ((q < -128 ? -128 : q > 127 ? 127 : q) - p->zero_point) * p->scale;
}

static float **input_values(const struct outcome *o, size_t sample)
{
	const struct keel_graph *g = o->c->b.g;
	float **x = calloc(g->nr_inputs + 1, sizeof(*x));
	struct keel_port port;
	unsigned int i;
	uint64_t k;

	for (i = 0; i < g->nr_inputs; i++) {
		ck_assert_int_eq(keel_network_get_input(o->net, i, &port), 0);
		ck_assert_str_eq(port.name, g->inputs[i]->name);
		ck_assert_uint_eq(port.elements, keel_tensor_count(g->inputs[i]));
		x[i] = calloc(port.elements, sizeof(**x));
		fill_sample(o->c, sample, i, x[i]);
		for (k = 0; port.type == KEEL_ELEMENT_S8 && k < port.elements; k++)
			x[i][k] = on_level(&port, x[i][k]);
	}
	return x;
}

static void compare(struct outcome *o, unsigned int index, const float *got)
{
	const struct keel_tensor *t = o->c->b.g->outputs[index];
	const void *data = keel_float_output(o->f, index);
	struct keel_port p;
	uint64_t i;

	ck_assert_int_eq(keel_network_get_output(o->net, index, &p), 0);
	ck_assert_str_eq(p.name, t->name);
	ck_assert_uint_eq(p.rank, t->rank);
	for (i = 0; i < t->rank; i++)
		ck_assert_int_eq(p.dims[i], t->dims[i]);
	for (i = 0; !o->blind && i < p.elements; i++) {
		double want = t->type == KEEL_F32 ? ((const float *)data)[i]
						  : (double)((const int64_t *)data)[i];
		double error;

		if (t->type != KEEL_F32) {
			ck_assert_msg(got[i] == want, "%s: '%s' element %llu is %g, not %g",
				      o->what, t->name, (unsigned long long)i, got[i], want);
			continue;
		}
		o->signal[index] += want * want;
		o->noise[index] += (want - got[i]) * (want - got[i]);
		if (p.type != KEEL_ELEMENT_S8)
			continue;
		want = fmin(fmax(want, (-128 - p.zero_point) * p.scale),
			    (127 - p.zero_point) * p.scale);
		error = fabs(want - got[i]) / p.scale;
		o->result.steps = fmax(o->result.steps, error);
	}
}

static void compare_exported(struct outcome *o, unsigned int index, const float *got)
{
	const float *want;
	struct keel_port p;
	uint64_t i;

	ck_assert_int_eq(keel_network_get_output(o->net, index, &p), 0);
	want = qdq_rig_output(&o->exported, index, &p);
	for (i = 0; !o->blind && i < p.elements && p.type != KEEL_ELEMENT_S64; i++) {
		double error = fabs(want[i] - got[i]);

		o->exported_noise[index] += error * error;
		if (p.type == KEEL_ELEMENT_S8)
			o->result.exported_steps = fmax(o->result.exported_steps, error / p.scale);
	}
}

static void run_sample(struct outcome *o, size_t sample)
{
	const struct keel_graph *g = o->c->b.g;
	float **x = input_values(o, sample), **y = calloc(g->nr_outputs, sizeof(*y));
	struct keel_error e = {""};
	unsigned int i;

	for (i = 0; i < g->nr_outputs; i++)
		y[i] = calloc(keel_tensor_count(g->outputs[i]), sizeof(**y));
	ck_assert_msg(!keel_network_run(o->net, (const float *const *)x, y, &e), "%s: %s", o->what,
		      e.text);
	ck_assert_msg(!keel_float_run(o->f, (const void *const *)x, NULL, NULL, &e), "%s: %s",
		      o->what, e.text);
	if (o->exports)
		qdq_rig_run(&o->exported, (const float *const *)x);
	for (i = 0; i < g->nr_outputs; i++) {
		compare(o, i, y[i]);
		if (o->exports)
			compare_exported(o, i, y[i]);
	}
	for (i = 0; i < g->nr_inputs; i++)
		free(x[i]);
	for (i = 0; i < g->nr_outputs; i++)
		free(y[i]);
	free(x);
	free(y);
}

static int compile(struct crig *c, struct keel_compiled *out, struct keel_error *e)
{
	struct keel_sample_source source = {CRIG_SAMPLES, get_sample, c};
	struct keel_graph *g;
	int err = keel_graph_sort(c->b.g, e);

	if (err)
		return err;
	g = keel_graph_clone(c->b.g);
	ck_assert_ptr_nonnull(g);
	err = keel_compile_prepare(g, e);
	if (err) {
		keel_graph_del(g);
		return err;
	}
	return keel_compile(g, &source, &c->options, out, e);
}

static double decibels(const struct outcome *o, const double *noise)
{
	double worst = INFINITY;
	unsigned int i;

	for (i = 0; i < o->c->b.g->nr_outputs; i++)
		if (noise[i] > 0)
			worst = fmin(worst, 10 * log10(o->signal[i] / noise[i]));
	return worst;
}

static struct crig_result measure(struct outcome *o)
{
	const char *backend = getenv("KEEL_RIG_BACKEND");
	struct keel_device_options options = {.threads = 1};
	struct keel_compiled compiled;
	struct keel_device *device;
	struct keel_error e = {""};
	size_t i;

	ck_assert_msg(!compile(o->c, &compiled, &e), "%s: %s", o->what, e.text);
	o->f = keel_float_new(o->c->b.g, &e);
	ck_assert_msg(o->f, "%s: %s", o->what, e.text);
	ck_assert_msg(!keel_device_new(backend ? backend : "reference", &options, &device, &e),
		      "%s", e.text);
	ck_assert_msg(
		!keel_network_new_from_memory(device, compiled.data, compiled.bytes, &o->net, &e),
		"%s: %s", o->what, e.text);
	o->exports = !compiled.int16 && !compiled.on_host;
	if (o->exports)
		o->exported = qdq_rig_new(compiled.data, compiled.bytes, KEEL_QDQ_U8);
	for (i = 0; i < CRIG_SAMPLES; i++)
		run_sample(o, i);
	if (o->exports)
		qdq_rig_del(&o->exported);
	o->result.int16 = compiled.int16;
	o->result.on_host = compiled.on_host;
	o->result.round_trips = compiled.round_trips;
	o->result.host_tried = compiled.host_tried;
	o->result.measured = compiled.sqnr_db;
	o->result.sqnr = decibels(o, o->noise);
	o->result.exported_sqnr = decibels(o, o->exported_noise);
	o->result.commands = compiled.commands;
	o->result.corrected = compiled.correct.samples;
	keel_network_del(o->net);
	keel_device_del(device);
	keel_float_del(o->f);
	keel_compiled_free(&compiled);
	crig_del(o->c);
	return o->result;
}

struct crig_result crig_measure(struct crig *c, const char *what)
{
	struct outcome o = {.c = c, .what = what};

	return measure(&o);
}

void crig_compiles(struct crig *c)
{
	struct outcome o = {.c = c, .what = "compiled", .blind = true};

	measure(&o);
}

void *crig_bytes(struct crig *c, size_t *bytes)
{
	struct keel_compiled compiled;
	struct keel_error e = {""};
	void *data;

	ck_assert_msg(!compile(c, &compiled, &e), "%s", e.text);
	data = compiled.data;
	*bytes = compiled.bytes;
	compiled.data = NULL;
	keel_compiled_free(&compiled);
	crig_del(c);
	return data;
}

unsigned int crig_check(struct crig *c, double steps, double sqnr, const char *what)
{
	struct crig_result r = crig_measure(c, what);

	ck_assert_msg(r.steps <= steps * 1.002 + 0.002, "%s: off by %.3f steps, %.3f allowed", what,
		      r.steps, steps);
	ck_assert_msg(r.sqnr >= sqnr, "%s: %.1f dB, %.1f wanted", what, r.sqnr, sqnr);
	/* Commands and export may both be off, in opposite directions. */
	ck_assert_msg(r.exported_steps <= 2 * steps + 1.01 && r.exported_sqnr >= sqnr - 6,
		      "%s: its ONNX export is off by %.3f steps, %.1f dB", what, r.exported_steps,
		      r.exported_sqnr);
	return r.commands;
}

void crig_refused(struct crig *c, const char *word)
{
	struct keel_compiled compiled;
	struct keel_error e = {""};
	int err = compile(c, &compiled, &e);

	ck_assert_msg(err < 0, "compiled, although '%s' is not supported", word);
	ck_assert_msg(strstr(e.text, word), "no '%s' in '%s'", word, e.text);
	crig_del(c);
}
