// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factorize.h"
#include "factorize_rig.h"
#include "random_net.h"

/*
 * What BatchNorms say of a network is compared with what the network does: their
 * means and variances are set to those of their inputs on the samples, as training
 * would, and whatever is noted must then be found by calibration.
 */

#define SAMPLES 3

static double variance(const struct keel_channel_stats *c)
{
	return fmax(c->power - c->mean * c->mean, 0);
}

/* Compares every node that has moments; returns how many there were. */
static unsigned int compare(const struct keel_graph *g, const char *when, uint64_t seed)
{
	struct keel_stats *stats = net_stats(g, SAMPLES);
	unsigned int i, c, found = 0;

	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i];
		const struct keel_moments *m = &n->moments;
		const struct keel_tensor_stats *s = keel_stats_of(stats, n->outputs[0]);

		if (!m->channels)
			continue;
		found++;
		ck_assert_uint_eq(m->channels, s->channels);
		for (c = 0; c < m->channels; c++) {
			const struct keel_channel_stats *is = keel_stats_pre(s, c);
			double size = sqrt(is->power) + 1e-6;

			ck_assert_msg(fabs(m->mean[c] - is->mean) < 2e-3 * size &&
					      fabs(m->deviation[c] - sqrt(variance(is))) <
						      2e-3 * size,
				      "%s, seed %llu, '%s' channel %u: noted %g +- %g, found %g "
				      "+- %g",
				      when, (unsigned long long)seed, n->name, c, m->mean[c],
				      m->deviation[c], is->mean, sqrt(variance(is)));
		}
	}
	keel_stats_del(stats);
	return found;
}

static void check_seed(uint64_t seed, unsigned int *found)
{
	const struct keel_factorize_options o = {.mode = KEEL_FACTORIZE_TWO_STEP};
	struct keel_graph *g = net_random(seed, false), *copy;
	struct keel_factorize_plan *plan;
	struct keel_stats *stats;
	struct keel_error e = {""};
	unsigned int before, after;

	if (net_count(g, KEEL_OP_BATCHNORM)) {
		net_train(g, SAMPLES);
		factorize_rig_prepare(g);
		before = compare(g, "folded", seed);
		copy = keel_graph_clone(g);
		ck_assert_uint_eq(compare(copy, "cloned", seed), before);
		stats = net_stats(g, SAMPLES);
		ck_assert_int_eq(keel_factorize_plan(g, stats, &o, &plan, &e), 0);
		keel_factorize_apply(plan, copy, NULL, &e);
		after = compare(copy, "factorized", seed);
		ck_assert_uint_le(after, before);
		*found += after;
		keel_factorize_plan_del(plan);
		keel_stats_del(stats);
		keel_graph_del(copy);
	}
	keel_graph_del(g);
}

START_TEST(random_networks)
{
	unsigned int found = 0;
	uint64_t seed;

	for (seed = 0; seed < 300; seed++)
		check_seed(seed, &found);
	ck_assert_uint_gt(found, 100);
}
END_TEST

static struct keel_tensor *start(struct net *n)
{
	*n = net_new(44);
	return net_input(n, 3, 6, 6);
}

/* conv, BatchNorm: the BatchNorm's; the deviation is |gamma| but for epsilon. */
START_TEST(folded_backward)
{
	struct net n;
	struct keel_tensor *y = net_batchnorm(&n, net_conv(&n, start(&n), 8, 3, 1, 1));
	const struct keel_node *norm = y->producer;
	float gamma[8], beta[8];
	unsigned int c;

	((float *)norm->inputs[1]->data)[3] *= -1;
	memcpy(gamma, norm->inputs[1]->data, sizeof(gamma));
	memcpy(beta, norm->inputs[2]->data, sizeof(beta));
	net_done(&n, net_unary(&n, KEEL_OP_RELU, y));
	factorize_rig_prepare(n.g);
	ck_assert_uint_eq(n.g->nr_nodes, 1);
	ck_assert_uint_eq(n.g->nodes[0]->moments.channels, 8);
	for (c = 0; c < 8; c++) {
		ck_assert_float_eq(n.g->nodes[0]->moments.mean[c], beta[c]);
		ck_assert_double_eq_tol(n.g->nodes[0]->moments.deviation[c], fabsf(gamma[c]), 2e-3);
	}
	keel_graph_del(n.g);
}
END_TEST

/* BatchNorm, conv: it has seen the output of the layer before. */
START_TEST(folded_forward)
{
	struct net n;
	struct keel_tensor *x = start(&n);
	struct keel_node *add;
	float mean[3], var[3];
	unsigned int c;

	x = net_binary(&n, KEEL_OP_ADD, x, net_conv(&n, x, 3, 3, 1, 1));
	add = x->producer;
	x = net_batchnorm(&n, x);
	memcpy(mean, x->producer->inputs[3]->data, sizeof(mean));
	memcpy(var, x->producer->inputs[4]->data, sizeof(var));
	net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	ck_assert_uint_eq(n.g->nr_nodes, 3);
	ck_assert_uint_eq(add->moments.channels, 3);
	for (c = 0; c < 3; c++) {
		ck_assert_float_eq(add->moments.mean[c], mean[c]);
		ck_assert_double_eq_tol(add->moments.deviation[c], sqrt(var[c]), 1e-6);
	}
	ck_assert_uint_eq(n.g->nodes[2]->moments.channels, 0);
	ck_assert_ptr_null(n.g->nodes[2]->moments.mean);
	keel_graph_del(n.g);
}
END_TEST

/* A BatchNorm behind nested concatenations has seen each part; its own are its output's. */
START_TEST(behind_concatenations)
{
	struct net n;
	struct keel_tensor *x = start(&n), *a, *b, *c, *y;
	float mean[12];
	unsigned int k;

	a = net_conv(&n, x, 4, 3, 1, 1);
	b = net_conv(&n, x, 6, 1, 1, 1);
	c = net_pool(&n, KEEL_OP_MAX_POOL, net_slice(&n, x, 0, 2), 3, 1, 1);
	y = net_batchnorm(&n, net_concat(&n, net_concat(&n, a, b), c));
	memcpy(mean, y->producer->inputs[3]->data, sizeof(mean));
	net_done(&n, net_conv(&n, net_unary(&n, KEEL_OP_RELU, y), 4, 3, 1, 1));
	factorize_rig_prepare(n.g);
	for (k = 0; k < 4; k++)
		ck_assert_float_eq(a->producer->moments.mean[k], mean[k]);
	for (k = 0; k < 6; k++)
		ck_assert_float_eq(b->producer->moments.mean[k], mean[4 + k]);
	for (k = 0; k < 2; k++)
		ck_assert_float_eq(c->producer->moments.mean[k], mean[10 + k]);
	ck_assert_uint_eq(y->producer ? y->producer->moments.channels : 12, 12);
	keel_graph_del(n.g);
}
END_TEST

/* Scale and shift behind a BatchNorm move what it said. */
START_TEST(constants_behind)
{
	static const float twice[] = {-2, -2, -2, -2}, one[] = {1, 2, 3, 4};
	struct net n;
	struct keel_tensor *y = net_batchnorm(&n, net_conv(&n, start(&n), 4, 3, 1, 1)), *in[2];
	const int64_t dims[] = {1, 4, 1, 1};
	float beta[4], gamma[4];
	unsigned int c;

	memcpy(gamma, y->producer->inputs[1]->data, sizeof(gamma));
	memcpy(beta, y->producer->inputs[2]->data, sizeof(beta));
	in[0] = keel_graph_constant(n.g, "s", KEEL_F32, 4, dims, twice);
	in[1] = keel_graph_constant(n.g, "t", KEEL_F32, 4, dims, one);
	y = net_binary(&n, KEEL_OP_MUL, y, in[0]);
	net_done(&n, net_binary(&n, KEEL_OP_ADD, y, in[1]));
	factorize_rig_prepare(n.g);
	ck_assert_uint_eq(n.g->nr_nodes, 1);
	for (c = 0; c < 4; c++) {
		ck_assert_double_eq_tol(n.g->nodes[0]->moments.mean[c], one[c] - 2 * beta[c], 1e-5);
		ck_assert_double_eq_tol(n.g->nodes[0]->moments.deviation[c], 2 * fabsf(gamma[c]),
					5e-3);
	}
	keel_graph_del(n.g);
}
END_TEST

/* No variance, no deviation, whatever gamma says. */
START_TEST(dead_channels)
{
	struct net n;
	struct keel_tensor *y = net_batchnorm(&n, net_conv(&n, start(&n), 4, 3, 1, 1));

	((float *)y->producer->inputs[4]->data)[2] = 0;
	net_done(&n, y);
	factorize_rig_prepare(n.g);
	ck_assert_float_eq(n.g->nodes[0]->moments.deviation[2], 0);
	ck_assert_float_gt(n.g->nodes[0]->moments.deviation[1], 0);
	keel_graph_del(n.g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("moments");
	TCase *c = tcase_create("moments");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, folded_backward);
	tcase_add_test(c, folded_forward);
	tcase_add_test(c, behind_concatenations);
	tcase_add_test(c, constants_behind);
	tcase_add_test(c, dead_channels);
	tcase_add_test(c, random_networks);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
