// SPDX-License-Identifier: MIT
#include "keel_rules.h"

/* The reciprocal of keel_numerics.h and int32 sums hold up to this many elements. */
#define MAX_COUNT      (1u << 23)
#define MAX_WIDE_COUNT (1u << 16)

/* So many products of int16 and int8 stay in 46 bits: with a bias, in an accumulator's 48. */
#define MAX_WIDE_PRODUCTS (1u << 24)

#define OP(NAME) KEEL_OPCODE_BIT(KEEL_CMD_##NAME)
#define ANY	 0xffffffffu

static int mode(const union keel_command *c, keel_u8 m)
{
	return c->h.mode == m;
}

static int flag(const union keel_command *c, keel_u16 f)
{
	return (c->h.flags & f) != 0;
}

static int wide_in(const union keel_command *c)
{
	return c->h.ifm_type == KEEL_TYPE_S16;
}

static int wide_out(const union keel_command *c)
{
	return c->h.ofm_type == KEEL_TYPE_S16;
}

/* Positions of a window along one axis; 0 when it is larger than the padded picture. */
static keel_u32 positions(keel_u32 in, keel_u32 pads, keel_u32 window, keel_u32 stride)
{
	return in + pads < window ? 0 : (in + pads - window) / stride + 1;
}

static int mac_shape_wrong(const union keel_command *c, keel_u32 extent, keel_u32 stored)
{
	return stored != (flag(c, KEEL_MAC_POOLS) ? extent / 2 : extent);
}

/*
 * The output of a transposed convolution: what the input reaches, less the pads,
 * and up to a step more, since a convolution drops as much on its way down.
 */
static int transpose_shape_wrong(keel_s64 in, keel_s64 kernel, keel_s64 stride, keel_s64 dilation,
				 keel_s64 pads, keel_s64 out)
{
	keel_s64 base = (in - 1) * stride + (kernel - 1) * dilation + 1 - pads;
	keel_s64 slack = stride > dilation ? stride : dilation;

	return base <= 0 || out < base || out >= base + slack;
}

/* Beyond int32, executors would disagree about where a coordinate falls. */
static int resize_overflows(keel_s64 out, keel_s64 n, keel_s64 d, keel_s64 offset)
{
	return (out - 1) * d + offset >= 0x7fffffff * n;
}

static int one_axis(keel_u8 axes)
{
	return axes == KEEL_AXIS_H || axes == KEEL_AXIS_W || axes == KEEL_AXIS_C;
}

static keel_u64 reduce_count(const struct keel_cmd_reduce *r)
{
	keel_u64 n = r->axes & KEEL_AXIS_H ? r->ifm_h : 1;

	n *= r->axes & KEEL_AXIS_W ? r->ifm_w : 1;
	return n * (r->axes & KEEL_AXIS_C ? r->ifm_c : 1);
}

/* Products that an accumulator sums, at most: of a transposed convolution some taps miss. */
static keel_u64 mac_products(const union keel_command *c)
{
	keel_u64 taps = (keel_u64)c->mac.kernel_h * c->mac.kernel_w;

	return c->h.opcode == KEEL_CMD_DEPTHWISE ? taps : taps * (c->mac.ifm_c / c->mac.groups);
}

/*
 * Sorted by stride, every dimension must step over all that the inner ones
 * cover; then no two elements share a byte.
 */
static int copy_dim_overlaps(const union keel_command *c, unsigned int i)
{
	const struct keel_cmd_copy *p = &c->copy;
	const keel_u32 dims[4] = {p->dim0, p->dim1, p->dim2, p->dim3};
	const keel_u32 strides[4] = {p->dst_stride0, p->dst_stride1, p->dst_stride2,
				     p->dst_stride3};
	keel_u64 span = 1;
	unsigned int j;

	if (dims[i] == 1)
		return 0;
	for (j = 0; j < 4; j++) {
		if (strides[j] < strides[i] || (j > i && strides[j] == strides[i]))
			span = keel_add_sat(span, (keel_u64)(dims[j] - 1) * strides[j]);
	}
	return strides[i] < span;
}

/*
 * Rules: R(name, opcodes, field, reason, condition that breaks it).
 * Each row becomes a condition and an entry of a table; each has a test.
 */
#define CLAMP_RULE(R, prefix, opcodes, view)                                                       \
	R(prefix##_clamp, opcodes, "clamp_lo", "is above clamp_hi", view.clamp_lo > view.clamp_hi) \
	R(prefix##_clamp16, opcodes, "clamp_lo16", "is above clamp_hi16",                          \
	  view.clamp_lo16 > view.clamp_hi16)

#define WIDE_ROUND_RULE(R, prefix)                                                     \
	R(prefix##_wide_round, ANY, "flags", "DOUBLE_ROUND needs S8 input and output", \
	  keel_command_wide(c) && flag(c, KEEL_DOUBLE_ROUND))

#define WIDE_ZERO_RULES(R, prefix, view)                                \
	R(prefix##_wide_ifm, ANY, "ifm", "zero point is not 0 for S16", \
	  wide_in(c) && view.ifm.zero_point)                            \
	R(prefix##_wide_ofm, ANY, "ofm", "zero point is not 0 for S16", \
	  wide_out(c) && view.ofm.zero_point)

#define MAC_EPILOGUE_ONLY \
	(KEEL_MAC_PRELU | KEEL_MAC_TABLE | KEEL_MAC_RESIDUAL | KEEL_MAC_POOLS | KEEL_DOUBLE_ROUND)

#define MAC_WIDE_RULES(R)                                                                  \
	R(mac_wide_table, ANY, "flags", "TABLE needs S8 output",                           \
	  wide_out(c) && flag(c, KEEL_MAC_TABLE))                                          \
	R(mac_wide_acc, ANY, "flags", "ACC_IN and ACC_OUT need S8 input",                  \
	  wide_in(c) && flag(c, KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT))                       \
	R(mac_wide_b, ANY, "flags", "B_ACTIVATION needs S8 input",                         \
	  wide_in(c) && flag(c, KEEL_MAC_B_ACTIVATION))                                    \
	R(mac_wide_none, ANY, "ofm_type", "is not S8 although ACC_OUT leaves no output",   \
	  wide_out(c) && flag(c, KEEL_MAC_ACC_OUT))                                        \
	R(mac_wide_products, ANY, "ifm_c", "makes sums of more than 2^24 products of S16", \
	  wide_in(c) && mac_products(c) > MAX_WIDE_PRODUCTS)                               \
	R(mac_wide_ifm2, ANY, "ifm2", "zero point is not 0 for S16",                       \
	  wide_out(c) && flag(c, KEEL_MAC_RESIDUAL) && c->mac.ifm2.zero_point)             \
	WIDE_ROUND_RULE(R, mac) WIDE_ZERO_RULES(R, mac, c->mac)

#define MAC_RULES(R)                                                                               \
	R(mac_two_pools, ANY, "flags", "max and average pool exclude each other",                  \
	  flag(c, KEEL_MAC_POOL_MAX) && flag(c, KEEL_MAC_POOL_AVERAGE))                            \
	R(mac_acc_out, ANY, "flags", "ACC_OUT leaves no epilogue that another flag could change",  \
	  flag(c, KEEL_MAC_ACC_OUT) && flag(c, MAC_EPILOGUE_ONLY))                                 \
	R(mac_transposed, OP(MATMUL), "flags", "B_TRANSPOSED needs B_ACTIVATION",                  \
	  flag(c, KEEL_MAC_B_TRANSPOSED) && !flag(c, KEEL_MAC_B_ACTIVATION))                       \
	R(mac_ifm2, OP(MATMUL), "flags", "RESIDUAL and B_ACTIVATION both need ifm2",               \
	  flag(c, KEEL_MAC_RESIDUAL) && flag(c, KEEL_MAC_B_ACTIVATION))                            \
	R(mac_groups_in, OP(CONV2D), "groups", "does not divide ifm_c",                            \
	  c->mac.ifm_c % c->mac.groups)                                                            \
	R(mac_groups_out, OP(CONV2D), "groups", "does not divide ofm_c",                           \
	  c->mac.ofm_c % c->mac.groups)                                                            \
	R(mac_depthwise, OP(DEPTHWISE), "ofm_c", "is not a multiple of ifm_c",                     \
	  c->mac.ofm_c % c->mac.ifm_c)                                                             \
	R(mac_conv_h, OP(CONV2D) | OP(DEPTHWISE), "ofm_h",                                         \
	  "does not follow from input, padding, kernel, dilation, stride and pool",                \
	  mac_shape_wrong(c,                                                                       \
			  positions(c->mac.ifm_h, c->mac.pad_top + c->mac.pad_bottom,              \
				    (c->mac.kernel_h - 1) * c->mac.dilation_y + 1,                 \
				    c->mac.stride_y),                                              \
			  c->mac.ofm_h))                                                           \
	R(mac_conv_w, OP(CONV2D) | OP(DEPTHWISE), "ofm_w",                                         \
	  "does not follow from input, padding, kernel, dilation, stride and pool",                \
	  mac_shape_wrong(c,                                                                       \
			  positions(c->mac.ifm_w, c->mac.pad_left + c->mac.pad_right,              \
				    (c->mac.kernel_w - 1) * c->mac.dilation_x + 1,                 \
				    c->mac.stride_x),                                              \
			  c->mac.ofm_w))                                                           \
	R(mac_matmul_h, OP(MATMUL), "ofm_h", "is not ifm_h", c->mac.ofm_h != c->mac.ifm_h)         \
	R(mac_matmul_w, OP(MATMUL), "ofm_w", "is not ifm_w", c->mac.ofm_w != c->mac.ifm_w)         \
	R(mac_transpose_h, OP(CONV_TRANSPOSE), "ofm_h",                                            \
	  "does not follow from input, padding, kernel, dilation and stride",                      \
	  transpose_shape_wrong(c->mac.ifm_h, c->mac.kernel_h, c->mac.stride_y, c->mac.dilation_y, \
				c->mac.pad_top + c->mac.pad_bottom, c->mac.ofm_h))                 \
	R(mac_transpose_w, OP(CONV_TRANSPOSE), "ofm_w",                                            \
	  "does not follow from input, padding, kernel, dilation and stride",                      \
	  transpose_shape_wrong(c->mac.ifm_w, c->mac.kernel_w, c->mac.stride_x, c->mac.dilation_x, \
				c->mac.pad_left + c->mac.pad_right, c->mac.ofm_w))                 \
	MAC_WIDE_RULES(R)

#define POOL_RULES(R)                                                                       \
	R(pool_round, ANY, "flags", "only SUM rescales, so only SUM can have DOUBLE_ROUND", \
	  flag(c, KEEL_DOUBLE_ROUND) && !mode(c, KEEL_POOL_SUM))                            \
	R(pool_top, ANY, "pad_top", "is not less than the window",                          \
	  c->pool.pad_top >= c->pool.kernel_h)                                              \
	R(pool_left, ANY, "pad_left", "is not less than the window",                        \
	  c->pool.pad_left >= c->pool.kernel_w)                                             \
	R(pool_bottom, ANY, "pad_bottom", "is not less than the window",                    \
	  c->pool.pad_bottom >= c->pool.kernel_h)                                           \
	R(pool_right, ANY, "pad_right", "is not less than the window",                      \
	  c->pool.pad_right >= c->pool.kernel_w)                                            \
	R(pool_h, ANY, "ofm_h", "does not follow from input, padding, window and stride",   \
	  c->pool.ofm_h != positions(c->pool.ifm_h, c->pool.pad_top + c->pool.pad_bottom,   \
				     c->pool.kernel_h, c->pool.stride_y))                   \
	R(pool_w, ANY, "ofm_w", "does not follow from input, padding, window and stride",   \
	  c->pool.ofm_w != positions(c->pool.ifm_w, c->pool.pad_left + c->pool.pad_right,   \
				     c->pool.kernel_w, c->pool.stride_x))                   \
	WIDE_ROUND_RULE(R, pool) WIDE_ZERO_RULES(R, pool, c->pool) CLAMP_RULE(R, pool, ANY, c->pool)

#define ELTWISE_RULES(R)                                                      \
	R(eltwise_round, ANY, "flags",                                        \
	  "MAX and MIN do not rescale, so they cannot have DOUBLE_ROUND",     \
	  flag(c, KEEL_DOUBLE_ROUND) && c->h.mode >= KEEL_ELTWISE_MAX)        \
	R(eltwise_levels, ANY, "ofm_type", "is not ifm_type for MAX and MIN", \
	  c->h.mode >= KEEL_ELTWISE_MAX && c->h.ifm_type != c->h.ofm_type)    \
	R(eltwise_wide_ifm2, ANY, "ifm2", "zero point is not 0 for S16",      \
	  wide_in(c) && c->eltwise.ifm2.zero_point)                           \
	WIDE_ROUND_RULE(R, eltwise)                                           \
	WIDE_ZERO_RULES(R, eltwise, c->eltwise) CLAMP_RULE(R, eltwise, ANY, c->eltwise)

#define UNARY_RULES(R)                                                 \
	R(unary_softmax, OP(SOFTMAX), "ofm", "zero point is not -128", \
	  c->unary.ofm.zero_point != -128)                             \
	R(unary_lrn, OP(LRN), "size", "is 0", !c->unary.size)          \
	WIDE_ROUND_RULE(R, unary)                                      \
	WIDE_ZERO_RULES(R, unary, c->unary) CLAMP_RULE(R, unary, OP(RESCALE) | OP(LRN), c->unary)

#define RESIZE_RULES(R)                                                                           \
	R(resize_round, ANY, "flags", "NEAREST does not rescale, so it cannot have DOUBLE_ROUND", \
	  flag(c, KEEL_DOUBLE_ROUND) && mode(c, KEEL_RESIZE_NEAREST))                             \
	R(resize_y, ANY, "scale_y_n", "places output rows beyond the 32-bit range",               \
	  resize_overflows(c->resize.ofm_h, c->resize.scale_y_n, c->resize.scale_y_d,             \
			   c->resize.offset_y))                                                   \
	R(resize_x, ANY, "scale_x_n", "places output columns beyond the 32-bit range",            \
	  resize_overflows(c->resize.ofm_w, c->resize.scale_x_n, c->resize.scale_x_d,             \
			   c->resize.offset_x))                                                   \
	WIDE_ROUND_RULE(R, resize)                                                                \
	WIDE_ZERO_RULES(R, resize, c->resize) CLAMP_RULE(R, resize, ANY, c->resize)

#define REDUCE_RULES(R)                                                                            \
	R(reduce_round, ANY, "flags", "only SUM rescales, so only SUM can have DOUBLE_ROUND",      \
	  flag(c, KEEL_DOUBLE_ROUND) && !mode(c, KEEL_REDUCE_SUM))                                 \
	R(reduce_count, ANY, "axes", "reduces more than 2^23 elements into one",                   \
	  reduce_count(&c->reduce) > MAX_COUNT)                                                    \
	R(reduce_wide_count, ANY, "axes", "reduces more than 2^16 elements of S16 into one",       \
	  wide_in(c) && !mode(c, KEEL_REDUCE_ARGMAX) && reduce_count(&c->reduce) > MAX_WIDE_COUNT) \
	R(reduce_axis, ANY, "axes", "is not exactly one axis for ARGMAX",                          \
	  mode(c, KEEL_REDUCE_ARGMAX) && !one_axis(c->reduce.axes))                                \
	R(reduce_zero, ANY, "ofm", "zero point is not 0 for ARGMAX",                               \
	  mode(c, KEEL_REDUCE_ARGMAX) && c->reduce.ofm.zero_point)                                 \
	WIDE_ROUND_RULE(R, reduce)                                                                 \
	WIDE_ZERO_RULES(R, reduce, c->reduce) CLAMP_RULE(R, reduce, ANY, c->reduce)

#define TRANSPOSE_RULES(R) WIDE_ZERO_RULES(R, transpose, c->transpose)

#define COPY_DIM_RULES(R, n)                                                           \
	R(copy_src##n, ANY, "src_stride" #n, "is not 0 along a dimension of extent 1", \
	  c->copy.dim##n == 1 && c->copy.src_stride##n)                                \
	R(copy_dst##n, ANY, "dst_stride" #n, "is not 0 along a dimension of extent 1", \
	  c->copy.dim##n == 1 && c->copy.dst_stride##n)                                \
	R(copy_twice##n, ANY, "dst_stride" #n,                                         \
	  "is less than the dimensions inside cover: a byte could be written twice",   \
	  copy_dim_overlaps(c, n))

#define COPY_RULES(R) \
	COPY_DIM_RULES(R, 0) COPY_DIM_RULES(R, 1) COPY_DIM_RULES(R, 2) COPY_DIM_RULES(R, 3)

#define RULE_ROW(name, opcodes_, field_, reason_, ...) {opcodes_, field_, reason_},
static const struct keel_rule mac_rules[] = {MAC_RULES(RULE_ROW)};
static const struct keel_rule pool_rules[] = {POOL_RULES(RULE_ROW)};
static const struct keel_rule eltwise_rules[] = {ELTWISE_RULES(RULE_ROW)};
static const struct keel_rule unary_rules[] = {UNARY_RULES(RULE_ROW)};
static const struct keel_rule resize_rules[] = {RESIZE_RULES(RULE_ROW)};
static const struct keel_rule reduce_rules[] = {REDUCE_RULES(RULE_ROW)};
static const struct keel_rule transpose_rules[] = {TRANSPOSE_RULES(RULE_ROW)};
static const struct keel_rule copy_rules[] = {COPY_RULES(RULE_ROW)};

/* One function for each layout, which the compiler sees whole: the rule that is broken, or NULL. */
#define RULE_INDEX(name, ...) RULE_##name,
#define RULE_CHECK(name, opcodes_, field_, reason_, ...) \
	if ((opcodes_)&opcode && (__VA_ARGS__))          \
		return &rows[RULE_##name];
#define RULE_FUNCTION(view, RULES)                                                                 \
	static const struct keel_rule *view##_broken(const union keel_command *c, keel_u32 opcode) \
	{                                                                                          \
		enum { RULES(RULE_INDEX) };                                                        \
		const struct keel_rule *rows = view##_rules;                                       \
                                                                                                   \
		RULES(RULE_CHECK)                                                                  \
		return NULL;                                                                       \
	}
RULE_FUNCTION(mac, MAC_RULES)
RULE_FUNCTION(pool, POOL_RULES)
RULE_FUNCTION(eltwise, ELTWISE_RULES)
RULE_FUNCTION(unary, UNARY_RULES)
RULE_FUNCTION(resize, RESIZE_RULES)
RULE_FUNCTION(reduce, REDUCE_RULES)
RULE_FUNCTION(transpose, TRANSPOSE_RULES)
RULE_FUNCTION(copy, COPY_RULES)

/*
 * Uses: fields that some variants leave alone. There they must hold their
 * neutral value, so that a command means one thing and has one encoding.
 * Rows: U(layout, field, users, neutral value, text).
 */

/* Selector bits of MAC commands: the flags, then these. */
#define MAC_STORED_WEIGHTS 0x10000u
#define MAC_EPILOGUE	   0x20000u
#define MAC_OP(NAME)	   (OP(NAME) << 20)
#define MAC_WINDOWED	   (MAC_OP(CONV2D) | MAC_OP(DEPTHWISE) | MAC_OP(CONV_TRANSPOSE))
/* Selector bits of all others: the mode, or the opcode of UNARY; in the upper half for S16 output.
 */
#define WIDE(users) ((keel_u32)(users) << 16)
#define BOTH(users) ((users) | WIDE(users))
#define MODE(m)	    (1u << (m))
#define NARROW	    0xffffu

#define WIDE_USES(U, view)                                 \
	U(view, clamp_lo, NARROW, 0, "S8 output")          \
	U(view, clamp_hi, NARROW, 0, "S8 output")          \
	U(view, clamp_lo16, WIDE(NARROW), 0, "S16 output") \
	U(view, clamp_hi16, WIDE(NARROW), 0, "S16 output")

#define MAC_USES(U)                                                                          \
	U(mac, ofm, MAC_EPILOGUE, 0, "without ACC_OUT")                                      \
	U(mac, ifm2, KEEL_MAC_RESIDUAL | KEEL_MAC_B_ACTIVATION, 0, "RESIDUAL, B_ACTIVATION") \
	U(mac, kernel_h, MAC_WINDOWED, 1, "all but MATMUL")                                  \
	U(mac, kernel_w, MAC_WINDOWED, 1, "all but MATMUL")                                  \
	U(mac, stride_y, MAC_WINDOWED, 1, "all but MATMUL")                                  \
	U(mac, stride_x, MAC_WINDOWED, 1, "all but MATMUL")                                  \
	U(mac, dilation_y, MAC_WINDOWED, 1, "all but MATMUL")                                \
	U(mac, dilation_x, MAC_WINDOWED, 1, "all but MATMUL")                                \
	U(mac, pad_top, MAC_WINDOWED, 0, "all but MATMUL")                                   \
	U(mac, pad_left, MAC_WINDOWED, 0, "all but MATMUL")                                  \
	U(mac, pad_bottom, MAC_WINDOWED, 0, "all but MATMUL")                                \
	U(mac, pad_right, MAC_WINDOWED, 0, "all but MATMUL")                                 \
	U(mac, groups, MAC_OP(CONV2D), 1, "CONV2D")                                          \
	U(mac, weights_offset, MAC_STORED_WEIGHTS, 0, "without B_ACTIVATION")                \
	U(mac, weights_slot, MAC_STORED_WEIGHTS, 0, "without B_ACTIVATION")                  \
	U(mac, table_offset, KEEL_MAC_TABLE, 0, "TABLE")                                     \
	U(mac, table_slot, KEEL_MAC_TABLE, 0, "TABLE")                                       \
	U(mac, psum_offset, KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT, 0, "ACC_IN, ACC_OUT")        \
	U(mac, psum_slot, KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT, 0, "ACC_IN, ACC_OUT")          \
	U(mac, residual_multiplier, KEEL_MAC_RESIDUAL, 0, "RESIDUAL")                        \
	U(mac, residual_shift, KEEL_MAC_RESIDUAL, 0, "RESIDUAL")

#define POOL_USES(U)                                             \
	U(pool, multiplier, BOTH(MODE(KEEL_POOL_SUM)), 0, "SUM") \
	U(pool, shift, BOTH(MODE(KEEL_POOL_SUM)), 0, "SUM") WIDE_USES(U, pool)

#define ELTWISE_SUMS BOTH(MODE(KEEL_ELTWISE_ADD) | MODE(KEEL_ELTWISE_SUB))

#define ELTWISE_USES(U)                                                                         \
	U(eltwise, multiplier_a, ELTWISE_SUMS, 0, "ADD, SUB")                                   \
	U(eltwise, multiplier_b, ELTWISE_SUMS, 0, "ADD, SUB")                                   \
	U(eltwise, multiplier, ELTWISE_SUMS | BOTH(MODE(KEEL_ELTWISE_MUL)), 0, "ADD, SUB, MUL") \
	U(eltwise, shift_a, ELTWISE_SUMS, 0, "ADD, SUB")                                        \
	U(eltwise, shift_b, ELTWISE_SUMS, 0, "ADD, SUB")                                        \
	U(eltwise, shift, ELTWISE_SUMS | BOTH(MODE(KEEL_ELTWISE_MUL)), 0, "ADD, SUB, MUL")      \
	WIDE_USES(U, eltwise)

#define UNARY_USES(U)                                                                       \
	U(unary, ifm, ~BOTH(OP(FILL)), 0, "all but FILL")                                   \
	U(unary, clamp_lo, OP(RESCALE) | OP(LRN), 0, "RESCALE, LRN to S8")                  \
	U(unary, clamp_hi, OP(RESCALE) | OP(LRN), 0, "RESCALE, LRN to S8")                  \
	U(unary, multiplier, BOTH(OP(RESCALE)) | OP(LRN), 0, "RESCALE, LRN")                \
	U(unary, table_offset, OP(TABLE) | OP(SOFTMAX) | OP(LRN), 0, "TABLE, SOFTMAX, LRN") \
	U(unary, table_slot, OP(TABLE) | OP(SOFTMAX) | OP(LRN), 0, "TABLE, SOFTMAX, LRN")   \
	U(unary, shift, BOTH(OP(RESCALE)) | OP(LRN), 0, "RESCALE, LRN")                     \
	U(unary, size, OP(LRN), 0, "LRN")                                                   \
	U(unary, index_shift, OP(LRN), 0, "LRN")                                            \
	U(unary, value, OP(FILL), 0, "FILL of S8")                                          \
	U(unary, clamp_lo16, WIDE(OP(RESCALE)), 0, "RESCALE to S16")                        \
	U(unary, clamp_hi16, WIDE(OP(RESCALE)), 0, "RESCALE to S16")                        \
	U(unary, value16, WIDE(OP(FILL)), 0, "FILL of S16")

#define RESIZE_USES(U)                                                         \
	U(resize, multiplier, BOTH(MODE(KEEL_RESIZE_BILINEAR)), 0, "BILINEAR") \
	U(resize, shift, BOTH(MODE(KEEL_RESIZE_BILINEAR)), 0, "BILINEAR") WIDE_USES(U, resize)

#define REDUCE_USES(U)                                                                          \
	U(reduce, clamp_lo, NARROW & ~MODE(KEEL_REDUCE_ARGMAX), 0, "all but ARGMAX, S8 output") \
	U(reduce, clamp_hi, NARROW & ~MODE(KEEL_REDUCE_ARGMAX), 0, "all but ARGMAX, S8 output") \
	U(reduce, clamp_lo16, WIDE(NARROW), 0, "S16 output")                                    \
	U(reduce, clamp_hi16, WIDE(NARROW), 0, "S16 output")                                    \
	U(reduce, multiplier, BOTH(MODE(KEEL_REDUCE_SUM)), 0, "SUM")                            \
	U(reduce, shift, BOTH(MODE(KEEL_REDUCE_SUM)), 0, "SUM")                                 \
	U(reduce, last, MODE(KEEL_REDUCE_ARGMAX), 0, "ARGMAX")

#define USE_ROW(view, member, users_, neutral_, text_)          \
	{.users = users_,                                       \
	 .field = #member,                                      \
	 .text = text_,                                         \
	 .offset = offsetof(struct keel_cmd_##view, member),    \
	 .size = sizeof(((struct keel_cmd_##view *)0)->member), \
	 .neutral = neutral_},
static const struct keel_use mac_uses[] = {MAC_USES(USE_ROW)};
static const struct keel_use pool_uses[] = {POOL_USES(USE_ROW)};
static const struct keel_use eltwise_uses[] = {ELTWISE_USES(USE_ROW)};
static const struct keel_use unary_uses[] = {UNARY_USES(USE_ROW)};
static const struct keel_use resize_uses[] = {RESIZE_USES(USE_ROW)};
static const struct keel_use reduce_uses[] = {REDUCE_USES(USE_ROW)};

/* Fields are integers of up to four bytes, or feature maps. */
KEEL_INLINE int unlike(const void *field, unsigned int size, keel_u8 neutral)
{
	keel_u64 words[2] = {0, 0};

	memcpy(words, field, size);
	return (words[0] != neutral) | (words[1] != 0);
}

/* Whether any unused field is set, without saying which. */
#define USE_CHECK(view, member, users_, neutral_, text_) \
	wrong |= (((users_)&selector) == 0) &            \
		 unlike(&c->view.member, sizeof(c->view.member), neutral_);
#define USE_FUNCTION(view, USES)                                                     \
	static int view##_unused_set(const union keel_command *c, keel_u32 selector) \
	{                                                                            \
		int wrong = 0;                                                       \
                                                                                     \
		USES(USE_CHECK)                                                      \
		return wrong;                                                        \
	}
USE_FUNCTION(mac, MAC_USES)
USE_FUNCTION(pool, POOL_USES)
USE_FUNCTION(eltwise, ELTWISE_USES)
USE_FUNCTION(unary, UNARY_USES)
USE_FUNCTION(resize, RESIZE_USES)
USE_FUNCTION(reduce, REDUCE_USES)

keel_u32 keel_use_selector(const union keel_command *c)
{
	const struct keel_command_desc *d = keel_command_desc(c->h.opcode);

	if (!d)
		return 0;
	if (d->layout == KEEL_LAYOUT_ID_UNARY)
		return KEEL_OPCODE_BIT(c->h.opcode) << (wide_out(c) ? 16 : 0);
	if (d->layout != KEEL_LAYOUT_ID_MAC)
		return MODE(c->h.mode & 15) << (wide_out(c) ? 16 : 0);
	return c->h.flags | KEEL_OPCODE_BIT(c->h.opcode) << 20 |
	       (flag(c, KEEL_MAC_B_ACTIVATION) ? 0 : MAC_STORED_WEIGHTS) |
	       (flag(c, KEEL_MAC_ACC_OUT) ? 0 : MAC_EPILOGUE);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RULES_ONLY(r)                            \
	{                                        \
		.rules = r, .nr_rules = COUNT(r) \
	}
#define RULES(r, u)                                                              \
	{                                                                        \
		.rules = r, .uses = u, .nr_rules = COUNT(r), .nr_uses = COUNT(u) \
	}

const struct keel_layout_rules keel_layout_rules[KEEL_LAYOUT_COUNT] = {
	[KEEL_LAYOUT_ID_COPY] = RULES_ONLY(copy_rules),
	[KEEL_LAYOUT_ID_MAC] = RULES(mac_rules, mac_uses),
	[KEEL_LAYOUT_ID_POOL] = RULES(pool_rules, pool_uses),
	[KEEL_LAYOUT_ID_ELTWISE] = RULES(eltwise_rules, eltwise_uses),
	[KEEL_LAYOUT_ID_UNARY] = RULES(unary_rules, unary_uses),
	[KEEL_LAYOUT_ID_RESIZE] = RULES(resize_rules, resize_uses),
	[KEEL_LAYOUT_ID_REDUCE] = RULES(reduce_rules, reduce_uses),
	[KEEL_LAYOUT_ID_TRANSPOSE] = RULES_ONLY(transpose_rules),
};

const struct keel_rule *keel_rule_broken(const union keel_command *c,
					 enum keel_command_layout layout)
{
	keel_u32 opcode = KEEL_OPCODE_BIT(c->h.opcode);

	switch (layout) {
	case KEEL_LAYOUT_ID_COPY:
		return copy_broken(c, opcode);
	case KEEL_LAYOUT_ID_MAC:
		return mac_broken(c, opcode);
	case KEEL_LAYOUT_ID_POOL:
		return pool_broken(c, opcode);
	case KEEL_LAYOUT_ID_ELTWISE:
		return eltwise_broken(c, opcode);
	case KEEL_LAYOUT_ID_UNARY:
		return unary_broken(c, opcode);
	case KEEL_LAYOUT_ID_RESIZE:
		return resize_broken(c, opcode);
	case KEEL_LAYOUT_ID_REDUCE:
		return reduce_broken(c, opcode);
	case KEEL_LAYOUT_ID_TRANSPOSE:
		return transpose_broken(c, opcode);
	default:
		return NULL;
	}
}

static int any_unused_set(const union keel_command *c, enum keel_command_layout layout,
			  keel_u32 selector)
{
	switch (layout) {
	case KEEL_LAYOUT_ID_MAC:
		return mac_unused_set(c, selector);
	case KEEL_LAYOUT_ID_POOL:
		return pool_unused_set(c, selector);
	case KEEL_LAYOUT_ID_ELTWISE:
		return eltwise_unused_set(c, selector);
	case KEEL_LAYOUT_ID_UNARY:
		return unary_unused_set(c, selector);
	case KEEL_LAYOUT_ID_RESIZE:
		return resize_unused_set(c, selector);
	case KEEL_LAYOUT_ID_REDUCE:
		return reduce_unused_set(c, selector);
	default:
		return 0;
	}
}

const struct keel_use *keel_unused_set(const union keel_command *c, enum keel_command_layout layout)
{
	const struct keel_layout_rules *l = &keel_layout_rules[layout];
	keel_u32 selector = keel_use_selector(c);
	unsigned int i;

	if (!any_unused_set(c, layout, selector))
		return NULL;
	for (i = 0; i < l->nr_uses; i++) {
		const struct keel_use *u = &l->uses[i];

		if (!(u->users & selector) && unlike(c->bytes + u->offset, u->size, u->neutral))
			return u;
	}
	return NULL;
}
