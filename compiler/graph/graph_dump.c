// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph.h"

/* One line a node: outputs = Op(inputs) {attributes that differ from their default}. */

static const char *const dtype_names[] = {
	[KEEL_F32] = "f32", [KEEL_I64] = "i64", [KEEL_I32] = "i32",
	[KEEL_I8] = "i8",   [KEEL_U8] = "u8",	[KEEL_BOOL] = "bool",
};

static void dump_tensor(FILE *f, const struct keel_tensor *t)
{
	unsigned int i;

	if (!t) {
		fputs("-", f);
		return;
	}
	fprintf(f, "%s%s:%s[", t->data ? "const " : "", t->name, dtype_names[t->type]);
	for (i = 0; i < t->rank; i++)
		fprintf(f, "%s%" PRId64, i ? "x" : "", t->dims[i]);
	fputs("]", f);
}

static void dump_list(FILE *f, struct keel_tensor *const *list, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fputs(i ? ", " : "", f);
		dump_tensor(f, list[i]);
	}
}

static void dump_window(FILE *f, const struct keel_window *w)
{
	fprintf(f, " kernel=%dx%d stride=%dx%d dilation=%dx%d pad=%d,%d,%d,%d", w->kernel[0],
		w->kernel[1], w->stride[0], w->stride[1], w->dilation[0], w->dilation[1], w->pad[0],
		w->pad[1], w->pad[2], w->pad[3]);
	if (w->output_pad[0] || w->output_pad[1])
		fprintf(f, " output_pad=%d,%d", w->output_pad[0], w->output_pad[1]);
	if (w->ceil_pad[0] || w->ceil_pad[1])
		fprintf(f, " ceil_pad=%d,%d", w->ceil_pad[0], w->ceil_pad[1]);
	if (w->count_include_pad)
		fputs(" count_include_pad", f);
}

static void dump_array(FILE *f, const char *name, const int64_t *v, unsigned int nr)
{
	unsigned int i;

	fprintf(f, " %s=", name);
	for (i = 0; i < nr; i++)
		fprintf(f, "%s%" PRId64, i ? "," : "", v[i]);
}

static void dump_perm(FILE *f, const struct keel_node *n, unsigned int rank)
{
	unsigned int i;

	fputs(" perm=", f);
	for (i = 0; i < rank; i++)
		fprintf(f, "%s%d", i ? "," : "", n->perm[i]);
}

static void dump_act(FILE *f, const struct keel_act *a)
{
	switch (a->kind) {
	case KEEL_ACT_NONE:
		return;
	case KEEL_ACT_CLIP:
		fprintf(f, " act=clip[%g..%g]x%u", a->lo[0], a->hi[0], a->channels);
		return;
	case KEEL_ACT_PRELU:
		fprintf(f, " act=prelu[%g]x%u", a->slope[0], a->channels);
		return;
	case KEEL_ACT_TABLE:
		fprintf(f, " act=%s(%g,%g)", keel_op_name(a->fn), a->alpha, a->beta);
		return;
	}
}

static void dump_scalars(FILE *f, const struct keel_node *n)
{
	const struct {
		const char *name;
		double value, normal;
	} scalars[] = {
		{"groups", n->groups, 1},
		{"alpha", n->alpha, 0},
		{"beta", n->beta, 0},
		{"lo", n->lo, 0},
		{"hi", n->hi, 0},
		{"epsilon", n->epsilon, 0},
		{"bias", n->bias, 0},
		{"size", n->size, 0},
		{"axis", n->axis, 0},
		{"block", n->block, 0},
		{"axes", n->axes, 0},
		{"keepdims", n->keepdims, 0},
		{"crd", n->crd, 0},
		{"select_last", n->select_last, 0},
		{"pad_mode", n->pad_mode, 0},
		{"pad_value", n->pad_value, 0},
	};
	size_t i;

	for (i = 0; i < sizeof(scalars) / sizeof(*scalars); i++)
		if (scalars[i].value != scalars[i].normal)
			fprintf(f, " %s=%g", scalars[i].name, scalars[i].value);
}

static void dump_arrays(FILE *f, const struct keel_node *n)
{
	unsigned int rank = n->nr_inputs && n->inputs[0] ? n->inputs[0]->rank : 0;

	switch (n->op) {
	case KEEL_OP_CONV:
	case KEEL_OP_CONV_TRANSPOSE:
	case KEEL_OP_MAX_POOL:
	case KEEL_OP_AVERAGE_POOL:
		dump_window(f, &n->window);
		break;
	case KEEL_OP_SLICE:
		dump_array(f, "start", n->start, rank);
		dump_array(f, "step", n->step, rank);
		break;
	case KEEL_OP_PAD:
		dump_array(f, "begin", n->pad_begin, rank);
		dump_array(f, "end", n->pad_end, rank);
		break;
	case KEEL_OP_TRANSPOSE:
		dump_perm(f, n, rank);
		break;
	case KEEL_OP_RESIZE:
		fprintf(f, " %s transform=%d round=%d", n->resize.linear ? "linear" : "nearest",
			n->resize.transform, n->resize.round);
		break;
	default:
		break;
	}
}

static void dump_node(FILE *f, const struct keel_node *n)
{
	dump_list(f, n->outputs, n->nr_outputs);
	fprintf(f, " = %s", keel_op_name(n->op));
	if (n->op == KEEL_OP_UNSUPPORTED)
		fprintf(f, "<%s>", n->onnx_op);
	fputs("(", f);
	dump_list(f, n->inputs, n->nr_inputs);
	fputs(")", f);
	dump_arrays(f, n);
	dump_scalars(f, n);
	dump_act(f, &n->act);
}

void keel_graph_dump(const struct keel_graph *g, void (*line)(void *ctx, const char *text),
		     void *ctx)
{
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++) {
		char *text = NULL;
		size_t bytes;
		FILE *f = open_memstream(&text, &bytes);

		if (!f)
			return;
		dump_node(f, g->nodes[i]);
		if (!fclose(f))
			line(ctx, text);
		free(text);
	}
}
