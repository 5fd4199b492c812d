// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "graph.h"

#define OP(op, text) [KEEL_OP_##op] = text

static const char *const op_names[KEEL_OP_COUNT] = {
	OP(CONV, "Conv"),
	OP(CONV_TRANSPOSE, "ConvTranspose"),
	OP(FC, "FullyConnected"),
	OP(MATMUL, "MatMul"),
	OP(BATCHNORM, "BatchNorm"),
	OP(RELU, "Relu"),
	OP(CLIP, "Clip"),
	OP(LEAKY_RELU, "LeakyRelu"),
	OP(PRELU, "PRelu"),
	OP(ELU, "Elu"),
	OP(SELU, "Selu"),
	OP(SIGMOID, "Sigmoid"),
	OP(TANH, "Tanh"),
	OP(HARD_SIGMOID, "HardSigmoid"),
	OP(HARD_SWISH, "HardSwish"),
	OP(SILU, "SiLU"),
	OP(GELU, "Gelu"),
	OP(SOFTPLUS, "Softplus"),
	OP(EXP, "Exp"),
	OP(LOG, "Log"),
	OP(SQRT, "Sqrt"),
	OP(RECIPROCAL, "Reciprocal"),
	OP(ABS, "Abs"),
	OP(NEG, "Neg"),
	OP(FLOOR, "Floor"),
	OP(CEIL, "Ceil"),
	OP(ROUND, "Round"),
	OP(ERF, "Erf"),
	OP(SIGN, "Sign"),
	OP(SIN, "Sin"),
	OP(COS, "Cos"),
	OP(ADD, "Add"),
	OP(SUB, "Sub"),
	OP(MUL, "Mul"),
	OP(DIV, "Div"),
	OP(MAX, "Max"),
	OP(MIN, "Min"),
	OP(POW, "Pow"),
	OP(MAX_POOL, "MaxPool"),
	OP(AVERAGE_POOL, "AveragePool"),
	OP(REDUCE_MEAN, "ReduceMean"),
	OP(REDUCE_SUM, "ReduceSum"),
	OP(REDUCE_MAX, "ReduceMax"),
	OP(REDUCE_MIN, "ReduceMin"),
	OP(ARGMAX, "ArgMax"),
	OP(SOFTMAX, "Softmax"),
	OP(LOG_SOFTMAX, "LogSoftmax"),
	OP(LRN, "LRN"),
	OP(INSTANCE_NORM, "InstanceNorm"),
	OP(RESIZE, "Resize"),
	OP(CONCAT, "Concat"),
	OP(SLICE, "Slice"),
	OP(PAD, "Pad"),
	OP(RESHAPE, "Reshape"),
	OP(TRANSPOSE, "Transpose"),
	OP(EXPAND, "Expand"),
	OP(GATHER, "Gather"),
	OP(DEPTH_TO_SPACE, "DepthToSpace"),
	OP(SPACE_TO_DEPTH, "SpaceToDepth"),
	OP(CAST, "Cast"),
	OP(QUANTIZE, "Quantize"),
	OP(DEQUANTIZE, "Dequantize"),
	OP(SHAPE, "Shape"),
	OP(CONSTANT_OF_SHAPE, "ConstantOfShape"),
	OP(RANGE, "Range"),
	OP(WHERE, "Where"),
	OP(EQUAL, "Equal"),
	OP(LESS, "Less"),
	OP(GREATER, "Greater"),
	OP(NOT, "Not"),
	OP(AND, "And"),
	OP(OR, "Or"),
	OP(MOD, "Mod"),
	OP(REDUCE_PROD, "ReduceProd"),
	OP(UNSUPPORTED, "Unsupported"),
};

const char *keel_op_name(enum keel_op op)
{
	return (unsigned int)op < KEEL_OP_COUNT ? op_names[op] : "?";
}

size_t keel_dtype_size(enum keel_dtype type)
{
	static const size_t sizes[] = {
		[KEEL_F32] = 4, [KEEL_I64] = 8, [KEEL_I32] = 4,
		[KEEL_I8] = 1,	[KEEL_U8] = 1,	[KEEL_BOOL] = 1,
	};

	return sizes[type];
}

/** struct unary - parameters and argument of an elementwise function */
struct unary {
	double alpha, beta, lo, hi, x;
};

static double clamp(double x, double lo, double hi)
{
	double above = x < lo ? lo : x;

	/* hi wins when the bounds cross, as in ONNX; NaN passes */
	return above > hi ? hi : above;
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double u_relu(const struct unary *u)
{
	return u->x < 0 ? 0 : u->x;
}

static double u_clip(const struct unary *u)
{
	return clamp(u->x, u->lo, u->hi);
}

static double u_leaky(const struct unary *u)
{
	return u->x < 0 ? u->alpha * u->x : u->x;
}

static double u_elu(const struct unary *u)
{
	return u->x < 0 ? u->alpha * expm1(u->x) : u->x;
}

static double u_selu(const struct unary *u)
{
	return u->beta * u_elu(u);
}

static double u_sigmoid(const struct unary *u)
{
	return sigmoid(u->x);
}

static double u_tanh(const struct unary *u)
{
	return tanh(u->x);
}

static double u_hard_sigmoid(const struct unary *u)
{
	return clamp(u->alpha * u->x + u->beta, 0, 1);
}

static double u_hard_swish(const struct unary *u)
{
	return u->x * clamp(u->x / 6 + 0.5, 0, 1);
}

static double u_silu(const struct unary *u)
{
	return u->x * sigmoid(u->x);
}

static double u_gelu(const struct unary *u)
{
	double x = u->x;

	if (u->alpha != 0)
		return 0.5 * x * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
	return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}

static double u_softplus(const struct unary *u)
{
	return u->x > 0 ? u->x + log1p(exp(-u->x)) : log1p(exp(u->x));
}

static double u_exp(const struct unary *u)
{
	return exp(u->x);
}

static double u_log(const struct unary *u)
{
	return log(u->x);
}

static double u_sqrt(const struct unary *u)
{
	return sqrt(u->x);
}

static double u_reciprocal(const struct unary *u)
{
	return 1 / u->x;
}

static double u_abs(const struct unary *u)
{
	return fabs(u->x);
}

static double u_neg(const struct unary *u)
{
	return -u->x;
}

static double u_floor(const struct unary *u)
{
	return floor(u->x);
}

static double u_ceil(const struct unary *u)
{
	return ceil(u->x);
}

static double u_round(const struct unary *u)
{
	return nearbyint(u->x);
}

static double u_erf(const struct unary *u)
{
	return erf(u->x);
}

static double u_sign(const struct unary *u)
{
	return (u->x > 0) - (u->x < 0);
}

static double u_sin(const struct unary *u)
{
	return sin(u->x);
}

static double u_cos(const struct unary *u)
{
	return cos(u->x);
}

static double (*const unary_fns[KEEL_OP_COUNT])(const struct unary *) = {
	OP(RELU, u_relu),
	OP(CLIP, u_clip),
	OP(LEAKY_RELU, u_leaky),
	OP(PRELU, u_leaky),
	OP(ELU, u_elu),
	OP(SELU, u_selu),
	OP(SIGMOID, u_sigmoid),
	OP(TANH, u_tanh),
	OP(HARD_SIGMOID, u_hard_sigmoid),
	OP(HARD_SWISH, u_hard_swish),
	OP(SILU, u_silu),
	OP(GELU, u_gelu),
	OP(SOFTPLUS, u_softplus),
	OP(EXP, u_exp),
	OP(LOG, u_log),
	OP(SQRT, u_sqrt),
	OP(RECIPROCAL, u_reciprocal),
	OP(ABS, u_abs),
	OP(NEG, u_neg),
	OP(FLOOR, u_floor),
	OP(CEIL, u_ceil),
	OP(ROUND, u_round),
	OP(ERF, u_erf),
	OP(SIGN, u_sign),
	OP(SIN, u_sin),
	OP(COS, u_cos),
};

bool keel_op_is_unary(enum keel_op op)
{
	return (unsigned int)op < KEEL_OP_COUNT && unary_fns[op];
}

double keel_unary_eval(enum keel_op fn, double alpha, double beta, double lo, double hi, double x)
{
	struct unary u = {alpha, beta, lo, hi, x};

	return keel_op_is_unary(fn) ? unary_fns[fn](&u) : NAN;
}
