// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/onnx_rig.h"

/*
 * ONNX files for the tests of the tool: small ones that compile, and hostile
 * ones, each with one defect.
 *	odd_onnx KIND > FILE
 */

static struct ox_bytes graph_of(const char *op, const char *inputs, const char *attributes)
{
	struct ox_bytes g = {0};

	ox_node(&g, op, inputs, "y", attributes);
	ox_outputs(&g, "y");
	return g;
}

/* A weight whose first element is @odd. */
static struct ox_bytes weight_of(float odd)
{
	static const int64_t dims[] = {4, 3, 3, 3};
	float w[4 * 3 * 3 * 3];
	struct ox_bytes g = {0}, tensor = {0};
	unsigned int i;

	for (i = 0; i < sizeof(w) / sizeof(w[0]); i++)
		w[i] = i ? i * 0.01f - 0.5f : odd;
	ox_tensor(&tensor, "w", OX_FLOAT, 4, dims, w, sizeof(w));
	ox_message(&g, 5, &tensor);
	ox_node(&g, "Conv", "x[1,3,8,8] *w", "y", "");
	ox_outputs(&g, "y");
	return g;
}

static struct ox_bytes conv(void)
{
	return weight_of(0.5f);
}

static struct ox_bytes not_a_number(void)
{
	return weight_of(NAN);
}

static struct ox_bytes infinite(void)
{
	return weight_of(INFINITY);
}

/* 4 GiB by its shape, four bytes by its contents. */
static struct ox_bytes claim(void)
{
	static const int64_t dims[] = {1024, 1024, 1024};
	struct ox_bytes g = {0}, tensor = {0};

	ox_tensor(&tensor, "w", OX_FLOAT, 3, dims, "abcd", 4);
	ox_message(&g, 5, &tensor);
	ox_node(&g, "Add", "x[1,4] *w", "y", "");
	ox_outputs(&g, "y");
	return g;
}

/* The length in front of the weight's contents says 4 GiB. */
static struct ox_bytes claim_length(void)
{
	struct ox_bytes g = {0}, tensor = {0};

	ox_int(&tensor, 1, 1 << 30);
	ox_int(&tensor, 2, OX_FLOAT);
	ox_text(&tensor, 8, "w");
	ox_varint(&tensor, 9 << 3 | 2);
	ox_varint(&tensor, 1ull << 32);
	ox_message(&g, 5, &tensor);
	ox_node(&g, "Add", "x[1,4] *w", "y", "");
	ox_outputs(&g, "y");
	return g;
}

/* A few bytes from which 16 GiB are made: of constants, and at run time. */
static struct ox_bytes claim_made(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "ConstantOfShape", "s<32768,32768,4>", "c", "");
	ox_node(&g, "Add", "x[1,4] *c", "y", "");
	ox_outputs(&g, "y");
	return g;
}

static struct ox_bytes claim_expanded(void)
{
	return graph_of("Expand", "x[1,4] s<32768,32768,4>", "");
}

static struct ox_bytes claim_input(void)
{
	return graph_of("Relu", "x[1,65535,65535,65535]", "");
}

static struct ox_bytes zero_between(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Slice", "x[1,4] from<2> to<2> axes<1>", "none", "");
	ox_node(&g, "Relu", "*none", "y", "");
	ox_outputs(&g, "y");
	return g;
}

static struct ox_bytes zero_output(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Relu", "x[1,4]", "y", "");
	ox_node(&g, "ConstantOfShape", "s<0>", "z", "");
	ox_outputs(&g, "y,z");
	return g;
}

static struct ox_bytes not_a_bound(void)
{
	return graph_of("Clip", "x[1,4] lo=nan hi=1", "");
}

static struct ox_bytes not_a_maximum(void)
{
	return graph_of("Max", "x[1,4] k=nan", "");
}

static struct ox_bytes integers(void)
{
	return graph_of("Add", "x[1,4]:u *x", "");
}

static struct ox_bytes zero_input(void)
{
	return graph_of("Relu", "x[1,0,8,8]", "");
}

static struct ox_bytes zero_weight(void)
{
	return graph_of("Conv", "x[1,3,8,8] w(0,3,3,3)", "");
}

static struct ox_bytes two_inputs(void)
{
	return graph_of("Add", "a[1,4] b[1,4]", "");
}

static struct ox_bytes unknown(void)
{
	return graph_of("Einsum", "a[4,4] b(4,4)", "");
}

/* More than the NPU's commands can say; the last may run on the host. */
static struct ox_bytes large_window(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Relu", "x[1,1,600,600]", "r", "");
	ox_node(&g, "MaxPool", "*r", "pool", "kernel_shape=[300,1]");
	ox_node(&g, "Sin", "*pool", "y", "");
	ox_outputs(&g, "y");
	return g;
}

static struct ox_bytes large_batch(void)
{
	return graph_of("Conv", "x[2,3,8,8] w(4,3,3,3)", "");
}

static struct ox_bytes large_extent(void)
{
	return graph_of("Sin", "x[1,70000]", "");
}

/* Much that leaves nothing to compute, one way or another. */
static struct ox_bytes leftovers(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Constant", "", "c", "value_float=1f");
	ox_node(&g, "Identity", "x[1,3,8,8]", "i", "");
	ox_node(&g, "Conv", "*i w(4,3,3,3)", "conv", "pads=[1,1,1,1]");
	ox_node(&g, "Relu", "*conv", "relu", "");
	ox_node(&g, "Dropout", "*relu", "drop", "");
	ox_node(&g, "Shape", "*drop", "shape", "");
	ox_node(&g, "Reshape", "*drop *shape", "same", "");
	ox_node(&g, "Sin", "*x", "unused", "");
	ox_node(&g, "Transpose", "*same", "there", "perm=[0,2,3,1]");
	ox_node(&g, "Transpose", "*there", "back", "perm=[0,3,1,2]");
	ox_node(&g, "Exp", "*c", "e", "");
	ox_node(&g, "Mul", "*back *e", "y", "");
	ox_outputs(&g, "y");
	return g;
}

/* An output that is the input: no node of the file copies it. */
static struct ox_bytes copy(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Relu", "x[1,4]", "y", "");
	ox_outputs(&g, "y,x");
	return g;
}

/* The host's part at the end gives minus infinity where an input is 0. */
static struct ox_bytes logarithm(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Relu", "x[1,4]", "r", "");
	ox_node(&g, "Log", "*r", "y", "");
	ox_outputs(&g, "y");
	return g;
}

/* A name that a terminal would obey, a path, and no ASCII. */
static struct ox_bytes names(void)
{
	struct ox_bytes g = {0};

	ox_node(&g, "Relu", "x[1,4]", "../\033[31m\"\\\xc3\xa9", "");
	ox_outputs(&g, "../\033[31m\"\\\xc3\xa9");
	return g;
}

static const struct {
	const char *kind;
	struct ox_bytes (*graph)(void);
	unsigned int cut; /* bytes left out at the end */
} kinds[] = {
	{"conv", conv, 0},
	{"truncated", conv, 100},
	{"nan", not_a_number, 0},
	{"inf", infinite, 0},
	{"claim", claim, 0},
	{"claim-length", claim_length, 0},
	{"claim-made", claim_made, 0},
	{"claim-expanded", claim_expanded, 0},
	{"claim-input", claim_input, 0},
	{"nan-bound", not_a_bound, 0},
	{"nan-maximum", not_a_maximum, 0},
	{"zero-between", zero_between, 0},
	{"zero-output", zero_output, 0},
	{"integers", integers, 0},
	{"zero-input", zero_input, 0},
	{"zero-weight", zero_weight, 0},
	{"two-inputs", two_inputs, 0},
	{"unknown", unknown, 0},
	{"log", logarithm, 0},
	{"names", names, 0},
	{"large-window", large_window, 0},
	{"large-batch", large_batch, 0},
	{"large-extent", large_extent, 0},
	{"leftovers", leftovers, 0},
	{"copy", copy, 0},
};

static void put(const void *data, size_t n)
{
	if (fwrite(data, 1, n, stdout) != n)
		exit(1);
}

/* Tags of messages that may hold each other without end: @first, then @loop again and again. */
struct nesting {
	const char *kind;
	unsigned int nr_first, nr_loop;
	unsigned char tags[8];
};

static const struct nesting nestings[] = {
	/* ModelProto.graph; GraphProto.node, NodeProto.attribute, AttributeProto.g */
	{"nested", 1, 3, {7 << 3 | 2, 1 << 3 | 2, 5 << 3 | 2, 6 << 3 | 2}},
	/* .graph, .input, ValueInfoProto.type; TypeProto.sequence_type, .elem_type */
	{"nested-types", 3, 2, {7 << 3 | 2, 11 << 3 | 2, 2 << 3 | 2, 4 << 3 | 2, 1 << 3 | 2}},
};

static unsigned char tag_of(const struct nesting *n, unsigned int level)
{
	return n->tags[level < n->nr_first ? level
					   : (level - n->nr_first) % n->nr_loop + n->nr_first];
}

/* Written from the innermost outwards. */
static void put_nested(const struct nesting *nesting, unsigned int levels)
{
	size_t room = (size_t)levels * 6 + 1, n = 0, length;
	unsigned char *end = (unsigned char *)malloc(room) + room, varint[10];
	unsigned int i, k;

	for (i = levels; i-- > 0;) {
		for (length = n, k = 0; length >= 0x80; length >>= 7)
			varint[k++] = length | 0x80;
		varint[k++] = length;
		n += k + 1;
		end[-n] = tag_of(nesting, i);
		memcpy(end - n + 1, varint, k);
	}
	put(end - n, n);
	free(end - room);
}

int main(int argc, char **argv)
{
	struct ox_bytes g, m;
	size_t i;

	for (i = 0; i < sizeof(nestings) / sizeof(nestings[0]) && argc == 2; i++) {
		if (strcmp(argv[1], nestings[i].kind))
			continue;
		put_nested(&nestings[i], 600000);
		return 0;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && argc == 2; i++) {
		if (strcmp(argv[1], kinds[i].kind))
			continue;
		g = kinds[i].graph();
		m = ox_model(&g, 13);
		put(m.p, m.n - kinds[i].cut);
		ox_free(&m);
		return 0;
	}
	fprintf(stderr, "usage: odd_onnx KIND > FILE\n");
	return 2;
}
