// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "random_net.h"

/* Samples, statistics and outputs of test networks. */

static int get_noise(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_graph *g = ctx;
	struct net n = {.seed = index * 104729 + 17};
	unsigned int i;
	int64_t k;

	for (i = 0; i < g->nr_inputs; i++)
		for (k = 0; k < keel_tensor_count(g->inputs[i]); k++)
			((float *)inputs[i])[k] = net_uniform(&n);
	return 0;
}

struct keel_sample_source net_source(const struct keel_graph *g, size_t count)
{
	return (struct keel_sample_source){count, get_noise, (void *)g};
}

struct keel_stats *net_stats(const struct keel_graph *g, size_t samples)
{
	struct keel_sample_source source = net_source(g, samples);
	const struct keel_calibrate_options options = {.threads = 1};
	struct keel_stats *stats;
	struct keel_error e = {""};

	ck_assert_msg(!keel_calibrate(g, &source, &options, &stats, &e), "%s", e.text);
	return stats;
}

/* Each change moves what the BatchNorms behind it see. */
void net_train(struct keel_graph *g, size_t samples)
{
	unsigned int i, c;

	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i];
		const struct keel_tensor_stats *s;
		struct keel_stats *stats;

		if (n->op != KEEL_OP_BATCHNORM)
			continue;
		stats = net_stats(g, samples);
		s = keel_stats_of(stats, n->inputs[0]);
		for (c = 0; c < s->channels; c++) {
			double mean = s->post[c].mean;

			((float *)n->inputs[3]->data)[c] = mean;
			((float *)n->inputs[4]->data)[c] = fmax(s->post[c].power - mean * mean, 0);
		}
		keel_stats_del(stats);
	}
}

static void fake_channel(struct net *n, struct keel_channel_stats *c)
{
	double size = exp2(4 * net_uniform(n));

	c->max = net_below(n, 10) ? size : 0;
	c->min = net_below(n, 2) ? 0 : -size * fabs(net_uniform(n));
	c->mean = (c->min + c->max) / 2;
	c->power = c->mean * c->mean + size * size / 12;
}

static void fake_tensor(struct net *n, const struct keel_tensor *t, struct keel_tensor_stats *s)
{
	unsigned int c;

	if (t->data || t->type != KEEL_F32)
		return;
	s->channels = t->rank >= 2 ? t->dims[1] : 1;
	s->post = calloc(s->channels, sizeof(*s->post));
	ck_assert_ptr_nonnull(s->post);
	for (c = 0; c < s->channels; c++) {
		fake_channel(n, &s->post[c]);
		s->min = fminf(s->min, s->post[c].min);
		s->max = fmaxf(s->max, s->post[c].max);
	}
}

struct keel_stats *net_fake_stats(const struct keel_graph *g, uint64_t seed)
{
	struct keel_stats *s = keel_stats_new(g);
	struct net n = {.seed = seed};
	unsigned int i;

	ck_assert_ptr_nonnull(s);
	for (i = 0; i < g->nr_tensors; i++)
		fake_tensor(&n, g->tensors[i], &s->tensors[i]);
	return s;
}

static float *join_outputs(const struct keel_graph *g, const struct keel_float *f, size_t *count)
{
	float *all;
	size_t at = 0, nr;
	unsigned int i;

	for (*count = 0, i = 0; i < g->nr_outputs; i++)
		*count += keel_tensor_count(g->outputs[i]);
	all = malloc(*count * sizeof(*all));
	ck_assert_ptr_nonnull(all);
	for (i = 0; i < g->nr_outputs; i++, at += nr) {
		nr = keel_tensor_count(g->outputs[i]);
		memcpy(all + at, keel_float_output(f, i), nr * sizeof(*all));
	}
	return all;
}

float *net_outputs(const struct keel_graph *g, size_t sample, size_t *count)
{
	struct keel_error e = {""};
	struct keel_float *f = keel_float_new(g, &e);
	void *inputs[4];
	float *all;
	unsigned int i;

	ck_assert_msg(f, "%s", e.text);
	ck_assert_uint_le(g->nr_inputs, 4);
	for (i = 0; i < g->nr_inputs; i++)
		inputs[i] = calloc(keel_tensor_count(g->inputs[i]), sizeof(float));
	get_noise((void *)g, sample, inputs, NULL);
	ck_assert_msg(!keel_float_run(f, (const void *const *)inputs, NULL, NULL, &e), "%s",
		      e.text);
	all = join_outputs(g, f, count);
	for (i = 0; i < g->nr_inputs; i++)
		free(inputs[i]);
	keel_float_del(f);
	return all;
}

static struct keel_tensor *activation(struct net *n, struct keel_tensor *x, bool homogeneous)
{
	switch (net_below(n, homogeneous ? 5 : 7)) {
	case 0:
		return x;
	case 1:
		return net_unary(n, KEEL_OP_LEAKY_RELU, x);
	case 2:
		return net_prelu(n, x);
	case 5:
		return net_clip(n, x, 0, 0.75);
	case 6:
		return net_unary(n, KEEL_OP_SIGMOID, x);
	default:
		return net_unary(n, KEEL_OP_RELU, x);
	}
}

/* Four channels a group, so that every split divides. */
static int64_t some_channels(struct net *n)
{
	return 4 * (1 + net_below(n, 3));
}

static struct keel_tensor *residual(struct net *n, struct keel_tensor *x, bool homogeneous)
{
	struct keel_tensor *y = net_conv(n, x, x->dims[1], 3, 1, 1);

	if (net_below(n, 2))
		y = net_conv(n, activation(n, y, homogeneous), x->dims[1], 1, 1, 1);
	y = net_binary(n, KEEL_OP_ADD, x, y);
	return net_below(n, 2) ? y : net_unary(n, KEEL_OP_RELU, y);
}

static struct keel_tensor *branches(struct net *n, struct keel_tensor *x, bool homogeneous)
{
	struct keel_tensor *a = net_conv(n, x, some_channels(n), 1, 1, 1);
	struct keel_tensor *b = net_conv(n, x, some_channels(n), 3, 1, 1);

	a = activation(n, a, homogeneous);
	b = net_below(n, 4) ? activation(n, b, homogeneous) : x;
	return net_concat(n, a, b);
}

static struct keel_tensor *split(struct net *n, struct keel_tensor *x)
{
	int64_t c = x->dims[1];
	struct keel_tensor *a = net_slice(n, x, 0, c / 2), *b = net_slice(n, x, c / 2, c);

	return net_concat(n, net_conv(n, b, c / 2, 1, 1, 1), a);
}

static struct keel_tensor *step(struct net *n, struct keel_tensor *x, bool homogeneous)
{
	switch (net_below(n, 14)) {
	case 0:
		return activation(n, net_depthwise(n, x, 1), homogeneous);
	case 1:
		return residual(n, x, homogeneous);
	case 2:
		return branches(n, x, homogeneous);
	case 3:
		return x->dims[3] < 4 ? x : net_pool(n, KEEL_OP_MAX_POOL, x, 2, 2, 0);
	case 4:
		return x->dims[3] < 4 ? x : net_pool(n, KEEL_OP_AVERAGE_POOL, x, 3, 1, 1);
	case 5:
		return activation(n, net_conv(n, x, some_channels(n), 1, 1, 2), homogeneous);
	case 6:
		return net_shuffle(n, x, 2);
	case 7:
		return split(n, x);
	case 8:
		return x->dims[3] > 8 ? x : net_conv_transpose(n, x, some_channels(n));
	case 9:
		return net_batchnorm(n, x);
	case 10:
		return homogeneous ? net_pad(n, x, 1, 0) : net_gate(n, x);
	default:
		return activation(n, net_conv(n, x, some_channels(n), 3, 1, 1), homogeneous);
	}
}

static struct keel_tensor *head(struct net *n, struct keel_tensor *x, bool homogeneous)
{
	if (net_below(n, 3))
		x = net_pool(n, KEEL_OP_MAX_POOL, x, 2, x->dims[3] > 4 ? 2 : 1, 0);
	else
		x = net_global(n, x);
	x = net_flatten(n, x);
	if (net_below(n, 2))
		x = net_unary(n, KEEL_OP_RELU, net_fc(n, x, 12));
	x = net_fc(n, x, 5);
	return homogeneous || net_below(n, 2) ? x : net_softmax(n, x);
}

struct keel_graph *net_random(uint64_t seed, bool homogeneous)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = net_input(&n, 3, 6 + 2 * net_below(&n, 2), 6);
	unsigned int steps = 2 + net_below(&n, 8);

	x = activation(&n, net_conv(&n, x, 8, 3, 1, 1), homogeneous);
	while (steps--) {
		x = step(&n, x, homogeneous);
		/* Now and then a value is also an output. */
		if (!net_below(&n, 12))
			ck_assert_int_eq(keel_graph_add_output(n.g, net_conv(&n, x, 3, 1, 1, 1)),
					 0);
		if (!net_below(&n, 20) && !keel_tensor_is_output(n.g, x))
			ck_assert_int_eq(keel_graph_add_output(n.g, x), 0);
	}
	x = head(&n, x, homogeneous);
	if (seed % 4 == 3)
		net_save(&n);
	return net_done(&n, x);
}
