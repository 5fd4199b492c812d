// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "pass_private.h"

/* Operators that are convolutions or pools in disguise. */

#define MAX_KERNEL   255
#define SPATIAL_AXES ((1u << 2) | (1u << 3))

static struct keel_tensor *pixel(struct keel_graph *g, const struct keel_tensor *like,
				 int64_t channels)
{
	const int64_t dims[] = {1, channels, 1, 1};

	return keel_graph_tensor(g, like->name, KEEL_F32, 4, dims);
}

/* @n gives @mid now; a new RESHAPE gives what @n gave before. */
static int reshape_behind(struct keel_graph *g, struct keel_node *n, struct keel_tensor *mid)
{
	struct keel_tensor *y = n->outputs[0];
	struct keel_node *r;

	if (!mid)
		return -ENOMEM;
	n->outputs[0] = mid;
	mid->producer = n;
	r = keel_graph_node(g, KEEL_OP_RESHAPE, n->name, 1, &mid, 1, &y);
	if (!r)
		return -ENOMEM;
	keel_node_inherit(r, n);
	return 1;
}

/* [O, C*H*W] seen as [O, C, H, W]: the same memory unless somebody else reads it. */
static struct keel_tensor *kernel_of(struct keel_graph *g, const struct keel_tensor *w,
				     const struct keel_tensor *x)
{
	const int64_t dims[] = {w->dims[0], x->dims[1], x->dims[2], x->dims[3]};
	struct keel_tensor *k;

	if (keel_graph_uses(g, w) != 1) {
		k = keel_graph_constant(g, w->name, KEEL_F32, 4, dims, w->data);
	} else {
		k = keel_graph_tensor(g, w->name, KEEL_F32, 4, dims);
		if (k)
			k->data = w->data;
	}
	if (k) {
		k->given_scales = w->given_scales;
		k->nr_given_scales = w->nr_given_scales;
	}
	return k;
}

static bool is_picture(const struct keel_tensor *x, const struct keel_tensor *w)
{
	return x->rank == 4 && x->dims[0] == 1 && x->dims[2] <= MAX_KERNEL &&
	       x->dims[3] <= MAX_KERNEL && x->dims[1] * x->dims[2] * x->dims[3] == w->dims[1];
}

/* Flatten before a fully connected layer costs nothing when the layer reads the picture itself. */
int keel_rule_flatten(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_node *flatten;
	struct keel_tensor *x, *kernel;

	if (n->op != KEEL_OP_FC || !keel_pass_is_mac(n) || n->inputs[0]->dims[0] != 1)
		return 0;
	flatten = n->inputs[0]->producer;
	if (!flatten || flatten->op != KEEL_OP_RESHAPE)
		return 0;
	x = flatten->inputs[0];
	if (!is_picture(x, n->inputs[1]))
		return 0;
	kernel = kernel_of(g, n->inputs[1], x);
	if (!kernel || keel_node_join(g, n, flatten))
		return -ENOMEM;
	n->op = KEEL_OP_CONV;
	n->inputs[0] = x;
	n->inputs[1] = kernel;
	n->groups = 1;
	n->window.kernel[0] = x->dims[2];
	n->window.kernel[1] = x->dims[3];
	return reshape_behind(g, n, pixel(g, n->outputs[0], kernel->dims[0]));
}

/* Mean and maximum over the whole picture are pools. */
int keel_rule_reduce(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *x;

	if ((n->op != KEEL_OP_REDUCE_MEAN && n->op != KEEL_OP_REDUCE_MAX) ||
	    n->axes != SPATIAL_AXES)
		return 0;
	x = n->inputs[0];
	if (x->rank != 4 || x->type != KEEL_F32 || x->dims[0] != 1 || x->dims[2] > MAX_KERNEL ||
	    x->dims[3] > MAX_KERNEL)
		return 0;
	n->op = n->op == KEEL_OP_REDUCE_MEAN ? KEEL_OP_AVERAGE_POOL : KEEL_OP_MAX_POOL;
	n->axes = 0;
	n->window.kernel[0] = x->dims[2];
	n->window.kernel[1] = x->dims[3];
	if (n->outputs[0]->rank == 4)
		return 1;
	return reshape_behind(g, n, pixel(g, n->outputs[0], x->dims[1]));
}
