// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "fold.h"
#include "given.h"

void *keel_build_fail(struct keel_builder *b, int err, const char *fmt, ...)
{
	char text[sizeof(b->e->text)];
	va_list ap;

	if (b->err)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->err = keel_error_set(b->e, err, "%s", text);
	return NULL;
}

static void *no_memory(struct keel_builder *b)
{
	return keel_build_fail(b, -ENOMEM, "memory is short");
}

void keel_build_mark(struct keel_builder *b, const struct keel_tensor *t, enum keel_mark mark)
{
	size_t wanted = t->id + 1 + t->id / 2 + 64;
	unsigned char *grown;

	if (t->id >= b->nr_marks) {
		grown = realloc(b->marks, wanted);
		if (!grown) {
			no_memory(b);
			return;
		}
		memset(grown + b->nr_marks, 0, wanted - b->nr_marks);
		b->marks = grown;
		b->nr_marks = wanted;
	}
	b->marks[t->id] |= mark;
}

bool keel_build_marked(const struct keel_builder *b, const struct keel_tensor *t,
		       enum keel_mark mark)
{
	return t && t->id < b->nr_marks && (b->marks[t->id] & mark);
}

struct keel_tensor *keel_build_constant(struct keel_builder *b, const char *name,
					const struct keel_shape *s)
{
	struct keel_tensor *t;
	uint64_t bytes;
	int64_t count;

	if (b->err)
		return NULL;
	count = keel_shape_count(s, b->e);
	if (count < 0) {
		b->err = (int)count;
		return NULL;
	}
	bytes = (uint64_t)count * keel_dtype_size(s->type);
	if (bytes > b->budget)
		return keel_build_fail(b, -EINVAL,
				       "constants need more memory than the limit allows: %llu "
				       "bytes are wanted, %llu are left",
				       (unsigned long long)bytes, (unsigned long long)b->budget);
	b->budget -= bytes;
	t = keel_graph_constant(b->g, name, s->type, s->rank, s->dims, NULL);
	return t ? t : no_memory(b);
}

/* Unlike the name of any value of the file, which the value itself may still want. */
static char *part_name(const struct keel_builder *b, const char *part, char name[256])
{
	snprintf(name, 256, "%s:%s", b->prefix ? b->prefix : "", part);
	return name;
}

struct keel_tensor *keel_build_made(struct keel_builder *b, const struct keel_shape *s)
{
	char name[256];

	return keel_build_constant(b, part_name(b, "Constant", name), s);
}

static struct keel_tensor *fold(struct keel_builder *b, const struct keel_node *spec,
				const struct keel_shape *s)
{
	struct keel_tensor *t;
	char name[256];
	unsigned int i;

	t = keel_build_constant(b, part_name(b, keel_op_name(spec->op), name), s);
	if (!t)
		return NULL;
	b->err = keel_fold(spec, t, b->e);
	for (i = 0; i < spec->nr_inputs; i++)
		if (keel_build_marked(b, spec->inputs[i], KEEL_MARK_SEEDED))
			keel_build_mark(b, t, KEEL_MARK_SEEDED);
	if (!b->err)
		keel_given_follow(b, spec, t);
	return b->err ? NULL : t;
}

/* Takes the attributes of @spec; identity and wiring stay. */
static void adopt(struct keel_node *n, const struct keel_node *spec)
{
	struct keel_node made = *n;

	*n = *spec;
	n->name = made.name;
	n->sources = made.sources;
	n->onnx_op = made.onnx_op;
	n->reason = made.reason;
	n->nr_origins = made.nr_origins;
	n->origins = made.origins;
	n->nr_inputs = made.nr_inputs;
	n->inputs = made.inputs;
	n->nr_outputs = made.nr_outputs;
	n->outputs = made.outputs;
	if (!spec->groups)
		n->groups = made.groups;
	if (!spec->window.kernel[0])
		n->window = made.window;
}

static struct keel_node *add_node(struct keel_builder *b, const struct keel_node *spec,
				  unsigned int nr_outputs, struct keel_tensor *const *outputs)
{
	struct keel_node *n;

	if (b->g->nr_nodes == KEEL_BUILD_MAX_NODES)
		return keel_build_fail(b, -EINVAL, "the network has more than %u nodes, the limit",
				       KEEL_BUILD_MAX_NODES);
	n = keel_graph_node(b->g, spec->op, b->node, spec->nr_inputs, spec->inputs, nr_outputs,
			    outputs);
	if (!n)
		return no_memory(b);
	adopt(n, spec);
	if (b->source_op)
		n->onnx_op = keel_graph_strdup(b->g, b->source_op);
	if (!n->onnx_op || (b->origin && keel_node_set_origin(b->g, n, b->origin)))
		return no_memory(b);
	return n;
}

static void *refuse_run_time(struct keel_builder *b, const struct keel_node *spec)
{
	unsigned int i = 0;

	while (i + 1 < spec->nr_inputs && spec->inputs[i]->data)
		i++;
	return keel_build_fail(
		b, -EOPNOTSUPP,
		"%s is supported on constants only, but '%s' is computed at run time",
		keel_op_name(spec->op), spec->inputs[i]->name);
}

static struct keel_tensor *emit(struct keel_builder *b, const struct keel_node *spec,
				const struct keel_shape *s)
{
	struct keel_tensor *t;
	char name[256];
	unsigned int i;

	if (spec->op >= KEEL_OP_SHAPE && spec->op <= KEEL_OP_REDUCE_PROD)
		return refuse_run_time(b, spec);
	for (i = 0; i < s->rank; i++)
		if (!s->dims[i])
			return keel_build_fail(b, -EINVAL,
					       "the result has shape %s: a tensor without elements "
					       "cannot be computed",
					       keel_shape_text(name, s->rank, s->dims));
	part_name(b, keel_op_name(spec->op), name);
	t = keel_graph_tensor(b->g, name, s->type, s->rank, s->dims);
	if (!t)
		return no_memory(b);
	return add_node(b, spec, 1, &t) ? t : NULL;
}

struct keel_tensor *keel_build(struct keel_builder *b, const struct keel_node *spec,
			       const struct keel_shape *want)
{
	struct keel_shape s = {0};

	if (b->err)
		return NULL;
	if (want)
		s = *want;
	b->err = keel_shape_infer(spec, &s, b->e);
	if (b->err)
		return NULL;
	return keel_fold_possible(spec) ? fold(b, spec, &s) : emit(b, spec, &s);
}

static struct keel_tensor *placeholder_output(struct keel_builder *b, const struct keel_shape *s)
{
	static const struct keel_shape unknown = {.type = KEEL_F32};
	const struct keel_shape *use = s ? s : &unknown;
	struct keel_tensor *t = keel_graph_tensor(b->g, b->prefix, use->type, use->rank, use->dims);

	if (!t)
		return no_memory(b);
	if (!s)
		keel_build_mark(b, t, KEEL_MARK_UNKNOWN);
	return t;
}

int keel_build_placeholder(struct keel_builder *b, const char *reason, unsigned int nr_inputs,
			   struct keel_tensor *const *inputs, unsigned int nr_outputs,
			   const struct keel_shape *const *shapes, struct keel_tensor **outputs)
{
	struct keel_node spec = {.op = KEEL_OP_UNSUPPORTED,
				 .nr_inputs = nr_inputs,
				 .inputs = (struct keel_tensor **)inputs},
			 *n;
	unsigned int i;

	for (i = 0; i < nr_outputs && !b->err; i++)
		outputs[i] = placeholder_output(b, shapes[i]);
	if (b->err)
		return b->err;
	n = add_node(b, &spec, nr_outputs, outputs);
	if (!n)
		return b->err;
	n->reason = keel_graph_strdup(b->g, reason);
	if (!n->reason)
		no_memory(b);
	return b->err;
}

struct keel_tensor *keel_build_unary(struct keel_builder *b, enum keel_op op, struct keel_tensor *x)
{
	struct keel_node spec = {.op = op, .nr_inputs = 1, .inputs = &x};

	return keel_build(b, &spec, NULL);
}

struct keel_tensor *keel_build_binary(struct keel_builder *b, enum keel_op op,
				      struct keel_tensor *x, struct keel_tensor *y)
{
	struct keel_tensor *in[] = {x, y};
	struct keel_node spec = {.op = op, .nr_inputs = 2, .inputs = in};

	return keel_build(b, &spec, NULL);
}

static bool same_dims(const struct keel_tensor *x, unsigned int rank, const int64_t *dims)
{
	return x->rank == rank && (!rank || !memcmp(x->dims, dims, rank * sizeof(*dims)));
}

static struct keel_shape wanted(const struct keel_tensor *x, unsigned int rank, const int64_t *dims)
{
	struct keel_shape s = {.type = x->type, .rank = rank};

	if (rank)
		memcpy(s.dims, dims, rank * sizeof(*dims));
	return s;
}

struct keel_tensor *keel_build_reshape(struct keel_builder *b, struct keel_tensor *x,
				       unsigned int rank, const int64_t *dims)
{
	struct keel_node spec = {.op = KEEL_OP_RESHAPE, .nr_inputs = 1, .inputs = &x};
	struct keel_shape want;

	if (b->err || same_dims(x, rank, dims))
		return x;
	if (rank > KEEL_MAX_RANK)
		return keel_build_fail(b, -EOPNOTSUPP, "a shape of rank %u; the limit is %d", rank,
				       KEEL_MAX_RANK);
	want = wanted(x, rank, dims);
	return keel_build(b, &spec, &want);
}

struct keel_tensor *keel_build_transpose(struct keel_builder *b, struct keel_tensor *x,
					 const int *perm)
{
	struct keel_node spec = {.op = KEEL_OP_TRANSPOSE, .nr_inputs = 1, .inputs = &x};
	bool identity = true;
	unsigned int i;

	if (b->err)
		return NULL;
	for (i = 0; i < x->rank; i++) {
		spec.perm[i] = perm[i];
		identity &= perm[i] == (int)i;
	}
	return identity ? x : keel_build(b, &spec, NULL);
}

struct keel_tensor *keel_build_swap(struct keel_builder *b, struct keel_tensor *x)
{
	int perm[KEEL_MAX_RANK];
	unsigned int i;

	if (b->err)
		return NULL;
	if (x->rank < 2)
		return keel_build_fail(b, -EINVAL, "'%s' is no matrix", x->name);
	for (i = 0; i < x->rank; i++)
		perm[i] = i;
	perm[x->rank - 1] = x->rank - 2;
	perm[x->rank - 2] = x->rank - 1;
	return keel_build_transpose(b, x, perm);
}

struct keel_tensor *keel_build_cast(struct keel_builder *b, struct keel_tensor *x,
				    enum keel_dtype type)
{
	struct keel_node spec = {.op = KEEL_OP_CAST, .nr_inputs = 1, .inputs = &x};
	struct keel_shape want = {.type = type};

	if (b->err || x->type == type)
		return x;
	return keel_build(b, &spec, &want);
}

struct keel_tensor *keel_build_expand(struct keel_builder *b, struct keel_tensor *x,
				      unsigned int rank, const int64_t *dims)
{
	struct keel_node spec = {.op = KEEL_OP_EXPAND, .nr_inputs = 1, .inputs = &x};
	int64_t raised[KEEL_MAX_RANK];
	struct keel_shape want;
	unsigned int i;

	if (b->err || same_dims(x, rank, dims))
		return x;
	if (x->rank > rank || rank > KEEL_MAX_RANK)
		return keel_build_fail(b, -EINVAL, "rank %u cannot be expanded to rank %u", x->rank,
				       rank);
	for (i = 0; i < rank; i++)
		raised[i] = i < rank - x->rank ? 1 : x->dims[i - (rank - x->rank)];
	x = keel_build_reshape(b, x, rank, raised);
	if (b->err || same_dims(x, rank, dims))
		return x;
	want = wanted(x, rank, dims);
	return keel_build(b, &spec, &want);
}

struct keel_tensor *keel_build_slice(struct keel_builder *b, struct keel_tensor *x,
				     const int64_t *start, const int64_t *step,
				     const int64_t *count)
{
	struct keel_node spec = {.op = KEEL_OP_SLICE, .nr_inputs = 1, .inputs = &x};
	struct keel_shape want;
	bool all = true;
	unsigned int i;

	if (b->err)
		return NULL;
	for (i = 0; i < x->rank; i++) {
		spec.start[i] = start[i];
		spec.step[i] = count[i] > 1 ? step[i] : 1;
		all &= !start[i] && count[i] == x->dims[i] && spec.step[i] == 1;
	}
	if (all)
		return x;
	want = wanted(x, x->rank, count);
	return keel_build(b, &spec, &want);
}

struct keel_tensor *keel_build_scalar(struct keel_builder *b, enum keel_dtype type, double value)
{
	struct keel_shape s = {.type = type};
	struct keel_tensor *t = keel_build_made(b, &s);

	if (t)
		keel_value_set_float(t, 0, value);
	return t;
}

struct keel_tensor *keel_build_scale(struct keel_builder *b, struct keel_tensor *x, double factor)
{
	if (b->err || factor == 1)
		return x;
	return keel_build_binary(b, KEEL_OP_MUL, x, keel_build_scalar(b, x->type, factor));
}
