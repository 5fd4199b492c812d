// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pass_private.h"
#include "weight_view.h"

/* Scale and shift per channel: reading them, and folding them into convolutions. */

void keel_affine_free(struct keel_affine *a)
{
	free(a->scale);
	free(a->shift);
	memset(a, 0, sizeof(*a));
}

static int affine_new(struct keel_affine *a, struct keel_tensor *x)
{
	unsigned int c;

	a->x = x;
	a->channels = x->dims[1];
	a->scale = calloc(a->channels + 1, sizeof(*a->scale));
	a->shift = calloc(a->channels + 1, sizeof(*a->shift));
	if (!a->scale || !a->shift) {
		keel_affine_free(a);
		return -ENOMEM;
	}
	for (c = 0; c < a->channels; c++)
		a->scale[c] = 1;
	return 1;
}

static int bad_variance(const struct keel_node *n, unsigned int channel, struct keel_error *e)
{
	return keel_error_set(e, -EINVAL,
			      "node '%s' (%s): variance plus epsilon of channel %u is not "
			      "positive, so its scale is not finite; repair the network and "
			      "export it again",
			      n->name, n->onnx_op, channel);
}

static int read_batchnorm(const struct keel_node *n, struct keel_affine *a, struct keel_error *e)
{
	const float *p[5] = {NULL};
	unsigned int i, c;
	int err;

	for (i = 1; i < 5; i++) {
		if (!keel_pass_is_const(n->inputs[i]) ||
		    keel_tensor_count(n->inputs[i]) != n->inputs[0]->dims[1])
			return 0;
		p[i] = n->inputs[i]->data;
	}
	err = affine_new(a, n->inputs[0]);
	for (c = 0; err > 0 && c < a->channels; c++) {
		a->scale[c] = p[1][c] / sqrt(p[4][c] + n->epsilon);
		a->shift[c] = p[2][c] - p[3][c] * a->scale[c];
		if (!isfinite(a->scale[c]) || !isfinite(a->shift[c]))
			err = bad_variance(n, c, e);
	}
	if (err < 0)
		keel_affine_free(a);
	return err;
}

/* May @c be seen as one value per channel of @x, or one for all? */
static bool is_per_channel(const struct keel_tensor *x, const struct keel_tensor *c)
{
	unsigned int i;

	if (c->rank > x->rank)
		return false;
	for (i = 0; i < c->rank; i++) {
		unsigned int axis = x->rank - c->rank + i;

		if (c->dims[i] != 1 && (axis != 1 || c->dims[i] != x->dims[1]))
			return false;
	}
	return true;
}

static bool combine(enum keel_op op, bool constant_first, double v, double *scale, double *shift)
{
	switch (op) {
	case KEEL_OP_ADD:
		*shift = v;
		return true;
	case KEEL_OP_MUL:
		*scale = v;
		return true;
	case KEEL_OP_SUB:
		*scale = constant_first ? -1 : 1;
		*shift = constant_first ? v : -v;
		return true;
	case KEEL_OP_DIV:
		*scale = 1 / v;
		return !constant_first && isfinite(*scale);
	default:
		return false;
	}
}

static int read_binary(const struct keel_node *n, struct keel_affine *a)
{
	bool first = keel_pass_is_const(n->inputs[0]);
	struct keel_tensor *x = n->inputs[first], *c = n->inputs[!first];
	const float *v;
	unsigned int i;
	int err;

	if (!keel_pass_is_const(c) || x->data || x->rank < 2 || !is_per_channel(x, c) ||
	    !keel_pass_same_shape(x, n->outputs[0]))
		return 0;
	v = c->data;
	err = affine_new(a, x);
	for (i = 0; err > 0 && i < a->channels; i++)
		if (!combine(n->op, first, v[keel_tensor_count(c) == 1 ? 0 : i], &a->scale[i],
			     &a->shift[i]))
			err = 0;
	if (err <= 0)
		keel_affine_free(a);
	return err;
}

int keel_affine_read(const struct keel_node *n, struct keel_affine *a, struct keel_error *e)
{
	memset(a, 0, sizeof(*a));
	if (n->act.kind != KEEL_ACT_NONE || !n->nr_outputs || n->outputs[0]->type != KEEL_F32)
		return 0;
	if (n->op == KEEL_OP_BATCHNORM && n->nr_inputs == 5 && n->inputs[0]->rank >= 2)
		return read_batchnorm(n, a, e);
	if (n->nr_inputs == 2 && n->inputs[0] && n->inputs[1])
		return read_binary(n, a);
	return 0;
}

/* A node made from @n's bias input: creates zeros where there is none. */
static int own_bias(struct keel_graph *g, struct keel_node *n, unsigned int channels)
{
	const int64_t dims[] = {channels};
	struct keel_tensor **list;

	if (n->nr_inputs > 2 && n->inputs[2])
		return keel_pass_own(g, n, 2);
	list = keel_graph_alloc(g, 3 * sizeof(*list));
	if (!list)
		return -ENOMEM;
	memcpy(list, n->inputs, 2 * sizeof(*list));
	list[2] = keel_graph_constant(g, "bias", KEEL_F32, 1, dims, NULL);
	if (!list[2])
		return -ENOMEM;
	n->inputs = list;
	n->nr_inputs = 3;
	return 0;
}

static int own_all(struct keel_graph *g, struct keel_node *mac, struct keel_weight_view *v)
{
	if (keel_pass_own(g, mac, 1))
		return -ENOMEM;
	return keel_weight_view(mac, v) ? own_bias(g, mac, v->outs) : -ENOMEM;
}

static int fold_back(struct keel_graph *g, struct keel_node *mac, const struct keel_affine *a)
{
	struct keel_weight_view v;
	unsigned int c;
	float *bias;
	size_t r, i;

	if (own_all(g, mac, &v))
		return -ENOMEM;
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; i < (r + 1) * v.run; i++)
			v.data[i] = v.data[i] * a->scale[keel_weight_out(&v, r)];
	bias = mac->inputs[2]->data;
	for (c = 0; c < v.outs; c++)
		bias[c] = bias[c] * a->scale[c] + a->shift[c];
	return 0;
}

/* y = affine(mac(x)) becomes one node. */
int keel_rule_affine_back(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_affine a;
	struct keel_weight_view v;
	struct keel_node *mac;
	int err = keel_affine_read(n, &a, e);

	if (err <= 0)
		return err;
	mac = keel_pass_private_producer(g, a.x);
	err = 0;
	if (mac && keel_pass_is_mac(mac) && mac->act.kind == KEEL_ACT_NONE &&
	    keel_weight_view(mac, &v) && v.outs == a.channels) {
		keel_moments_through(mac, n, &a);
		err = fold_back(g, mac, &a) ? -ENOMEM : keel_pass_absorb(g, mac, n);
	}
	keel_affine_free(&a);
	return err;
}

static int fold_forward(struct keel_graph *g, struct keel_node *mac, const struct keel_affine *a)
{
	struct keel_weight_view v;
	double *sum;
	float *bias;
	size_t r, i;

	if (own_all(g, mac, &v))
		return -ENOMEM;
	sum = calloc(v.outs, sizeof(*sum));
	if (!sum)
		return -ENOMEM;
	for (r = 0; r < v.runs; r++) {
		unsigned int in = keel_weight_in(&v, r);

		for (i = r * v.run; i < (r + 1) * v.run; i++) {
			sum[keel_weight_out(&v, r)] += v.data[i] * a->shift[in];
			v.data[i] = v.data[i] * a->scale[in];
		}
	}
	bias = mac->inputs[2]->data;
	for (i = 0; i < v.outs; i++)
		bias[i] += sum[i];
	free(sum);
	return 0;
}

static bool no_shift(const struct keel_affine *a)
{
	unsigned int c;

	for (c = 0; c < a->channels; c++)
		if (a->shift[c] != 0)
			return false;
	return true;
}

static bool no_padding(const struct keel_window *w)
{
	return !w->pad[0] && !w->pad[1] && !w->pad[2] && !w->pad[3];
}

/* Padding is zeros behind the shift, so a shift cannot pass through a padded convolution. */
static bool accepts_forward(const struct keel_node *mac, const struct keel_affine *a,
			    const struct keel_tensor *y)
{
	struct keel_weight_view v;

	if (!mac || !keel_pass_is_mac(mac) || mac->inputs[0] != y || !keel_weight_view(mac, &v) ||
	    v.ins != a->channels)
		return false;
	if (mac->op == KEEL_OP_FC)
		return y->rank == 2;
	return mac->op == KEEL_OP_CONV && (no_shift(a) || no_padding(&mac->window));
}

/* mac(affine(x)) becomes one node. */
int keel_rule_affine_forward(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_affine a;
	struct keel_node *mac;
	int err = keel_affine_read(n, &a, e);

	if (err <= 0)
		return err;
	mac = keel_graph_consumer(g, n->outputs[0]);
	err = 0;
	if (accepts_forward(mac, &a, n->outputs[0]) && keel_graph_uses(g, n->outputs[0]) == 1) {
		err = fold_forward(g, mac, &a) || keel_node_join(g, mac, n) ? -ENOMEM : 1;
		mac->inputs[0] = a.x;
		keel_graph_remove(g, n);
	}
	keel_affine_free(&a);
	return err;
}
