// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "changes.h"
#include "compile.h"

#define SETTER(name, field, value)                       \
	static bool name(struct keel_compile_options *o) \
	{                                                \
		if (o->field == (value))                 \
			return false;                    \
		o->field = (value);                      \
		return true;                             \
	}

#define RANGES(name, value)                                                 \
	static bool name(struct keel_compile_options *o)                    \
	{                                                                   \
		if (o->ranges.method == (value))                            \
			return false;                                       \
		o->ranges = (struct keel_range_options){.method = (value)}; \
		return true;                                                \
	}

SETTER(keep_dead, keep_dead, true)
SETTER(factorize_none, factorize.mode, KEEL_FACTORIZE_NONE)
SETTER(factorize_two_step, factorize.mode, KEEL_FACTORIZE_TWO_STEP)
SETTER(factorize_equalize, factorize.mode, KEEL_FACTORIZE_EQUALIZE)
SETTER(factorize_least_noise, factorize.mode, KEEL_FACTORIZE_LEAST_NOISE)
SETTER(absorb_minima, absorb, KEEL_ABSORB_MINIMA)
SETTER(weights_mse, weights_mse, true)
SETTER(round_compensated, rounding, KEEL_ROUND_COMPENSATED)
RANGES(ranges_minmax, KEEL_RANGE_MINMAX)
RANGES(ranges_mse, KEEL_RANGE_MSE)
RANGES(ranges_percentile, KEEL_RANGE_PERCENTILE)
RANGES(ranges_auto, KEEL_RANGE_AUTO)
RANGES(ranges_moving_average, KEEL_RANGE_MOVING_AVERAGE)
RANGES(ranges_kl, KEEL_RANGE_KL)
RANGES(ranges_aciq_laplace, KEEL_RANGE_ACIQ_LAPLACE)
RANGES(ranges_aciq_gauss, KEEL_RANGE_ACIQ_GAUSS)
SETTER(bias_none, bias_correction, KEEL_CORRECT_NONE)
SETTER(bias_analytic, bias_correction, KEEL_CORRECT_ANALYTIC)

/* Automatic correction has done it, or has seen that it is worse. */
static bool bias_iterative(struct keel_compile_options *o)
{
	if (o->bias_correction == KEEL_CORRECT_AUTO || o->bias_correction == KEEL_CORRECT_ITERATIVE)
		return false;
	o->bias_correction = KEEL_CORRECT_ITERATIVE;
	return true;
}

static bool per_channel(struct keel_compile_options *o)
{
	if (o->per_channel)
		return false;
	o->per_channel = true;
	o->factorize.mode = KEEL_FACTORIZE_NONE;
	return true;
}

/* One group of tensors: what more of them gain can be asked for then. */
static bool int16_worst(struct keel_compile_options *o)
{
	if (o->int16.mode != KEEL_INT16_NONE || !o->target.int16)
		return false;
	o->int16 = (struct keel_int16_options){.mode = KEEL_INT16_AUTO, .most = 1};
	return true;
}

const struct keel_change keel_changes[KEEL_CHANGE_COUNT] = {
	[KEEL_CHANGE_KEEP_DEAD] = {"--dead-channels keep", KEEL_CHOICE_DEAD, keep_dead},
	[KEEL_CHANGE_PER_CHANNEL] = {"--granularity per-channel --factorize none", 0, per_channel},
	[KEEL_CHANGE_FACTORIZE_NONE] = {"--factorize none", KEEL_CHOICE_FACTORIZE, factorize_none},
	[KEEL_CHANGE_FACTORIZE_TWO_STEP] = {"--factorize two-step", KEEL_CHOICE_FACTORIZE,
					    factorize_two_step},
	[KEEL_CHANGE_FACTORIZE_EQUALIZE] = {"--factorize equalize", KEEL_CHOICE_FACTORIZE,
					    factorize_equalize},
	[KEEL_CHANGE_FACTORIZE_LEAST_NOISE] = {"--factorize least-noise", KEEL_CHOICE_FACTORIZE,
					       factorize_least_noise},
	[KEEL_CHANGE_ABSORB_MINIMA] = {"--absorb-bias minima", KEEL_CHOICE_ABSORB, absorb_minima},
	[KEEL_CHANGE_WEIGHTS_MSE] = {"--weight-scales mse", KEEL_CHOICE_WEIGHT_SCALES, weights_mse},
	[KEEL_CHANGE_ROUND_COMPENSATED] = {"--rounding compensated", KEEL_CHOICE_ROUNDING,
					   round_compensated},
	[KEEL_CHANGE_RANGES_MINMAX] = {"--ranges minmax", KEEL_CHOICE_RANGES, ranges_minmax},
	[KEEL_CHANGE_RANGES_MSE] = {"--ranges mse", KEEL_CHOICE_RANGES, ranges_mse},
	[KEEL_CHANGE_RANGES_PERCENTILE] = {"--ranges percentile", KEEL_CHOICE_RANGES,
					   ranges_percentile},
	[KEEL_CHANGE_RANGES_AUTO] = {"--ranges auto", KEEL_CHOICE_RANGES, ranges_auto},
	[KEEL_CHANGE_RANGES_MOVING_AVERAGE] = {"--ranges moving-average", KEEL_CHOICE_RANGES,
					       ranges_moving_average},
	[KEEL_CHANGE_RANGES_KL] = {"--ranges kl", KEEL_CHOICE_RANGES, ranges_kl},
	[KEEL_CHANGE_RANGES_ACIQ_LAPLACE] = {"--ranges aciq-laplace", KEEL_CHOICE_RANGES,
					     ranges_aciq_laplace},
	[KEEL_CHANGE_RANGES_ACIQ_GAUSS] = {"--ranges aciq-gauss", KEEL_CHOICE_RANGES,
					   ranges_aciq_gauss},
	[KEEL_CHANGE_INT16] = {"--int16 auto --max-int16 1", 0, int16_worst},
	[KEEL_CHANGE_BIAS_NONE] = {"--bias-correction none", KEEL_CHOICE_BIAS, bias_none},
	[KEEL_CHANGE_BIAS_ANALYTIC] = {"--bias-correction analytic", KEEL_CHOICE_BIAS,
				       bias_analytic},
	[KEEL_CHANGE_BIAS_ITERATIVE] = {"--bias-correction iterative", KEEL_CHOICE_BIAS,
					bias_iterative},
};
