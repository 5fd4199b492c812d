// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>
#include <string.h>

#include "import.h"
#include "onnx.h"

/*
 * Opset 7 brought NumPy's broadcasting; the few differences of opset 6 are
 * handled, and ANY marks what has meant the same since opset 1.
 */
#define ANY	    KEEL_ONNX_OPSET_MIN, KEEL_ONNX_OPSET_MAX
#define ALL	    6, KEEL_ONNX_OPSET_MAX
#define FROM(opset) opset, KEEL_ONNX_OPSET_MAX

#define FOLDS	"only where all inputs are constants"
#define WEIGHTS "weights and bias must be constants; one or two spatial dimensions"

/* The operators, in alphabetical order: the search below relies on it. */
static const struct keel_onnx_op ops[] = {
	{"Abs", ALL, keel_onnx_unary, KEEL_OP_ABS},
	{"Add", ALL, keel_onnx_binary, KEEL_OP_ADD},
	{"And", ALL, keel_onnx_binary, KEEL_OP_AND, FOLDS},
	{"ArgMax", ALL, keel_onnx_argmax},
	{"ArgMin", ALL, keel_onnx_argmin, 0, "becomes Neg, ArgMax"},
	{"AveragePool", ANY, keel_onnx_pool, KEEL_OP_AVERAGE_POOL, "one or two spatial dimensions"},
	{"BatchNormalization", ALL, keel_onnx_batchnorm, 0,
	 "parameters must be constants; not in training mode; no outputs but the first"},
	{"Cast", ALL, keel_onnx_cast, 0, "half, bfloat16 and double are float; no strings"},
	{"CastLike", FROM(15), keel_onnx_cast_like},
	{"Ceil", ALL, keel_onnx_unary, KEEL_OP_CEIL},
	{"Celu", FROM(12), keel_onnx_celu, 0, "becomes Mul, Elu, Mul; alpha > 0"},
	{"Clip", ALL, keel_onnx_clip},
	{"Concat", ALL, keel_onnx_concat},
	{"Constant", ANY, keel_onnx_constant_node, 0, "dense numbers; no strings"},
	{"ConstantOfShape", FROM(9), keel_onnx_constant_of_shape, 0, FOLDS},
	{"Conv", ANY, keel_onnx_conv, 0, WEIGHTS},
	{"ConvTranspose", ANY, keel_onnx_conv_transpose, 0, WEIGHTS},
	{"Cos", FROM(7), keel_onnx_unary, KEEL_OP_COS},
	{"DepthToSpace", ALL, keel_onnx_depth_to_space, KEEL_OP_DEPTH_TO_SPACE},
	{"DequantizeLinear", FROM(10), keel_onnx_dequantize, 0,
	 "int8, uint8, int32; per tensor or per axis; scale and zero point must be constants"},
	{"Div", ALL, keel_onnx_binary, KEEL_OP_DIV},
	{"Dropout", ALL, keel_onnx_dropout, 0, "removed; not in training mode"},
	{"Elu", ALL, keel_onnx_elu, KEEL_OP_ELU},
	{"Equal", ALL, keel_onnx_binary, KEEL_OP_EQUAL, FOLDS},
	{"Erf", FROM(9), keel_onnx_unary, KEEL_OP_ERF},
	{"Exp", ALL, keel_onnx_unary, KEEL_OP_EXP},
	{"Expand", FROM(8), keel_onnx_expand, 0, "the shape must be a constant"},
	{"Flatten", ANY, keel_onnx_flatten},
	{"Floor", ALL, keel_onnx_unary, KEEL_OP_FLOOR},
	{"Gather", ALL, keel_onnx_gather, 0, "evenly spaced constant indices become Slice"},
	{"Gelu", FROM(20), keel_onnx_gelu, KEEL_OP_GELU},
	{"Gemm", ALL, keel_onnx_gemm, 0, "factors and transpositions of constants are folded"},
	{"GlobalAveragePool", ANY, keel_onnx_global_pool, KEEL_OP_AVERAGE_POOL},
	{"GlobalMaxPool", ANY, keel_onnx_global_pool, KEEL_OP_MAX_POOL},
	{"Greater", ALL, keel_onnx_binary, KEEL_OP_GREATER, FOLDS},
	{"GreaterOrEqual", FROM(12), keel_onnx_not_compare, KEEL_OP_LESS, FOLDS},
	{"HardSigmoid", ALL, keel_onnx_hard_sigmoid, KEEL_OP_HARD_SIGMOID},
	{"HardSwish", FROM(14), keel_onnx_unary, KEEL_OP_HARD_SWISH},
	{"Identity", ANY, keel_onnx_identity, 0, "removed"},
	{"InstanceNormalization", ALL, keel_onnx_instancenorm},
	{"LRN", ANY, keel_onnx_lrn},
	{"LayerNormalization", FROM(17), keel_onnx_layernorm, 0,
	 "becomes ReduceMean, Sub, Mul, Add, Sqrt, Div"},
	{"LeakyRelu", ANY, keel_onnx_leaky_relu, KEEL_OP_LEAKY_RELU},
	{"Less", ALL, keel_onnx_binary, KEEL_OP_LESS, FOLDS},
	{"LessOrEqual", FROM(12), keel_onnx_not_compare, KEEL_OP_GREATER, FOLDS},
	{"Log", ALL, keel_onnx_unary, KEEL_OP_LOG},
	{"LogSoftmax", ANY, keel_onnx_softmax, KEEL_OP_LOG_SOFTMAX},
	{"MatMul", ALL, keel_onnx_matmul},
	{"Max", ALL, keel_onnx_variadic, KEEL_OP_MAX},
	{"MaxPool", ANY, keel_onnx_pool, KEEL_OP_MAX_POOL,
	 "one or two spatial dimensions; no output of indices"},
	{"Mean", ALL, keel_onnx_mean, KEEL_OP_ADD, "becomes Add, Mul"},
	{"Min", ALL, keel_onnx_variadic, KEEL_OP_MIN},
	{"Mish", FROM(18), keel_onnx_mish, 0, "becomes Softplus, Tanh, Mul"},
	{"Mod", FROM(10), keel_onnx_mod, KEEL_OP_MOD, FOLDS},
	{"Mul", ALL, keel_onnx_binary, KEEL_OP_MUL},
	{"Neg", ALL, keel_onnx_unary, KEEL_OP_NEG},
	{"Not", ANY, keel_onnx_unary, KEEL_OP_NOT, FOLDS},
	{"Or", ALL, keel_onnx_binary, KEEL_OP_OR, FOLDS},
	{"PRelu", ALL, keel_onnx_prelu, 0, "the slope must be a constant"},
	{"Pad", ALL, keel_onnx_pad, 0, "pads must be constants; modes constant, reflect, edge"},
	{"Pow", ALL, keel_onnx_binary, KEEL_OP_POW},
	{"QLinearConv", FROM(10), keel_onnx_qlinear_conv, 0,
	 "becomes DequantizeLinear, Conv, QuantizeLinear"},
	{"QLinearMatMul", FROM(10), keel_onnx_qlinear_matmul, 0,
	 "becomes DequantizeLinear, MatMul, QuantizeLinear"},
	{"QuantizeLinear", FROM(10), keel_onnx_quantize, 0,
	 "int8, uint8; per tensor or per axis; scale and zero point must be constants"},
	{"Range", FROM(11), keel_onnx_range, 0, FOLDS},
	{"Reciprocal", ALL, keel_onnx_unary, KEEL_OP_RECIPROCAL},
	{"ReduceL1", ALL, keel_onnx_reduce_l1, 0, "becomes Abs, ReduceSum"},
	{"ReduceL2", ALL, keel_onnx_reduce_l2, 0, "becomes Mul, ReduceSum, Sqrt"},
	{"ReduceLogSum", ALL, keel_onnx_reduce_log_sum, 0, "becomes ReduceSum, Log"},
	{"ReduceMax", ALL, keel_onnx_reduce, KEEL_OP_REDUCE_MAX},
	{"ReduceMean", ALL, keel_onnx_reduce, KEEL_OP_REDUCE_MEAN},
	{"ReduceMin", ALL, keel_onnx_reduce, KEEL_OP_REDUCE_MIN},
	{"ReduceProd", ALL, keel_onnx_reduce, KEEL_OP_REDUCE_PROD, FOLDS},
	{"ReduceSum", ALL, keel_onnx_reduce, KEEL_OP_REDUCE_SUM},
	{"ReduceSumSquare", ALL, keel_onnx_reduce_sum_square, 0, "becomes Mul, ReduceSum"},
	{"Relu", ANY, keel_onnx_unary, KEEL_OP_RELU},
	{"Reshape", ALL, keel_onnx_reshape, 0, "the shape must be a constant"},
	{"Resize", FROM(10), keel_onnx_resize, 0,
	 "height and width; nearest and linear; scales or sizes must be constants"},
	{"Round", FROM(11), keel_onnx_unary, KEEL_OP_ROUND},
	{"Selu", ALL, keel_onnx_selu, KEEL_OP_SELU},
	{"Shape", ALL, keel_onnx_shape},
	{"Sigmoid", ANY, keel_onnx_unary, KEEL_OP_SIGMOID},
	{"Sign", FROM(9), keel_onnx_unary, KEEL_OP_SIGN},
	{"Sin", FROM(7), keel_onnx_unary, KEEL_OP_SIN},
	{"Size", ALL, keel_onnx_size},
	{"Slice", ALL, keel_onnx_slice, 0, "bounds must be constants"},
	{"Softmax", ANY, keel_onnx_softmax, KEEL_OP_SOFTMAX},
	{"Softplus", ANY, keel_onnx_unary, KEEL_OP_SOFTPLUS},
	{"Softsign", ANY, keel_onnx_softsign, 0, "becomes Abs, Add, Div"},
	{"SpaceToDepth", ALL, keel_onnx_space_to_depth, KEEL_OP_SPACE_TO_DEPTH},
	{"Split", ALL, keel_onnx_split, 0, "becomes Slice"},
	{"Sqrt", ALL, keel_onnx_unary, KEEL_OP_SQRT},
	{"Squeeze", ALL, keel_onnx_squeeze, 0, "becomes Reshape"},
	{"Sub", ALL, keel_onnx_binary, KEEL_OP_SUB},
	{"Sum", ALL, keel_onnx_variadic, KEEL_OP_ADD, "becomes Add"},
	{"Tanh", ANY, keel_onnx_unary, KEEL_OP_TANH},
	{"Tile", ALL, keel_onnx_tile, 0, "becomes Concat; repeats must be constants up to 64"},
	{"Transpose", ANY, keel_onnx_transpose},
	{"Unsqueeze", ALL, keel_onnx_unsqueeze, 0, "becomes Reshape"},
	{"Upsample", 7, 9, keel_onnx_upsample, 0, "becomes Resize"},
	{"Where", FROM(9), keel_onnx_where, 0, FOLDS},
	{"Xor", FROM(7), keel_onnx_not_compare, KEEL_OP_EQUAL, FOLDS},
};

#define NR_OPS (sizeof(ops) / sizeof(*ops))

static int compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct keel_onnx_op *)row)->name);
}

const struct keel_onnx_op *keel_onnx_find(const char *name)
{
	return bsearch(name, ops, NR_OPS, sizeof(*ops), compare);
}

void keel_import_list(void (*row)(void *ctx, const char *name, int first_opset, int last_opset,
				  const char *note),
		      void *ctx)
{
	size_t i;

	for (i = 0; i < NR_OPS; i++)
		row(ctx, ops[i].name, ops[i].first, ops[i].last, ops[i].note);
}
