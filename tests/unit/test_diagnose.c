// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "compile.h"
#include "diagnose.h"
#include "float_net.h"
#include "keel_execute.h"
#include "layers.h"
#include "lower_rig.h"
#include "random_net.h"
#include "slots.h"

#define SAMPLES 4

/** struct bench - a lowered random network and what the diagnosis says of it */
struct bench {
	struct lower_rig rig;
	struct keel_stats *stats;
	struct keel_diagnosis *d;
};

static bool bench_init(struct bench *b, struct keel_graph *g, unsigned int threads)
{
	struct keel_sample_source source = net_source(g, SAMPLES);
	const struct keel_calibrate_options options = {.threads = threads};
	struct keel_error e = {""};
	int err;

	lower_rig_init(&b->rig, g);
	b->stats = net_stats(g, SAMPLES);
	ck_assert_msg(!keel_lower(g, &b->rig.options, &b->rig.l, &e), "%s", e.text);
	err = keel_diagnose(&b->rig.l, &source, b->stats, &options, true, &b->d, &e);
	ck_assert_msg(!err || err == -EOPNOTSUPP, "%s", e.text);
	return !err;
}

static void bench_free(struct bench *b)
{
	keel_diagnosis_del(b->d);
	keel_stats_del(b->stats);
	lower_rig_free(&b->rig);
}

/* Level of an element, by the view's strides. */
static int level_at(const struct keel_lowered *l, const struct keel_memory *slots,
		    const struct keel_tensor *t, int64_t i)
{
	const struct keel_view *v = &l->views[t->id];
	int64_t at = v->offset + (v->area->slot == KEEL_SLOT_SCRATCH ? v->area->offset : 0);
	unsigned int d;

	for (d = t->rank; d-- > 0; i /= t->dims[d])
		at += i % t->dims[d] * v->strides[d];
	return ((int8_t *)slots[v->area->slot].base)[at];
}

/** struct naive - one layer over all samples, value by value */
struct naive {
	double count, power, noise, dot, other, saturated;
	double *shift;
	unsigned int channels;
};

/** struct naive_run - the float network with the commands beside it */
struct naive_run {
	const struct keel_lowered *l;
	const struct keel_layers *layers;
	struct naive *naive;
	struct keel_memory slots[KEEL_SLOT_COUNT];
	unsigned int next;
};

static void naive_layer(struct naive *n, const struct naive_run *r, const struct keel_tensor *t,
			const float *y)
{
	int64_t i, inner = 1, count = keel_tensor_count(t);
	unsigned int d;

	for (d = 2; d < t->rank; d++)
		inner *= t->dims[d];
	n->channels = t->rank >= 2 ? t->dims[1] : 1;
	if (!n->shift)
		n->shift = calloc(n->channels, sizeof(*n->shift));
	for (i = 0; i < count; i++) {
		int level = level_at(r->l, r->slots, t, i);
		double x = (level - t->quant.zero_point) * t->quant.scale;
		unsigned int c = t->rank >= 2 ? i / inner % t->dims[1] : 0;

		n->count++;
		n->power += (double)y[i] * y[i];
		n->noise += (x - y[i]) * (x - y[i]);
		n->dot += x * y[i];
		n->other += x * x;
		n->shift[c] += x - y[i];
		n->saturated += (level == -128 || level == 127) && fabs(x - y[i]) > t->quant.scale;
	}
}

static void naive_watch(void *ctx, const struct keel_node *node, const float *pre,
			const float *post)
{
	struct naive_run *r = ctx;
	unsigned int i;

	for (i = 0; i < r->layers->nr; i++) {
		const struct keel_layer *layer = &r->layers->layers[i];

		if (layer->out != node->outputs[0])
			continue;
		for (; r->next < layer->first_command + layer->nr_commands; r->next++)
			keel_execute(&r->l->commands[r->next], r->slots);
		naive_layer(&r->naive[i], r, layer->out, post);
	}
}

static void naive_sample(struct naive_run *r, const struct keel_sample_source *source,
			 const struct keel_float *net, size_t sample)
{
	const struct keel_graph *g = r->l->g;
	float *inputs[g->nr_inputs + 1];
	struct keel_error e = {""};
	struct keel_float *f = keel_float_clone(net, &e);
	unsigned int i, k;

	for (i = 0; i < g->nr_inputs; i++)
		inputs[i] = calloc(keel_tensor_count(g->inputs[i]), sizeof(float));
	source->get(source->ctx, sample, (void *const *)inputs, &e);
	ck_assert_int_eq(keel_slots_alloc(r->l, r->slots), 0);
	for (i = 0; i < r->l->nr_npu_inputs; i++)
		for (k = 0; k < g->nr_inputs; k++)
			if (g->inputs[k] == r->l->npu_inputs[i])
				keel_slots_write(r->l, r->slots, g->inputs[k], inputs[k]);
	r->next = 0;
	ck_assert_int_eq(keel_float_run(f, (const void *const *)inputs, naive_watch, r, &e), 0);
	keel_slots_free(r->slots);
	for (i = 0; i < g->nr_inputs; i++)
		free(inputs[i]);
	keel_float_del(f);
}

static void near(double is, double should, double slack, const char *what)
{
	ck_assert_msg(fabs(is - should) <= slack + 1e-9 * fabs(should), "%s is %.12g, not %.12g",
		      what, is, should);
}

static void check_layer(const struct naive *n, const struct keel_layer_diagnosis *d)
{
	const struct keel_layer_error *e = &d->cumulative;
	double shift = 0;
	unsigned int c;

	for (c = 0; c < n->channels; c++)
		shift += pow(n->shift[c] / (n->count / n->channels), 2) / n->channels;
	near(d->power, n->power / n->count, 1e-12, "power");
	near(e->noise, n->noise / n->count, 1e-12, "noise");
	if (n->noise > 0 && n->power > 0)
		near(e->sqnr, fmin(10 * log10(n->power / n->noise), 200), 1e-6, "SQNR");
	if (n->power > 0 && n->other > 0)
		near(e->cosine, n->dot / sqrt(n->power * n->other), 1e-9, "cosine");
	near(e->shift, sqrt(shift) / d->out->quant.scale, 1e-9, "shift");
	near(e->saturated, n->saturated / n->count, 1e-12, "saturated part");
}

START_TEST(test_naive)
{
	struct bench b;
	struct keel_sample_source source;
	struct keel_layers layers;
	struct naive_run r = {0};
	struct keel_float *f;
	struct keel_error e;
	unsigned int i;
	size_t s;

	if (!bench_init(&b, net_random(_i, false), 1)) {
		bench_free(&b);
		return;
	}
	source = net_source(b.rig.g, SAMPLES);
	ck_assert_int_eq(keel_layers_init(&layers, &b.rig.l), 0);
	ck_assert_uint_eq(layers.nr, b.d->nr);
	r.l = &b.rig.l;
	r.layers = &layers;
	r.naive = calloc(layers.nr + 1, sizeof(*r.naive));
	f = keel_float_new(b.rig.g, &e);
	for (s = 0; s < SAMPLES; s++)
		naive_sample(&r, &source, f, s);
	for (i = 0; i < layers.nr; i++) {
		check_layer(&r.naive[i], &b.d->layers[i]);
		free(r.naive[i].shift);
	}
	free(r.naive);
	keel_float_del(f);
	keel_layers_free(&layers);
	bench_free(&b);
}
END_TEST

static bool reads_only_inputs(const struct keel_layer *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_inputs; i++)
		if (l->inputs[i]->producer)
			return false;
	return true;
}

/* What reads nothing but the network's inputs has no other error than its own. */
START_TEST(test_first)
{
	struct keel_layers layers;
	struct bench b;
	unsigned int i, seen = 0;

	if (bench_init(&b, net_random(_i, false), 1)) {
		ck_assert_int_eq(keel_layers_init(&layers, &b.rig.l), 0);
		for (i = 0; i < layers.nr; i++) {
			const struct keel_layer_diagnosis *d = &b.d->layers[i];

			if (!reads_only_inputs(&layers.layers[i]))
				continue;
			seen++;
			ck_assert_mem_eq(&d->isolated, &d->cumulative, sizeof(d->isolated));
		}
		keel_layers_free(&layers);
		ck_assert_uint_gt(seen, 0);
	}
	bench_free(&b);
}
END_TEST

START_TEST(test_shares)
{
	struct bench b;
	unsigned int i, k;

	if (bench_init(&b, net_random(_i, false), 1))
		for (i = 0; i < b.d->nr; i++) {
			const struct keel_layer_diagnosis *d = &b.d->layers[i];
			double sum = 0;

			for (k = 0; k < KEEL_FAULT_COUNT; k++) {
				ck_assert(d->shares[k] >= 0);
				sum += d->shares[k];
			}
			ck_assert_msg(!sum || fabs(sum - 1) < 1e-12, "shares add up to %.15g", sum);
		}
	bench_free(&b);
}
END_TEST

/* The same bytes, whatever the number of threads. */
START_TEST(test_threads)
{
	struct keel_calibrate_options options = {0};
	struct keel_diagnosis *other;
	struct keel_sample_source source;
	struct keel_error e = {""};
	struct bench b;
	unsigned int t;

	if (bench_init(&b, net_random(_i, false), 1)) {
		source = net_source(b.rig.g, SAMPLES);
		for (t = 2; t <= 4; t++) {
			options.threads = t;
			ck_assert_int_eq(keel_diagnose(&b.rig.l, &source, b.stats, &options, true,
						       &other, &e),
					 0);
			ck_assert_uint_eq(other->nr, b.d->nr);
			ck_assert_uint_eq(other->worst, b.d->worst);
			ck_assert_mem_eq(other->layers, b.d->layers,
					 b.d->nr * sizeof(*b.d->layers));
			keel_diagnosis_del(other);
		}
	}
	bench_free(&b);
}
END_TEST

static int compile_some(struct keel_graph *g, struct keel_sample_source source,
			struct keel_compile_options o, struct keel_compiled *c)
{
	struct keel_error e = {""};

	o.threads = 1;
	ck_assert_int_eq(keel_target_get("medium", &o.target, &e), 0);
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(g, &source, &o, c, &e), "%s", e.text);
	ck_assert_ptr_nonnull(c->diagnosis);
	return c->diagnosis->nr;
}

/* Nothing but rounding, of many values: the model holds, and the parts make the whole. */
START_TEST(test_model)
{
	const struct keel_compile_options o = {.per_channel = true,
					       .diagnose = KEEL_DIAGNOSE_SWEEP};
	struct net n = net_new(_i);
	struct keel_tensor *x = net_input(&n, 8, 12, 12);
	struct keel_graph *g;
	struct keel_compiled c;
	unsigned int i;

	x = net_conv(&n, x, 24, 3, 1, 1);
	x = net_conv(&n, x, 24, 1, 1, 1);
	x = net_conv(&n, x, 32, 3, 2, 1);
	g = net_done(&n, x);
	ck_assert_int_eq(compile_some(g, net_source(g, 4), o, &c), 3);
	for (i = 0; i < 3; i++) {
		const struct keel_layer_diagnosis *d = &c.diagnosis->layers[i];

		ck_assert_msg(!keel_diagnose_misses(d), "layer %u: %.3g predicted, %.3g measured",
			      i, d->predicted, d->measured);
	}
	/* The last layer alone is what its isolated error says: 4 samples in both. */
	near(c.diagnosis->layers[2].alone, c.diagnosis->layers[2].isolated.sqnr, 1e-6, "alone");
	keel_compiled_free(&c);
}
END_TEST

/* All 256 levels of a range from -1 to 127 / 128. */
static int get_levels(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_graph *g = ctx;
	int64_t i;

	for (i = 0; i < keel_tensor_count(g->inputs[0]); i++)
		((float *)inputs[0])[i] = ((i * 37 + (int64_t)index * 11) % 256 - 128) / 128.0;
	return 0;
}

/* Weights and inputs that lie on levels aren't rounded, of which the model knows nothing. */
START_TEST(test_model_misses)
{
	const struct keel_compile_options o = {.per_channel = true,
					       .diagnose = KEEL_DIAGNOSE_LAYERS};
	struct net n = net_new(1);
	struct keel_tensor *x = net_input(&n, 2, 12, 12);
	struct keel_compiled c;
	struct keel_graph *g;
	float *w;
	int64_t i;

	x = net_conv(&n, x, 4, 1, 1, 1);
	w = x->producer->inputs[1]->data;
	for (i = 0; i < 8; i++)
		w[i] = i % 2 ? 127 : 60;
	g = net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	compile_some(g, (struct keel_sample_source){4, get_levels, g}, o, &c);
	ck_assert(c.diagnosis->layers[0].shares[KEEL_FAULT_WEIGHTS] < 1e-6);
	ck_assert(c.diagnosis->layers[0].shares[KEEL_FAULT_INPUT] < 1e-6);
	ck_assert(keel_diagnose_misses(&c.diagnosis->layers[0]));
	keel_compiled_free(&c);
}
END_TEST

/* One layer only: in float, only the rounding of its output is left. */
START_TEST(test_restored)
{
	const struct keel_compile_options o = {.diagnose = KEEL_DIAGNOSE_SWEEP};
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 4, 8, 8);
	struct keel_compiled c;
	struct keel_graph *g;
	const struct keel_layer_diagnosis *d;

	g = net_done(&n, net_conv(&n, x, 8, 3, 1, 1));
	compile_some(g, net_source(g, 4), o, &c);
	d = &c.diagnosis->layers[0];
	near(d->alone, d->cumulative.sqnr, 1e-6, "alone");
	ck_assert(d->restored > d->alone);
	keel_compiled_free(&c);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("diagnose");
	TCase *c = tcase_create("diagnose");
	int nets = getenv("KEEL_TEST_LIGHT") ? 6 : 40;

	tcase_set_timeout(c, 600);
	tcase_add_loop_test(c, test_naive, 0, nets);
	tcase_add_loop_test(c, test_first, 0, nets);
	tcase_add_loop_test(c, test_shares, 0, nets);
	tcase_add_loop_test(c, test_threads, 0, nets / 4);
	tcase_add_loop_test(c, test_model, 0, 4);
	tcase_add_test(c, test_model_misses);
	tcase_add_test(c, test_restored);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
