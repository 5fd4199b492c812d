// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>

#include "random_net.h"

/* Networks out of the blocks that published ones are made of. */

typedef struct keel_tensor *block(struct net *n, struct keel_tensor *x);

static int64_t some_channels(struct net *n)
{
	return 4 * (1 + net_below(n, 3));
}

static struct keel_tensor *homogeneous(struct net *n, struct keel_tensor *x)
{
	switch (net_below(n, 4)) {
	case 0:
		return net_prelu(n, x);
	case 1:
		return net_unary(n, KEEL_OP_LEAKY_RELU, x);
	case 2:
		return net_clip(n, x, 0, 0.75);
	default:
		return net_unary(n, KEEL_OP_RELU, x);
	}
}

static struct keel_tensor *grouped(struct net *n, struct keel_tensor *x)
{
	return homogeneous(n, net_conv(n, x, some_channels(n), 3, 1, net_below(n, 2) ? 2 : 4));
}

/* MobileNetV2: expand, depthwise, project, all clipped at 6 or so, and the skip */
static struct keel_tensor *inverted(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *y = net_clip(n, net_conv(n, x, 2 * x->dims[1], 1, 1, 1), 0, 0.75);

	y = net_clip(n, net_depthwise(n, y, 1), 0, 0.75);
	y = net_conv(n, y, x->dims[1], 1, 1, 1);
	return net_below(n, 3) ? net_binary(n, KEEL_OP_ADD, x, y) : y;
}

/* ResNet: two convolutions beside the skip, which may have one of its own */
static struct keel_tensor *residual(struct net *n, struct keel_tensor *x)
{
	int64_t out = net_below(n, 2) ? x->dims[1] : some_channels(n);
	struct keel_tensor *y = homogeneous(n, net_conv(n, x, out, 3, 1, 1));

	y = net_conv(n, y, out, 3, 1, 1);
	if (out != x->dims[1])
		x = net_conv(n, x, out, 1, 1, 1);
	return net_unary(n, KEEL_OP_RELU, net_binary(n, KEEL_OP_ADD, x, y));
}

/* DenseNet: normalized before it is read, joined to what it has read */
static struct keel_tensor *dense(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *y = net_unary(n, KEEL_OP_RELU, net_batchnorm(n, x));

	y = net_unary(n, KEEL_OP_RELU, net_batchnorm(n, net_conv(n, y, 8, 1, 1, 1)));
	return net_concat(n, x, net_conv(n, y, 4, 3, 1, 1));
}

static struct keel_tensor *inception(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *a = homogeneous(n, net_conv(n, x, some_channels(n), 1, 1, 1));
	struct keel_tensor *b = net_pool(n, KEEL_OP_AVERAGE_POOL, x, 3, 1, 1);

	return net_concat(n, a, homogeneous(n, net_conv(n, b, some_channels(n), 1, 1, 1)));
}

static struct keel_tensor *squeeze(struct net *n, struct keel_tensor *x)
{
	return net_gate(n, homogeneous(n, net_conv(n, x, some_channels(n), 3, 1, 1)));
}

/* MobileNetV3: hard-swish around it and a hard sigmoid as the gate */
static struct keel_tensor *hard_squeeze(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *y = net_depthwise(n, x, 1), *s;

	s = net_unary(n, KEEL_OP_RELU, net_conv(n, net_global(n, y), 4, 1, 1, 1));
	s = net_unary(n, KEEL_OP_HARD_SIGMOID, net_conv(n, s, y->dims[1], 1, 1, 1));
	if (net_below(n, 2))
		y = net_binary(n, KEEL_OP_MUL, s, y);
	else
		y = net_binary(n, KEEL_OP_MUL, y, s);
	return net_unary(n, KEEL_OP_HARD_SWISH, y);
}

/* EfficientNet: SiLU, then squeeze and excitation, then a linear projection */
static struct keel_tensor *swish(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *y = net_depthwise(n, x, 1);

	y = net_binary(n, KEEL_OP_MUL, y, net_unary(n, KEEL_OP_SIGMOID, y));
	return net_conv(n, net_gate(n, y), some_channels(n), 1, 1, 1);
}

static struct keel_tensor *silu(struct net *n, struct keel_tensor *x)
{
	return net_unary(n, KEEL_OP_SILU, net_conv(n, x, some_channels(n), 3, 1, 1));
}

/* A gate of its own: linear in one operand */
static struct keel_tensor *gated(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *a = net_conv(n, x, 8, 3, 1, 1), *b = net_conv(n, x, 8, 1, 1, 1);

	return net_binary(n, KEEL_OP_MUL, net_unary(n, KEEL_OP_SIGMOID, b), a);
}

static struct keel_tensor *lrn(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *y = net_unary(n, KEEL_OP_LRN, net_conv(n, x, 8, 3, 1, 1));

	y->producer->size = 5;
	y->producer->alpha = 0.1;
	y->producer->beta = 0.75;
	y->producer->bias = 1;
	return y;
}

static struct keel_tensor *shuffled(struct net *n, struct keel_tensor *x)
{
	return net_shuffle(n, homogeneous(n, net_conv(n, x, some_channels(n), 1, 1, 2)), 2);
}

static struct keel_tensor *pooled(struct net *n, struct keel_tensor *x)
{
	return x->dims[3] < 4 ? x : net_pool(n, KEEL_OP_MAX_POOL, x, 2, 2, 0);
}

static struct keel_tensor *transposed(struct net *n, struct keel_tensor *x)
{
	return x->dims[3] > 6 ? x : homogeneous(n, net_conv_transpose(n, x, some_channels(n)));
}

static struct keel_tensor *plain(struct net *n, struct keel_tensor *x)
{
	return homogeneous(n, net_conv(n, x, some_channels(n), 3, 1, 1));
}

static block *const blocks[] = {
	grouped, inverted, residual, dense,    inception, squeeze,    hard_squeeze, swish,
	silu,	 gated,	   lrn,	     shuffled, pooled,	  transposed, plain,
};

#define NR_BLOCKS (sizeof(blocks) / sizeof(blocks[0]))

struct keel_graph *net_blocks(uint64_t seed)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	unsigned int steps = 1 + net_below(&n, 5);

	x = homogeneous(&n, net_conv(&n, x, 8, 3, 1, 1));
	/* Every block comes first in every fifteenth network. */
	x = blocks[seed % NR_BLOCKS](&n, x);
	while (steps--) {
		x = blocks[net_below(&n, NR_BLOCKS)](&n, x);
		if (!net_below(&n, 10) && !keel_tensor_is_output(n.g, x))
			ck_assert_int_eq(keel_graph_add_output(n.g, x), 0);
	}
	x = net_fc(&n, net_flatten(&n, net_global(&n, plain(&n, x))), 5);
	if (seed % 4 == 3)
		net_save(&n);
	return net_done(&n, x);
}
