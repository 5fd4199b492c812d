// SPDX-License-Identifier: MIT
#include <math.h>

#include "keel_unary.h"

static const char *const names[KEEL_UNARY_COUNT] = {
	[KEEL_UNARY_CLIP] = "Clip",
	[KEEL_UNARY_LEAKY_RELU] = "LeakyRelu",
	[KEEL_UNARY_ELU] = "Elu",
	[KEEL_UNARY_SELU] = "Selu",
	[KEEL_UNARY_SIGMOID] = "Sigmoid",
	[KEEL_UNARY_TANH] = "Tanh",
	[KEEL_UNARY_HARD_SIGMOID] = "HardSigmoid",
	[KEEL_UNARY_HARD_SWISH] = "HardSwish",
	[KEEL_UNARY_SILU] = "Silu",
	[KEEL_UNARY_GELU] = "Gelu",
	[KEEL_UNARY_SOFTPLUS] = "Softplus",
	[KEEL_UNARY_EXP] = "Exp",
	[KEEL_UNARY_LOG] = "Log",
	[KEEL_UNARY_SQRT] = "Sqrt",
	[KEEL_UNARY_RECIPROCAL] = "Reciprocal",
	[KEEL_UNARY_ABS] = "Abs",
	[KEEL_UNARY_NEG] = "Neg",
	[KEEL_UNARY_FLOOR] = "Floor",
	[KEEL_UNARY_CEIL] = "Ceil",
	[KEEL_UNARY_ROUND] = "Round",
	[KEEL_UNARY_ERF] = "Erf",
	[KEEL_UNARY_SIGN] = "Sign",
	[KEEL_UNARY_SIN] = "Sin",
	[KEEL_UNARY_COS] = "Cos",
	[KEEL_UNARY_POW] = "Pow",
};

/* NaN passes through, as in fmin(fmax()) it would not. */
static double clip(double x, double lo, double hi)
{
	x = x < lo ? lo : x;
	return x > hi ? hi : x;
}

static double sigmoid(double x)
{
	/* exp() of a negative number only: nothing overflows. */
	double e = exp(-fabs(x));

	return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static double softplus(double x)
{
	return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double gelu(double x, int tanh_form)
{
	if (tanh_form)
		return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
	return 0.5 * x * erfc(-x * M_SQRT1_2);
}

/* Limits at infinity of functions of the form x * gate(x). */
static double gated(double x, double gate)
{
	return gate == 0 && isinf(x) ? 0 : x * gate;
}

/* rint() would follow the rounding mode. */
static double round_even(double x)
{
	double down = floor(x), rest = x - down;

	if (!isfinite(x))
		return x;
	if (rest == 0.5)
		return 2 * floor(down / 2) == down ? down : down + 1;
	return copysign(rest < 0.5 ? down : down + 1, x);
}

double keel_unary(enum keel_unary fn, double alpha, double beta, double lo, double hi, double x)
{
	switch (fn) {
	case KEEL_UNARY_CLIP:
		return clip(x, lo, hi);
	case KEEL_UNARY_LEAKY_RELU:
		return x < 0 ? alpha * x : x;
	case KEEL_UNARY_ELU:
		return x < 0 ? alpha * expm1(x) : x;
	case KEEL_UNARY_SELU:
		return beta * (x < 0 ? alpha * expm1(x) : x);
	case KEEL_UNARY_SIGMOID:
		return sigmoid(x);
	case KEEL_UNARY_TANH:
		return tanh(x);
	case KEEL_UNARY_HARD_SIGMOID:
		return clip(alpha * x + beta, 0, 1);
	case KEEL_UNARY_HARD_SWISH:
		return gated(x, clip(x / 6 + 0.5, 0, 1));
	case KEEL_UNARY_SILU:
		return gated(x, sigmoid(x));
	case KEEL_UNARY_GELU:
		return x == -INFINITY ? 0 : gelu(x, alpha == 1);
	case KEEL_UNARY_SOFTPLUS:
		return softplus(x);
	case KEEL_UNARY_EXP:
		return exp(x);
	case KEEL_UNARY_LOG:
		return log(x);
	case KEEL_UNARY_SQRT:
		return sqrt(x);
	case KEEL_UNARY_RECIPROCAL:
		return 1 / x;
	case KEEL_UNARY_ABS:
		return fabs(x);
	case KEEL_UNARY_NEG:
		return -x;
	case KEEL_UNARY_FLOOR:
		return floor(x);
	case KEEL_UNARY_CEIL:
		return ceil(x);
	case KEEL_UNARY_ROUND:
		return round_even(x);
	case KEEL_UNARY_ERF:
		return erf(x);
	case KEEL_UNARY_SIGN:
		return isnan(x) ? x : (x > 0) - (x < 0);
	case KEEL_UNARY_SIN:
		return sin(x);
	case KEEL_UNARY_COS:
		return cos(x);
	case KEEL_UNARY_POW:
		return pow(x, alpha);
	default:
		return NAN;
	}
}

const char *keel_unary_name(enum keel_unary fn)
{
	return (unsigned int)fn < KEEL_UNARY_COUNT ? names[fn] : "unknown";
}
