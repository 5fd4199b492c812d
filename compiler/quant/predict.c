// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "graph.h"
#include "predict.h"
#include "weight_view.h"

#define DEVIATIONS 6

struct keel_channel_stats predict_normal(double mean, double variance, double lo, double hi)
{
	double reach = DEVIATIONS * sqrt(fmax(variance, 0));

	mean = fmin(fmax(mean, lo), hi);
	return (struct keel_channel_stats){
		.min = fmax(mean - reach, lo),
		.max = fmin(mean + reach, hi),
		.mean = mean,
		.power = mean * mean + fmax(variance, 0),
	};
}

double predict_variance(const struct keel_channel_stats *s)
{
	return fmax(s->power - s->mean * s->mean, 0);
}

void predict_join(struct keel_channel_stats *to, const struct keel_channel_stats *from,
		  double share)
{
	to->min = fminf(to->min, from->min);
	to->max = fmaxf(to->max, from->max);
	to->mean += (from->mean - to->mean) * share;
	to->power += (from->power - to->power) * share;
}

const struct keel_channel_stats *predict_of(const struct predict_node *p, unsigned int operand,
					    unsigned int c)
{
	const struct predict_operand *x = &p->x[operand];

	return x->channels == p->channels ? &x->by[c] : &x->whole;
}

static struct keel_channel_stats whole_of(const struct keel_channel_stats *by, unsigned int nr)
{
	struct keel_channel_stats whole = by[0];
	unsigned int c;

	for (c = 1; c < nr; c++)
		predict_join(&whole, &by[c], 1.0 / (c + 1));
	return whole;
}

/* A constant operand: what its values are, whichever channel they belong to. */
static bool constant_operand(const struct keel_tensor *t, struct predict_operand *x)
{
	const float *v = t->data;
	int64_t i, n = keel_tensor_count(t);

	if (!n)
		return false;
	x->whole = (struct keel_channel_stats){v[0], v[0], v[0], (double)v[0] * v[0]};
	for (i = 1; i < n; i++) {
		const struct keel_channel_stats one = {v[i], v[i], v[i], (double)v[i] * v[i]};

		predict_join(&x->whole, &one, 1.0 / (i + 1));
	}
	return true;
}

static bool operand(const struct keel_stats *stats, const struct keel_tensor *t,
		    struct predict_operand *x)
{
	const struct keel_tensor_stats *s = keel_stats_of(stats, t);

	if (t && t->data && t->type == KEEL_F32)
		return constant_operand(t, x);
	if (!s)
		return false;
	x->channels = s->channels;
	x->by = s->post;
	x->whole = whole_of(s->post, s->channels);
	return true;
}

/** struct sum - of products with weights; bounds hold whatever depends on what */
struct sum {
	double mean, variance, lo, hi;
};

/*
 * One input channel's taps. Neighbouring pixels may have everything in common or
 * nothing: whichever varies more.
 */
static void add_run(struct sum *s, const float *w, size_t nr, const struct keel_channel_stats *x,
		    double share)
{
	double sum = 0, squares = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		double a = w[i] * x->min, b = w[i] * x->max;

		sum += w[i];
		squares += w[i] * w[i];
		/* At borders there is nothing to multiply. */
		s->lo += fmin(fmin(a, b), 0);
		s->hi += fmax(fmax(a, b), 0);
	}
	s->mean += sum * x->mean * share;
	s->variance += fmax(sum * sum, squares) * predict_variance(x) * share;
}

static bool predict_mac(struct predict_node *p)
{
	const struct keel_node *n = p->n;
	const struct keel_tensor *b = n->nr_inputs > 2 ? n->inputs[2] : NULL;
	/* Of a transposed convolution's taps each output pixel meets so many only. */
	double share = n->op == KEEL_OP_CONV_TRANSPOSE
			       ? 1.0 / (n->window.stride[0] * n->window.stride[1])
			       : 1;
	struct keel_weight_view v;
	struct sum *sums;
	unsigned int c;
	size_t r;

	if (!keel_weight_view(n, &v) || v.outs != p->channels || v.ins != p->x[0].channels)
		return false;
	sums = calloc(p->channels, sizeof(*sums));
	if (!sums)
		return false;
	for (r = 0; r < v.runs; r++)
		add_run(&sums[keel_weight_out(&v, r)], v.data + r * v.run, v.run,
			&p->x[0].by[keel_weight_in(&v, r)], share);
	for (c = 0; c < p->channels; c++) {
		double bias = b && b->data ? ((const float *)b->data)[c] : 0;

		p->y[c] = predict_normal(sums[c].mean + bias, sums[c].variance, sums[c].lo + bias,
					 sums[c].hi + bias);
	}
	free(sums);
	return true;
}

static struct keel_channel_stats added(const struct keel_channel_stats *a,
				       const struct keel_channel_stats *b, int sign)
{
	double lo = a->min + (sign > 0 ? b->min : -b->max);
	double hi = a->max + (sign > 0 ? b->max : -b->min);

	return predict_normal(a->mean + sign * b->mean, predict_variance(a) + predict_variance(b),
			      lo, hi);
}

static struct keel_channel_stats multiplied(const struct keel_channel_stats *a,
					    const struct keel_channel_stats *b)
{
	double ll = (double)a->min * b->min, lh = (double)a->min * b->max;
	double hl = (double)a->max * b->min, hh = (double)a->max * b->max;

	return (struct keel_channel_stats){
		.min = fmin(fmin(ll, lh), fmin(hl, hh)),
		.max = fmax(fmax(ll, lh), fmax(hl, hh)),
		.mean = a->mean * b->mean,
		.power = a->power * b->power,
	};
}

/* Of the extremes the means are bounds. */
static struct keel_channel_stats extreme(const struct keel_channel_stats *a,
					 const struct keel_channel_stats *b, bool larger)
{
	struct keel_channel_stats y = (a->mean > b->mean) == larger ? *a : *b;

	y.min = larger ? fmaxf(a->min, b->min) : fminf(a->min, b->min);
	y.max = larger ? fmaxf(a->max, b->max) : fminf(a->max, b->max);
	return y;
}

static bool predict_binary(struct predict_node *p)
{
	unsigned int c;

	for (c = 0; c < p->channels; c++) {
		const struct keel_channel_stats *a = predict_of(p, 0, c), *b = predict_of(p, 1, c);

		switch (p->n->op) {
		case KEEL_OP_ADD:
		case KEEL_OP_SUB:
			p->y[c] = added(a, b, p->n->op == KEEL_OP_ADD ? 1 : -1);
			break;
		case KEEL_OP_MUL:
			p->y[c] = multiplied(a, b);
			break;
		default:
			p->y[c] = extreme(a, b, p->n->op == KEEL_OP_MAX);
		}
	}
	return true;
}

static bool predict_softmax(struct predict_node *p)
{
	double mean = 1.0 / p->channels;
	unsigned int c;

	for (c = 0; c < p->channels; c++)
		p->y[c] = (struct keel_channel_stats){0, 1, mean, mean};
	return true;
}

typedef bool predictor(struct predict_node *p);

static predictor *predictor_of(enum keel_op op)
{
	switch (op) {
	case KEEL_OP_CONV:
	case KEEL_OP_CONV_TRANSPOSE:
	case KEEL_OP_FC:
		return predict_mac;
	case KEEL_OP_ADD:
	case KEEL_OP_SUB:
	case KEEL_OP_MUL:
	case KEEL_OP_MAX:
	case KEEL_OP_MIN:
		return predict_binary;
	case KEEL_OP_MAX_POOL:
	case KEEL_OP_AVERAGE_POOL:
	case KEEL_OP_REDUCE_MEAN:
	case KEEL_OP_REDUCE_MAX:
	case KEEL_OP_REDUCE_MIN:
	case KEEL_OP_RESIZE:
	case KEEL_OP_CONCAT:
	case KEEL_OP_SLICE:
	case KEEL_OP_PAD:
	case KEEL_OP_RESHAPE:
	case KEEL_OP_TRANSPOSE:
	case KEEL_OP_EXPAND:
	case KEEL_OP_GATHER:
	case KEEL_OP_DEPTH_TO_SPACE:
	case KEEL_OP_SPACE_TO_DEPTH:
		return predict_move;
	case KEEL_OP_SOFTMAX:
		return predict_softmax;
	default:
		return keel_op_is_unary(op) ? predict_unary : NULL;
	}
}

/* What a BatchNorm says is better than what follows from the layers before. */
static bool know_moments(struct predict_node *p, bool limited)
{
	const struct keel_moments *m = &p->n->moments;
	unsigned int c;

	if (m->channels != p->channels)
		return false;
	for (c = 0; c < m->channels; c++) {
		double variance = (double)m->deviation[c] * m->deviation[c];

		p->y[c] = predict_normal(m->mean[c], variance, limited ? p->y[c].min : -INFINITY,
					 limited ? p->y[c].max : INFINITY);
	}
	return true;
}

static bool predict_output(struct predict_node *p)
{
	predictor *predict = predictor_of(p->n->op);
	unsigned int i, nr = p->n->op == KEEL_OP_CONCAT ? 0 : predict == predict_binary ? 2 : 1;

	if (predict != predict_move && know_moments(p, false))
		return true;
	if (!predict)
		return false;
	for (i = 0; i < nr; i++)
		if (!operand(p->stats, p->n->inputs[i], &p->x[i]))
			return false;
	if (!predict(p))
		return false;
	/* Values that are only moved or picked stay between those they come from. */
	if (predict == predict_move)
		know_moments(p, true);
	return true;
}

static int add_tensor(struct keel_tensor_stats *s)
{
	unsigned int c;

	s->min = INFINITY;
	s->max = -INFINITY;
	for (c = 0; c < s->channels; c++) {
		s->min = fminf(s->min, s->post[c].min);
		s->max = fmaxf(s->max, s->post[c].max);
	}
	return isfinite(s->min) && isfinite(s->max) ? 0 : -EOPNOTSUPP;
}

static struct keel_channel_stats *new_channels(const struct keel_tensor *t)
{
	return calloc(t->rank >= 2 ? t->dims[1] : 1, sizeof(struct keel_channel_stats));
}

static int predict_tensor(const struct keel_node *n, struct keel_stats *stats)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_tensor_stats *s = &stats->tensors[t->id];
	struct predict_node p = {.n = n, .stats = stats};
	unsigned int c;

	p.channels = t->rank >= 2 ? t->dims[1] : 1;
	s->post = new_channels(t);
	s->pre = n->act.kind != KEEL_ACT_NONE ? new_channels(t) : NULL;
	if (!s->post || (n->act.kind != KEEL_ACT_NONE && !s->pre))
		return -ENOMEM;
	p.y = s->pre ? s->pre : s->post;
	if (!predict_output(&p))
		return -EOPNOTSUPP;
	for (c = 0; s->pre && c < p.channels; c++)
		if (!predict_act(&n->act, c, &s->pre[c], &s->post[c]))
			return -EOPNOTSUPP;
	s->channels = p.channels;
	return add_tensor(s);
}

static int predict_input(const struct keel_tensor *t, const struct keel_span *r,
			 struct keel_stats *stats)
{
	struct keel_tensor_stats *s = &stats->tensors[t->id];
	double mean = (r->lo + r->hi) / 2, width = r->hi - r->lo;
	unsigned int c;

	if (t->type != KEEL_F32 || s->post)
		return 0;
	s->channels = t->rank >= 2 ? t->dims[1] : 1;
	s->post = new_channels(t);
	if (!s->post)
		return -ENOMEM;
	for (c = 0; c < s->channels; c++)
		s->post[c] = (struct keel_channel_stats){r->lo, r->hi, mean,
							 mean * mean + width * width / 12};
	return add_tensor(s);
}

int keel_stats_predict(const struct keel_graph *g, const struct keel_span *inputs,
		       struct keel_stats **stats, struct keel_error *e)
{
	struct keel_stats *s = keel_stats_new(g);
	unsigned int i;
	int err = s ? 0 : -ENOMEM;

	for (i = 0; i < g->nr_inputs && !err; i++)
		err = predict_input(g->inputs[i], &inputs[i], s);
	for (i = 0; i < g->nr_nodes && !err; i++)
		if (g->nodes[i]->outputs[0]->type == KEEL_F32)
			err = predict_tensor(g->nodes[i], s);
	if (!err) {
		*stats = s;
		return 0;
	}
	keel_stats_del(s);
	if (err == -ENOMEM)
		return keel_error_set(e, err, "no memory for the statistics of %u tensors",
				      g->nr_tensors);
	return keel_error_set(e, err,
			      "nothing is known of the values of '%s' (%s) without samples; give "
			      "some with --calibrate",
			      i ? g->nodes[i - 1]->name : g->inputs[0]->name,
			      i ? keel_op_name(g->nodes[i - 1]->op) : "input");
}
