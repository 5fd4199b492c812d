// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <string.h>

#include "noise.h"
#include "weight_row.h"

/*
 * Each term is step^2 / 12 times a sum over channels. Its gradient by log s has
 * two parts: the share that a channel has in the step (positive where s makes
 * the step larger) and the share in the sum.
 */

#define WEIGHT_LEVELS 127.0
#define TENSOR_LEVELS 255.0

/* x^(2^order) for 0 <= x <= 1 */
static inline double raise(double x, unsigned int order)
{
	while (order--)
		x *= x;
	return x;
}

static double root(double sum, unsigned int order)
{
	return order ? pow(sum, 1.0 / (1u << order)) : 1;
}

/** struct sums - of one layer at the present scales, in keel_noise.scratch
 * @in: 1 / s per input channel
 * @out: s per output channel
 * @power: of the input channels, scaled
 * @gain: of the output channels, scaled
 * @in_share: sum over the norm's terms of an input channel
 * @out_share: the same of an output channel
 */
struct sums {
	double *in, *out, *power, *gain, *in_share, *out_share;
};

static struct sums sums_of(struct keel_noise *m, const struct keel_noise_layer *l)
{
	size_t ins = (size_t)l->ins * l->groups, width = ins > l->outs ? ins : l->outs;
	double *at = m->scratch;
	struct sums s = {
		at, at + width, at + 2 * width, at + 3 * width, at + 4 * width, at + 5 * width};
	size_t c;

	for (c = 0; c < ins; c++) {
		double scale = m->scale[l->in[c]];

		s.in[c] = 1 / scale;
		s.power[c] = l->power[c] * scale * scale;
		s.in_share[c] = 0;
	}
	for (c = 0; c < l->outs; c++) {
		s.out[c] = m->scale[l->out[c]];
		s.gain[c] = l->gain[c] / (s.out[c] * s.out[c]);
		s.out_share[c] = 0;
	}
	return s;
}

static double total(const double *v, size_t nr)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		sum += v[i];
	return sum;
}

/* One step for all weights of the layer. */
static double layer_noise(struct keel_noise *m, const struct keel_noise_layer *l,
			  unsigned int order)
{
	struct sums s = sums_of(m, l);
	unsigned int outs = l->outs / l->groups, o, g, i;
	double max = 0, norm = 0, noise = 0, step, term;

	for (o = 0; o < l->outs; o++)
		max = fmax(max, s.out[o] * keel_weight_row_max(l->range + (size_t)o * l->ins,
							       s.in + o / outs * l->ins, l->ins));
	for (g = 0; g < l->groups; g++)
		noise += total(s.gain + g * outs, outs) * total(s.power + g * l->ins, l->ins);
	if (!(max > 0) || !(noise > 0))
		return 0;
	for (o = 0; order && o < l->outs; o++) {
		s.out_share[o] = keel_weight_row_norm(
			l->range + (size_t)o * l->ins, s.in + o / outs * l->ins, l->ins,
			s.out[o] / max, order, s.in_share + o / outs * l->ins);
		norm += s.out_share[o];
	}
	step = max * root(norm, order) / WEIGHT_LEVELS;
	term = step * step * noise / 12;
	for (g = 0; order && g < l->groups; g++) {
		double gain = total(s.gain + g * outs, outs);
		double power = total(s.power + g * l->ins, l->ins);

		for (o = g * outs; o < (g + 1) * outs; o++)
			m->gradient[l->out[o]] +=
				2 * term * (s.out_share[o] / norm - s.gain[o] * power / noise);
		for (i = g * l->ins; i < (g + 1) * l->ins; i++)
			m->gradient[l->in[i]] +=
				2 * term * (s.power[i] * gain / noise - s.in_share[i] / norm);
	}
	return term;
}

/* A step for each output channel: the channel's own scale cancels. */
static double row_noise(struct keel_noise *m, const struct keel_noise_layer *l, unsigned int o,
			unsigned int order, const struct sums *s)
{
	unsigned int first = o / (l->outs / l->groups) * l->ins, i;
	const float *range = l->range + (size_t)o * l->ins;
	double max = keel_weight_row_max(range, s->in + first, l->ins), norm = 1, power, step, term;

	power = total(s->power + first, l->ins);
	if (!(max > 0) || !(power > 0))
		return 0;
	memset(s->in_share, 0, l->ins * sizeof(*s->in_share));
	if (order)
		norm = keel_weight_row_norm(range, s->in + first, l->ins, 1 / max, order,
					    s->in_share);
	step = max * root(norm, order) / WEIGHT_LEVELS;
	term = step * step * l->gain[o] * power / 12;
	for (i = 0; order && i < l->ins; i++)
		m->gradient[l->in[first + i]] +=
			2 * term * (s->power[first + i] / power - s->in_share[i] / norm);
	return term;
}

static double rows_noise(struct keel_noise *m, const struct keel_noise_layer *l, unsigned int order)
{
	struct sums s = sums_of(m, l);
	double sum = 0;
	unsigned int o;

	for (o = 0; o < l->outs; o++)
		sum += row_noise(m, l, o, order, &s);
	return sum;
}

/** struct end - one end of a tensor's range: the largest of value times scale over the channels */
struct end {
	double max, norm, size;
	double *share;
};

static struct end end_of(struct keel_noise *m, const struct keel_noise_tensor *t, const double *v,
			 unsigned int order, double *share)
{
	struct end e = {.share = share};
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		e.max = fmax(e.max, v[c] * m->scale[t->var[c]]);
	for (c = 0; c < t->channels; c++) {
		share[c] =
			e.max > 0 && order ? raise(v[c] * m->scale[t->var[c]] / e.max, order) : 0;
		e.norm += share[c];
	}
	e.size = e.max * root(e.norm, order);
	return e;
}

static double share_of(const struct end *e, unsigned int c, double whole)
{
	return e->norm > 0 ? e->size / whole * e->share[c] / e->norm : 0;
}

static double tensor_noise(struct keel_noise *m, const struct keel_noise_tensor *t,
			   unsigned int order)
{
	struct end hi = end_of(m, t, t->hi, order, m->scratch);
	struct end lo = end_of(m, t, t->lo, order, m->scratch + t->channels);
	double *gain = m->scratch + 2 * t->channels, noise, step, term;
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		gain[c] = t->gain[c] / (m->scale[t->var[c]] * m->scale[t->var[c]]);
	noise = total(gain, t->channels);
	if (!(hi.size + lo.size > 0) || !(noise > 0))
		return 0;
	step = (hi.size + lo.size) / TENSOR_LEVELS;
	term = step * step * noise / 12;
	for (c = 0; order && c < t->channels; c++)
		m->gradient[t->var[c]] += 2 * term *
					  (share_of(&hi, c, hi.size + lo.size) +
					   share_of(&lo, c, hi.size + lo.size) - gain[c] / noise);
	return term;
}

double keel_noise_evaluate(struct keel_noise *m, unsigned int order)
{
	double sum = 0;
	unsigned int i;

	memset(m->gradient, 0, m->nr_vars * sizeof(*m->gradient));
	for (i = 0; i < m->nr_layers; i++)
		sum += m->per_channel ? rows_noise(m, &m->layers[i], order)
				      : layer_noise(m, &m->layers[i], order);
	for (i = 0; i < m->nr_tensors; i++)
		sum += tensor_noise(m, &m->tensors[i], order);
	return sum;
}
