// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "correct.h"
#include "expect.h"
#include "graph.h"
#include "weight_view.h"
#include "weights.h"

/* Mean error of a layer's rounded weights, from the means of what it reads. */

/** struct layer - one node being corrected
 * @mean: E[x] per input channel
 * @share: part of the output positions at which each tap reads no padding
 * @error: E[dW] E[x] per output channel
 */
struct layer {
	const struct keel_node *n;
	const struct keel_weights *w;
	struct keel_weight_view v;
	double *mean, *share, *error;
};

static int layer_alloc(struct layer *l)
{
	l->mean = calloc(l->v.ins + 1, sizeof(*l->mean));
	l->share = calloc(l->v.run + 1, sizeof(*l->share));
	l->error = calloc(l->v.outs + 1, sizeof(*l->error));
	return l->mean && l->share && l->error ? 0 : -ENOMEM;
}

static void layer_free(struct layer *l)
{
	free(l->mean);
	free(l->share);
	free(l->error);
}

/* At which part of the output's positions along @axis does tap @k read the picture? */
static double axis_share(const struct keel_node *n, unsigned int axis, int64_t k)
{
	const struct keel_window *w = &n->window;
	bool transposed = n->op == KEEL_OP_CONV_TRANSPOSE;
	int64_t in = n->inputs[0]->dims[2 + axis], out = n->outputs[0]->dims[2 + axis];
	int64_t steps = transposed ? in : out, limit = transposed ? out : in, i, inside = 0;

	for (i = 0; i < steps; i++) {
		int64_t at = i * w->stride[axis] + k * w->dilation[axis] - w->pad[axis];

		inside += at >= 0 && at < limit;
	}
	return (double)inside / out;
}

static void find_shares(struct layer *l)
{
	const struct keel_tensor *w = l->n->inputs[1];
	bool picture = w->rank == 4 && l->n->outputs[0]->rank == 4;
	size_t t;

	for (t = 0; t < l->v.run; t++)
		l->share[t] = picture ? axis_share(l->n, 0, t / w->dims[3]) *
						axis_share(l->n, 1, t % w->dims[3])
				      : 1;
}

static bool find_means(struct layer *l, const struct keel_expectations *all,
		       const struct keel_stats *stats, struct keel_correct_result *r)
{
	const struct keel_tensor *x = l->n->inputs[0];
	const struct keel_expected *told = &all->of[x->id];
	const struct keel_tensor_stats *seen = stats ? keel_stats_of(stats, x) : NULL;
	unsigned int c;

	if (told->channels == l->v.ins) {
		for (c = 0; c < l->v.ins; c++)
			l->mean[c] = told->mean[c];
		r->told++;
		return true;
	}
	if (!seen || seen->channels != l->v.ins) {
		r->unknown++;
		return false;
	}
	for (c = 0; c < l->v.ins; c++)
		l->mean[c] = seen->post[c].mean;
	r->seen++;
	return true;
}

static void find_errors(struct layer *l)
{
	size_t r, t;

	for (r = 0; r < l->v.runs; r++) {
		unsigned int o = keel_weight_out(&l->v, r);
		double mean = l->mean[keel_weight_in(&l->v, r)];

		for (t = 0; t < l->v.run; t++) {
			size_t i = r * l->v.run + t;

			l->error[o] +=
				(l->w->q[i] * l->w->scale[o] - l->v.data[i]) * mean * l->share[t];
		}
	}
}

/* Biases that would no longer fit beside their weights stay as they were. */
static void subtract(struct layer *l, struct keel_weights *w, struct keel_correct_result *r)
{
	const struct keel_node *n = l->n;
	const float *bias = n->nr_inputs > 2 && n->inputs[2] ? n->inputs[2]->data : NULL;
	double step = n->outputs[0]->quant.scale;
	unsigned int o;

	/* From here on: the biases themselves. */
	for (o = 0; o < l->v.outs; o++)
		l->error[o] = (bias ? bias[o] : 0) - l->error[o];
	if (keel_weights_bias(w, n->inputs[0]->quant.scale, l->error, NULL))
		return;
	for (o = 0; o < l->v.outs; o++) {
		double moved = fabs(l->error[o] - (bias ? bias[o] : 0));

		r->channels += moved > 0;
		r->largest = step > 0 ? fmax(r->largest, moved / step) : r->largest;
	}
}

static int correct_node(const struct keel_node *n, struct keel_weights *w,
			const struct keel_expectations *all, const struct keel_stats *stats,
			struct keel_correct_result *r)
{
	struct layer l = {.n = n, .w = w};
	int err;

	if (!keel_weight_view(n, &l.v) || l.v.outs != w->channels || l.v.runs * l.v.run != w->count)
		return 0;
	err = layer_alloc(&l);
	if (!err && find_means(&l, all, stats, r)) {
		find_shares(&l);
		find_errors(&l);
		subtract(&l, w, r);
	}
	layer_free(&l);
	return err;
}

int keel_correct_analytic(const struct keel_graph *g, struct keel_weights *const *weights,
			  const struct keel_stats *stats, struct keel_correct_result *result,
			  struct keel_error *e)
{
	struct keel_expectations all = {0};
	unsigned int i;
	int err = keel_expect(g, &all);

	*result = (struct keel_correct_result){0};
	for (i = 0; !err && i < g->nr_nodes; i++)
		if (weights[i])
			err = correct_node(g->nodes[i], weights[i], &all, stats, result);
	keel_expectations_free(&all);
	return err ? keel_error_set(e, err, "out of memory during bias correction") : 0;
}
