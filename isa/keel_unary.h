/* SPDX-License-Identifier: MIT */
#ifndef KEEL_UNARY_H
#define KEEL_UNARY_H

/** enum keel_unary - functions of one variable, for tables and host steps; values are in files */
enum keel_unary {
	KEEL_UNARY_CLIP = 0,	   /* lo, hi */
	KEEL_UNARY_LEAKY_RELU = 1, /* alpha */
	KEEL_UNARY_ELU = 2,	   /* alpha */
	KEEL_UNARY_SELU = 3,	   /* alpha, beta = gamma */
	KEEL_UNARY_SIGMOID = 4,
	KEEL_UNARY_TANH = 5,
	KEEL_UNARY_HARD_SIGMOID = 6, /* alpha, beta */
	KEEL_UNARY_HARD_SWISH = 7,
	KEEL_UNARY_SILU = 8,
	KEEL_UNARY_GELU = 9, /* alpha 1: tanh form */
	KEEL_UNARY_SOFTPLUS = 10,
	KEEL_UNARY_EXP = 11,
	KEEL_UNARY_LOG = 12,
	KEEL_UNARY_SQRT = 13,
	KEEL_UNARY_RECIPROCAL = 14,
	KEEL_UNARY_ABS = 15,
	KEEL_UNARY_NEG = 16,
	KEEL_UNARY_FLOOR = 17,
	KEEL_UNARY_CEIL = 18,
	KEEL_UNARY_ROUND = 19, /* half to even */
	KEEL_UNARY_ERF = 20,
	KEEL_UNARY_SIGN = 21,
	KEEL_UNARY_SIN = 22,
	KEEL_UNARY_COS = 23,
	KEEL_UNARY_POW = 24, /* x^alpha */
	KEEL_UNARY_COUNT
};

/** keel_unary() - value of @fn at @x, in double; NaN where undefined */
double keel_unary(enum keel_unary fn, double alpha, double beta, double lo, double hi, double x);

const char *keel_unary_name(enum keel_unary fn);

#endif
