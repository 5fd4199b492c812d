// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"

uint32_t rig_random(uint64_t *state)
{
	uint64_t x = *state * 0x9e3779b97f4a7c15u + 0x1234567;

	x ^= x >> 31;
	*state = x * 0xbf58476d1ce4e5b9u + 1;
	return *state >> 32;
}

int64_t rig_between(uint64_t *state, int64_t low, int64_t high)
{
	return low + rig_random(state) % (high - low + 1);
}

float rig_uniform(uint64_t *state)
{
	return rig_random(state) * 0x1p-31f - 1;
}

/* Values of inputs are constants that no node reads, named after the input. */
static void keep(struct keel_graph *g, const struct keel_tensor *t, const void *values)
{
	char name[64];

	snprintf(name, sizeof(name), "values of %s", t->name);
	ck_assert_ptr_nonnull(keel_graph_constant(g, name, t->type, t->rank, t->dims, values));
}

static const void *kept(const struct keel_graph *g, const struct keel_tensor *t)
{
	char name[64];
	unsigned int i;

	if (t->data)
		return t->data;
	snprintf(name, sizeof(name), "values of %s", t->name);
	for (i = 0; i < g->nr_tensors; i++)
		if (!strcmp(g->tensors[i]->name, name))
			return g->tensors[i]->data;
	ck_abort_msg("%s has no values", t->name);
	return NULL;
}

struct keel_tensor *rig_input(struct keel_graph *g, uint64_t *state, unsigned int rank,
			      const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_tensor(g, "in", KEEL_F32, rank, dims);
	float *values = keel_graph_alloc(g, (keel_tensor_count(t) + 1) * sizeof(float));
	int64_t i;

	for (i = 0; i < keel_tensor_count(t); i++)
		values[i] = rig_uniform(state);
	keep(g, t, values);
	keel_graph_add_input(g, t);
	return t;
}

struct keel_tensor *rig_ints(struct keel_graph *g, uint64_t *state, int64_t low, int64_t high,
			     unsigned int rank, const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_tensor(g, "ints", KEEL_I64, rank, dims);
	int64_t *values = keel_graph_alloc(g, (keel_tensor_count(t) + 1) * sizeof(int64_t)), i;

	for (i = 0; i < keel_tensor_count(t); i++)
		values[i] = rig_between(state, low, high);
	keep(g, t, values);
	keel_graph_add_input(g, t);
	return t;
}

struct keel_tensor *rig_const(struct keel_graph *g, uint64_t *state, unsigned int rank,
			      const int64_t *dims)
{
	struct keel_tensor *t = keel_graph_constant(g, "const", KEEL_F32, rank, dims, NULL);
	int64_t i;

	for (i = 0; i < keel_tensor_count(t); i++)
		((float *)t->data)[i] = rig_uniform(state);
	return t;
}

const float *rig_values(const struct keel_graph *g, const struct keel_tensor *t)
{
	return kept(g, t);
}

const int64_t *rig_int_values(const struct keel_graph *g, const struct keel_tensor *t)
{
	return kept(g, t);
}

struct keel_tensor *rig_pixels(struct keel_graph *g, struct keel_tensor *t)
{
	const int64_t dims[] = {t->dims[1], 1, 1, 1};
	struct keel_tensor *w = keel_graph_constant(g, "one", KEEL_F32, 4, dims, NULL);
	struct keel_tensor *y = keel_graph_tensor(g, "pixels", KEEL_F32, 4, t->dims);
	struct keel_tensor *in[] = {t, w};
	struct keel_node *n = keel_graph_node(g, KEEL_OP_CONV, NULL, 2, in, 1, &y);
	int64_t i;

	for (i = 0; i < t->dims[1]; i++)
		((float *)w->data)[i] = 1;
	n->groups = t->dims[1];
	return y;
}

struct keel_node *rig_node(struct keel_graph *g, enum keel_op op, unsigned int nr,
			   struct keel_tensor *const *inputs, enum keel_dtype type,
			   unsigned int rank, const int64_t *dims)
{
	struct keel_tensor *y = keel_graph_tensor(g, "out", type, rank, dims);
	struct keel_node *n;

	ck_assert_ptr_nonnull(y);
	n = keel_graph_node(g, op, NULL, nr, inputs, 1, &y);
	ck_assert_ptr_nonnull(n);
	ck_assert_int_eq(keel_graph_add_output(g, y), 0);
	return n;
}

const void *const *rig_inputs(struct keel_graph *g)
{
	const void **inputs = keel_graph_alloc(g, (g->nr_inputs + 1) * sizeof(*inputs));
	unsigned int i;

	for (i = 0; i < g->nr_inputs; i++)
		inputs[i] = kept(g, g->inputs[i]);
	return inputs;
}

const void *rig_run(struct keel_graph *g)
{
	const struct keel_tensor *t = g->outputs[g->nr_outputs - 1];
	size_t bytes = keel_tensor_count(t) * (t->type == KEEL_F32 ? 4 : 8);
	void *copy = keel_graph_alloc(g, bytes);
	struct keel_error e = {""};
	struct keel_float *f = keel_float_new(g, &e);

	ck_assert_msg(f, "%s", e.text);
	ck_assert_msg(!keel_float_run(f, rig_inputs(g), NULL, NULL, &e), "%s", e.text);
	memcpy(copy, keel_float_output(f, g->nr_outputs - 1), bytes);
	/* What lies in memory from before doesn't count. */
	ck_assert_msg(!keel_float_run(f, rig_inputs(g), NULL, NULL, &e), "%s", e.text);
	ck_assert_msg(!memcmp(copy, keel_float_output(f, g->nr_outputs - 1), bytes),
		      "a second run gives other values");
	keel_float_del(f);
	return copy;
}

void rig_refused(struct keel_graph *g, const char *word)
{
	struct keel_error e = {""};

	ck_assert_ptr_null(keel_float_new(g, &e));
	ck_assert_msg(strstr(e.text, word), "no '%s' in '%s'", word, e.text);
	keel_graph_del(g);
}

void rig_act_random(struct keel_graph *g, struct keel_node *n, enum keel_act_kind kind,
		    unsigned int channels, uint64_t *r)
{
	struct keel_act *a = &n->act;
	unsigned int i;

	a->kind = kind;
	a->channels = channels;
	a->lo = keel_graph_alloc(g, channels * sizeof(float));
	a->hi = keel_graph_alloc(g, channels * sizeof(float));
	a->slope = keel_graph_alloc(g, channels * sizeof(float));
	for (i = 0; i < channels; i++) {
		a->lo[i] = -0.2f + 0.1f * rig_uniform(r);
		a->hi[i] = 0.2f + 0.1f * rig_uniform(r);
		a->slope[i] = rig_uniform(r);
	}
	a->fn = KEEL_OP_ELU;
	a->alpha = 0.5;
}

void rig_near(double a, double b, double tolerance, const char *what, int64_t index)
{
	ck_assert_msg(fabs(a - b) <= tolerance * (1 + fabs(b)),
		      "%s: element %lld is %.9g, not %.9g", what, (long long)index, a, b);
}
