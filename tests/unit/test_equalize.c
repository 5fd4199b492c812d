// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "factorize_rig.h"
#include "random_net.h"

/* Cross-layer equalization: what it is defined by, on pairs, triples and random networks. */

static const struct keel_factorize_options equalize = {.mode = KEEL_FACTORIZE_EQUALIZE};

/* max |w| over the runs of channel @c: of the output, or of the input */
static double extent(const struct keel_node *n, unsigned int c, bool rows)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r, i;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; i < (r + 1) * v.run; i++)
			if ((rows ? keel_weight_out(&v, r) : keel_weight_in(&v, r)) == c)
				max = fmax(max, fabsf(v.data[i]));
	return max;
}

static struct keel_tensor *start(struct net *n, uint64_t seed)
{
	*n = net_new(seed);
	n->spread = 6;
	return net_input(n, 3, 6, 6);
}

/* r1 = r2 = sqrt(r1 r2), and s_i = sqrt(r1 r2) / r1 */
START_TEST(pairs)
{
	struct net n;
	struct keel_tensor *x = start(&n, _i);
	struct keel_factorize_plan *plan;
	struct keel_stats *stats;
	double r1[8], r2[8];
	struct keel_error e;
	unsigned int c;

	x = net_unary(&n, _i % 2 ? KEEL_OP_RELU : KEEL_OP_LEAKY_RELU, net_conv(&n, x, 8, 3, 1, 1));
	net_done(&n, net_conv(&n, x, 6, 3, 1, _i % 3 ? 1 : 2));
	factorize_rig_prepare(n.g);
	for (c = 0; c < 8; c++) {
		r1[c] = extent(n.g->nodes[0], c, true);
		r2[c] = extent(n.g->nodes[1], c, false);
	}
	stats = net_stats(n.g, 2);
	plan = factorize_rig_plan(n.g, stats, &equalize);
	ck_assert_int_eq(keel_factorize_apply(plan, n.g, NULL, &e), 0);
	for (c = 0; c < 8; c++) {
		ck_assert_double_eq_tol(plan->layers[0].scale[c], sqrt(r1[c] * r2[c]) / r1[c],
					1e-6 * plan->layers[0].scale[c]);
		ck_assert_double_eq_tol(extent(n.g->nodes[0], c, true), sqrt(r1[c] * r2[c]), 1e-5);
		ck_assert_double_eq_tol(extent(n.g->nodes[1], c, false), sqrt(r1[c] * r2[c]), 1e-5);
	}
	ck_assert_uint_eq(plan->layers[0].limits[KEEL_LIMIT_EQUAL], 8);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	keel_graph_del(n.g);
}
END_TEST

/* All three have the cube root: up to a factor that a whole layer has in common. */
START_TEST(triples)
{
	struct net n;
	struct keel_tensor *x = start(&n, 100 + _i);
	struct keel_factorize_plan *plan;
	double want, found, ratio[3] = {0};
	struct keel_stats *stats;
	double r[3][8];
	struct keel_error e;
	unsigned int c, k;

	x = net_clip(&n, net_conv(&n, x, 8, 1, 1, 1), 0, 0.5);
	x = net_clip(&n, net_depthwise(&n, x, 1), 0, 0.5);
	net_done(&n, net_conv(&n, x, 5, 1, 1, 1));
	factorize_rig_prepare(n.g);
	for (k = 0; k < 3; k++)
		for (c = 0; c < 8; c++)
			r[k][c] = extent(n.g->nodes[k], c, k < 2);
	stats = net_stats(n.g, 2);
	plan = factorize_rig_plan(n.g, stats, &equalize);
	ck_assert_int_eq(keel_factorize_apply(plan, n.g, NULL, &e), 0);
	for (c = 0; c < 8; c++) {
		want = cbrt(r[0][c] * r[1][c] * r[2][c]);
		for (k = 0; k < 3; k++) {
			found = extent(n.g->nodes[k], c, k < 2);
			ratio[k] = c ? ratio[k] : found / want;
			ck_assert_double_eq_tol(found / want, ratio[k], 5e-3 * ratio[k]);
		}
	}
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	keel_graph_del(n.g);
}
END_TEST

/* Largest weights that make @v and that read it, with the plan. */
static struct keel_factorize_extent extent_of(const struct keel_factorize_private *p, uint32_t v)
{
	struct keel_factorize_extent e = {0};
	unsigned int i;
	size_t o, c;

	for (i = 0; i < p->labels.g->nr_nodes; i++) {
		const struct keel_factorize_matrix *m = &p->matrices[i];
		size_t ins = m->view.group_ins;

		for (o = 0; o < m->view.outs; o++)
			for (c = 0; c < ins; c++) {
				uint32_t in = m->in[o / m->view.group_outs * ins + c];
				double w = m->range[o * ins + c] *
					   keel_factorize_scale_of(p, m->out[o]) /
					   keel_factorize_scale_of(p, in);

				e.made = fmax(e.made, m->out[o] == v ? w : 0);
				e.read = fmax(e.read, in == v ? w : 0);
			}
	}
	return e;
}

/* Both are equal where a channel ends, unless the cap is in the way. */
static void check_balance(const struct keel_graph *g, const struct keel_stats *stats, uint64_t seed)
{
	struct keel_factorize_options o = equalize;
	struct keel_factorize_plan *plan;
	const struct keel_factorize_private *p;
	unsigned int group, i;

	o.cap = INFINITY;
	plan = factorize_rig_plan(g, stats, &o);
	p = plan->priv;

	for (group = 0; group < plan->nr_layers; group++) {
		double least = INFINITY, most = 0;

		for (i = p->first_member[group]; i < p->first_member[group + 1]; i++) {
			struct keel_factorize_extent e = extent_of(p, p->members[i]);

			if (!(e.made > 0) || !(e.read > 0))
				continue;
			least = fmin(least, e.made / e.read);
			most = fmax(most, e.made / e.read);
		}
		/* It ends when nothing moves by a percent; neighbours may have moved since. */
		ck_assert_msg(!(most > 1.1 * least), "seed %llu, group %u: %g to %g",
			      (unsigned long long)seed, group, least, most);
	}
	keel_factorize_plan_del(plan);
}

static void check_random(uint64_t seed)
{
	struct keel_factorize_options o = equalize;
	struct keel_graph *g = net_random(seed, false), *copy;
	struct keel_sample_source source;
	const struct keel_factorize_samples samples = {.source = &source, .threads = 1};
	struct keel_factorize_plan *plan;
	struct keel_stats *stats;
	struct keel_error e = {""};
	double difference;

	factorize_rig_prepare(g);
	source = net_source(g, 2);
	stats = net_stats(g, 2);
	check_balance(g, stats, seed);
	for (o.powers_of_two = false;; o.powers_of_two = true) {
		plan = factorize_rig_plan(g, stats, &o);
		copy = keel_graph_clone(g);
		keel_factorize_apply(plan, copy, NULL, &e);
		ck_assert_int_eq(keel_factorize_check(g, copy, &samples, 2, &difference, &e), 0);
		ck_assert_msg(difference <= (o.powers_of_two ? 0 : 1e-5), "seed %llu: moved by %g",
			      (unsigned long long)seed, difference);
		keel_factorize_plan_del(plan);
		keel_graph_del(copy);
		if (o.powers_of_two)
			break;
	}
	keel_stats_del(stats);
	keel_graph_del(g);
}

START_TEST(random_networks)
{
	uint64_t seed;

	for (seed = 0; seed < 300; seed++)
		check_random(seed);
}
END_TEST

/* Planted factors come out again: weights of both networks agree. */
START_TEST(planting_is_undone)
{
	struct net n;
	struct keel_tensor *x = start(&n, 7);
	struct keel_graph *planted;
	struct keel_stats *stats[2];
	struct keel_factorize_plan *plan[2];
	struct keel_error e;
	struct keel_weight_view v;
	unsigned int k, c;
	size_t r, i;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 3, 1, 1));
	net_done(&n, net_conv(&n, x, 6, 1, 1, 1));
	factorize_rig_prepare(n.g);
	planted = keel_graph_clone(n.g);
	for (k = 0; k < 2; k++) {
		keel_weight_view(planted->nodes[k], &v);
		for (r = 0; r < v.runs; r++)
			for (i = r * v.run; i < (r + 1) * v.run; i++) {
				c = k ? keel_weight_in(&v, r) : keel_weight_out(&v, r);
				v.data[i] *= exp2(((int)c - 4) * (k ? -1 : 1));
			}
	}
	for (c = 0; c < 8; c++)
		((float *)planted->nodes[0]->inputs[2]->data)[c] *= exp2((int)c - 4);
	stats[0] = net_stats(n.g, 2);
	stats[1] = net_stats(planted, 2);
	plan[0] = factorize_rig_plan(n.g, stats[0], &equalize);
	plan[1] = factorize_rig_plan(planted, stats[1], &equalize);
	keel_factorize_apply(plan[0], n.g, NULL, &e);
	keel_factorize_apply(plan[1], planted, NULL, &e);
	for (k = 0; k < 2; k++)
		for (c = 0; c < 8; c++)
			ck_assert_double_eq_tol(extent(n.g->nodes[k], c, !k),
						extent(planted->nodes[k], c, !k), 1e-5);
	for (k = 0; k < 2; k++) {
		keel_factorize_plan_del(plan[k]);
		keel_stats_del(stats[k]);
	}
	keel_graph_del(n.g);
	keel_graph_del(planted);
}
END_TEST

/* Trap 5: a channel that hardly weighs anything is not amplified without end. */
START_TEST(nearly_dead_channels_are_capped)
{
	struct net n;
	struct keel_tensor *x = start(&n, 9);
	struct keel_factorize_options o = equalize;
	struct keel_factorize_plan *plan;
	struct keel_stats *stats;
	struct keel_weight_view v;
	size_t i;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 3, 1, 1));
	net_done(&n, net_conv(&n, x, 6, 1, 1, 1));
	factorize_rig_prepare(n.g);
	keel_weight_view(n.g->nodes[0], &v);
	for (i = 0; i < 27; i++)
		v.data[3 * 27 + i] *= 1e-12f;
	stats = net_stats(n.g, 2);
	plan = factorize_rig_plan(n.g, stats, &equalize);
	ck_assert_double_le(plan->layers[0].max, 1e6);
	ck_assert_uint_eq(plan->layers[0].limits[KEEL_LIMIT_CAP], 1);
	keel_factorize_plan_del(plan);
	o.cap = INFINITY;
	plan = factorize_rig_plan(n.g, stats, &o);
	ck_assert_uint_eq(plan->layers[0].limits[KEEL_LIMIT_CAP], 0);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	keel_graph_del(n.g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("equalize");
	TCase *c = tcase_create("equalize");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, pairs, 0, 12);
	tcase_add_loop_test(c, triples, 0, 12);
	tcase_add_test(c, planting_is_undone);
	tcase_add_test(c, nearly_dead_channels_are_capped);
	tcase_add_test(c, random_networks);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
