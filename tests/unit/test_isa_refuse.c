// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "keel_rules.h"

/*
 * Every way to be refused, each with one defect: @line is valid, and becomes
 * invalid for @reason once @from in it is replaced by @to.
 */
struct refusal_case {
	const char *line, *from, *to, *field, *reason;
};

#define MAPS "ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8 "
#define CONV                                                                    \
	MAPS "in=8x8x8 out=8x8x8 kernel=3x3 pad=1,1,1,1 weights=constants+0x0 " \
	     "channels=constants+0x1000"
#define WIDE "type=s16,s16 ifm=input0+0x0:128:16 ofm=scratch+0x0:128:16 "
#define CONV_REST                                                          \
	"in=8x8x8 out=8x8x8 kernel=3x3 pad=1,1,1,1 weights=constants+0x0 " \
	"channels=constants+0x1000"
#define ADD16                                                                 \
	"ELTWISE.add " WIDE "ifm2=input1+0x0:128:16 out=8x8x8 clamp16=-4..5 " \
	"scale_a=1>>2 scale_b=1>>2 scale=1>>2"
#define RESIZE16 \
	"RESIZE.bilinear " WIDE "in=8x8 out=8x8 channels=8 scale_y=4/3 scale_x=4/3 offset=9,9 "
#define FULL   MAPS "in=8x8x8 out=8x8x8 weights=constants+0x0 channels=constants+0x1000"
#define POOL   MAPS "in=8x8 out=8x8 channels=8 kernel=3x3 pad=1,1,1,1 clamp=-4..5"
#define ADD    MAPS "ifm2=input1+0x0:64:8 out=8x8x8 clamp=-4..5 scale_a=1>>2 scale_b=1>>2 scale=1>>2"
#define RESIZE MAPS "in=8x8 out=8x8 channels=8 clamp=-4..5 scale_y=4/3 scale_x=4/3 offset=9,9"
#define ARGMAX "REDUCE.argmax ifm=input0+0x0:64:8 ofm=scratch+0x0:32:4 in=8x8x8 axes=4"
#define COPY                                                                      \
	"COPY src=input0+0x0 dst=scratch+0x0 dims=2x3x4x5 src_strides=60,20,5,1 " \
	"dst_strides=60,20,5,1"
#define UP                                                                               \
	"CONV_TRANSPOSE ifm=input0+0x0:64:8 ofm=scratch+0x0:136:8 in=8x8x8 out=17x17x8 " \
	"kernel=3x3 stride=2x2 weights=constants+0x0 channels=constants+0x1000"

#define SHAPE_CONV "does not follow from input, padding, kernel, dilation, stride and pool"
#define SHAPE_UP   "does not follow from input, padding, kernel, dilation and stride"
#define SHAPE_POOL "does not follow from input, padding, window and stride"
#define ABOVE	   "is above clamp_hi"
#define PADS	   "is not less than the window"
#define ONE	   "is not 0 along a dimension of extent 1"
#define TWICE	   "is less than the dimensions inside cover: a byte could be written twice"
#define WAIT	   "counts commands that do not come earlier since the last FENCE"
#define TAKEN	   "is not a type that the command takes"
#define GIVEN	   "is not a type that the command gives for its input"
#define ROUNDS	   "DOUBLE_ROUND needs S8 input and output"
#define ZERO	   "zero point is not 0 for S16"
#define ABOVE16	   "is above clamp_hi16"
#define OVERLAP	   "overlaps what the command reads"

/* clang-format off */
static const struct refusal_case cases[] = {
	/* Flags that exclude each other. */
	{ "CONV2D.pool_max ifm=input0+0x0:64:8 ofm=scratch+0x0:32:8 in=8x8x8 out=4x4x8 "
	  "weights=constants+0x0 channels=constants+0x1000",
	  ".pool_max", ".pool_max.pool_average", "flags", "max and average pool exclude each other" },
	{ "CONV2D.acc_out ifm=input0+0x0:64:8 in=8x8x8 out=8x8x8 weights=constants+0x0 "
	  "channels=constants+0x1000 psum=sram+0x0",
	  ".acc_out", ".acc_out.prelu", "flags",
	  "ACC_OUT leaves no epilogue that another flag could change" },
	{ "CONV2D.acc_out ifm=input0+0x0:64:8 in=8x8x8 out=8x8x8 weights=constants+0x0 "
	  "channels=constants+0x1000 psum=sram+0x0",
	  ".acc_out", ".acc_out.double_round", "flags",
	  "ACC_OUT leaves no epilogue that another flag could change" },
	{ "MATMUL " FULL, "MATMUL", "MATMUL.b_transposed", "flags", "B_TRANSPOSED needs B_ACTIVATION" },
	{ "MATMUL.b_activation " MAPS "ifm2=input1+0x0:64:8 in=8x8x8 out=8x8x8 channels=constants+0x0",
	  "b_activation", "b_activation.residual", "flags",
	  "RESIDUAL and B_ACTIVATION both need ifm2" },
	{ "POOL.average " POOL, "average", "average.double_round", "flags",
	  "only SUM rescales, so only SUM can have DOUBLE_ROUND" },
	{ "ELTWISE.min " MAPS "ifm2=input1+0x0:64:8 out=8x8x8", "min", "min.double_round", "flags",
	  "MAX and MIN do not rescale, so they cannot have DOUBLE_ROUND" },
	{ "RESIZE.nearest " RESIZE, "nearest", "nearest.double_round", "flags",
	  "NEAREST does not rescale, so it cannot have DOUBLE_ROUND" },
	{ "REDUCE.mean " MAPS "in=8x8x8 axes=1", "mean", "mean.double_round", "flags",
	  "only SUM rescales, so only SUM can have DOUBLE_ROUND" },

	/* Channels. */
	{ "CONV2D ifm=input0+0x0:64:8 ofm=scratch+0x0:96:12 in=8x8x8 out=8x8x12 groups=4 "
	  "weights=constants+0x0 channels=constants+0x1000",
	  "groups=4", "groups=3", "groups", "does not divide ifm_c" },
	{ "CONV2D ifm=input0+0x0:96:12 ofm=scratch+0x0:64:8 in=8x8x12 out=8x8x8 groups=4 "
	  "weights=constants+0x0 channels=constants+0x1000",
	  "groups=4", "groups=3", "groups", "does not divide ofm_c" },
	{ "DEPTHWISE " CONV, "out=8x8x8", "out=8x8x7", "ofm_c", "is not a multiple of ifm_c" },
	{ "MATMUL " FULL, "channels", "groups=2 channels", "groups",
	  "is set although this variant does not use it" },

	/* Shapes. */
	{ "CONV2D " CONV, "out=8x8x8", "out=7x8x8", "ofm_h", SHAPE_CONV },
	{ "CONV2D " CONV, "out=8x8x8", "out=8x7x8", "ofm_w", SHAPE_CONV },
	{ "CONV2D " CONV, "kernel=3x3", "kernel=11x3", "ofm_h", SHAPE_CONV },
	{ "CONV2D " CONV, "kernel=3x3", "kernel=3x3 dilation=1x5", "ofm_w", SHAPE_CONV },
	{ "DEPTHWISE " CONV, "kernel=3x3", "kernel=3x3 stride=2x1", "ofm_h", SHAPE_CONV },
	{ "CONV2D.pool_max ifm=input0+0x0:64:8 ofm=scratch+0x0:32:8 in=3x8x8 out=1x4x8 "
	  "weights=constants+0x0 channels=constants+0x1000",
	  "in=3x8x8", "in=1x8x8", "ofm_h", SHAPE_CONV },
	{ "MATMUL " FULL, "out=8x", "out=7x", "ofm_h", "is not ifm_h" },
	{ "MATMUL " FULL, "out=8x8", "out=8x7", "ofm_w", "is not ifm_w" },
	{ UP, "out=17x", "out=16x", "ofm_h", SHAPE_UP },
	{ UP, "out=17x17", "out=17x19", "ofm_w", SHAPE_UP },
	{ UP, "out=17x", "out=19x", "ofm_h", SHAPE_UP },
	{ UP, "stride=2x2", "stride=2x2 pad=9,0,8,0", "ofm_h", SHAPE_UP },
	{ "POOL.max " POOL, "out=8x8", "out=7x8", "ofm_h", SHAPE_POOL },
	{ "POOL.max " POOL, "out=8x8", "out=8x9", "ofm_w", SHAPE_POOL },
	{ "POOL.max " POOL, "pad=1,1,1,1", "pad=3,1,1,1", "pad_top", PADS },
	{ "POOL.max " POOL, "pad=1,1,1,1", "pad=1,3,1,1", "pad_left", PADS },
	{ "POOL.max " POOL, "pad=1,1,1,1", "pad=1,1,3,1", "pad_bottom", PADS },
	{ "POOL.max " POOL, "pad=1,1,1,1", "pad=1,1,1,3", "pad_right", PADS },
	{ "RESIZE.nearest " MAPS "in=8x8 out=65535x8 channels=1 scale_y=1/32769 scale_x=1/1",
	  "scale_x=1/1", "scale_x=1/1 offset=1,0", "scale_y_n",
	  "places output rows beyond the 32-bit range" },
	{ "RESIZE.nearest ifm=input0+0x0:64:8 ofm=scratch+0x0:65535:1 in=8x8 out=8x65535 "
	  "channels=1 scale_y=1/1 scale_x=3/65535",
	  "scale_x=3", "scale_x=1", "scale_x_n", "places output columns beyond the 32-bit range" },

	/* Parameters. */
	{ "POOL.max " POOL, "clamp=-4..5", "clamp=6..5", "clamp_lo", ABOVE },
	{ "ELTWISE.add " ADD, "clamp=-4..5", "clamp=-4..-5", "clamp_lo", ABOVE },
	{ "RESCALE " MAPS "out=8x8x8 clamp=1..1", "clamp=1..1", "clamp=1..0", "clamp_lo", ABOVE },
	{ "RESIZE.nearest " RESIZE, "clamp=-4..5", "clamp=127..5", "clamp_lo", ABOVE },
	{ "REDUCE.max " MAPS "in=8x8x8 clamp=0..0 axes=1", "clamp=0", "clamp=1", "clamp_lo", ABOVE },
	{ "SOFTMAX ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8@-128 out=8x8x8 table=constants+0x0",
	  "@-128", "@-127", "ofm", "zero point is not -128" },
	{ "LRN " MAPS "out=8x8x8 table=constants+0x0 size=1", "size=1", "size=0", "size", "is 0" },
	{ "REDUCE.max ifm=input0+0x0:3000:1 ofm=scratch+0x0:3000:1 in=3000x3000x1 axes=2",
	  "axes=2", "axes=3", "axes", "reduces more than 2^23 elements into one" },
	{ ARGMAX, "axes=4", "axes=5", "axes", "is not exactly one axis for ARGMAX" },
	{ ARGMAX, ":32:4", ":32:4@1", "ofm", "zero point is not 0 for ARGMAX" },
	{ ARGMAX, ":32:4", ":32:5", "ofm", "stride is not a multiple of the element" },
	{ ARGMAX, ":32:4", ":34:4", "ofm", "stride is not a multiple of the element" },
	{ ARGMAX, "axes", "type=s8,s8 axes", "ofm_type", "is not S32 for ARGMAX" },
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", "out", "type=s8,s32 out", "ofm_type", GIVEN },
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", "out", "type=s16,s8 out", "ifm_type", TAKEN },
	{ "TABLE " MAPS "out=8x8x8 table=constants+0x0", "out", "type=s16,s8 out", "ifm_type", TAKEN },
	{ "TABLE " MAPS "out=8x8x8 table=constants+0x0", "out", "type=s8,s16 out", "ofm_type", GIVEN },
	{ "COPY src=input0+0x0 dst=scratch+0x0", "src", "type=s16,s16 src", "ifm_type", TAKEN },
	{ "POOL.max " WIDE "in=8x8 out=8x8 channels=8 kernel=1x1 clamp16=-4..5", "s16,s16", "s16,s8",
	  "ofm_type", GIVEN },
	{ "CONV2D " WIDE CONV_REST, "s16,s16", "s4,s16", "ifm_type", TAKEN },
	{ "CONV2D " WIDE CONV_REST, "s16,s16", "s16,s4", "ofm_type", GIVEN },

	/* int16. */
	{ "CONV2D type=s8,s16 ifm=input0+0x0:64:8 ofm=scratch+0x0:128:16 " CONV_REST " table=0+0x0",
	  "CONV2D", "CONV2D.table", "flags", "TABLE needs S8 output" },
	{ "CONV2D " WIDE CONV_REST, "CONV2D", "CONV2D.acc_in", "flags",
	  "ACC_IN and ACC_OUT need S8 input" },
	{ "MATMUL " WIDE "ifm2=0+0x0:0:0 in=8x8x8 out=8x8x8 channels=constants+0x1000", "MATMUL",
	  "MATMUL.b_activation", "flags", "B_ACTIVATION needs S8 input" },
	{ "CONV2D.acc_out ifm=input0+0x0:64:8 in=8x8x8 out=8x8x8 weights=constants+0x0 "
	  "channels=constants+0x1000 psum=sram+0x0",
	  "ifm", "type=s8,s16 ifm", "ofm_type", "is not S8 although ACC_OUT leaves no output" },
	{ "CONV2D type=s16,s8 ifm=input0+0x0:33423360:131070 ofm=scratch+0x0:1:1 in=16x17x61680 "
	  "out=1x1x1 kernel=16x17 weights=constants+0x0 channels=input1+0x0",
	  "61680", "61681", "ifm_c", "makes sums of more than 2^24 products of S16" },
	{ "CONV2D " WIDE CONV_REST, "CONV2D", "CONV2D.double_round", "flags", ROUNDS },
	{ "CONV2D " WIDE CONV_REST, "128:16 ofm", "128:16@1 ofm", "ifm", ZERO },
	{ "CONV2D " WIDE CONV_REST, "128:16 in", "128:16@1 in", "ofm", ZERO },
	{ "CONV2D.residual " WIDE "ifm2=input1+0x0:128:16 " CONV_REST, "input1+0x0:128:16",
	  "input1+0x0:128:16@1", "ifm2", ZERO },
	{ "POOL.sum " WIDE "in=8x8 out=8x8 channels=8 kernel=1x1 clamp16=-4..5", "sum",
	  "sum.double_round", "flags", ROUNDS },
	{ "POOL.max " WIDE "in=8x8 out=8x8 channels=8 kernel=1x1 clamp16=-4..5", "128:16 ofm",
	  "128:16@1 ofm", "ifm", ZERO },
	{ "POOL.max " WIDE "in=8x8 out=8x8 channels=8 kernel=1x1 clamp16=-4..5", "128:16 in",
	  "128:16@1 in", "ofm", ZERO },
	{ "POOL.max " WIDE "in=8x8 out=8x8 channels=8 kernel=1x1 clamp16=-4..5", "clamp16=-4",
	  "clamp16=6", "clamp_lo16", ABOVE16 },
	{ "POOL.max " WIDE "in=8x8 out=8x8 channels=8 kernel=1x1 clamp16=-4..5", "clamp16",
	  "clamp=0..1 clamp16", "clamp_hi", "is set although this variant does not use it" },
	{ "POOL.max " POOL, "clamp", "clamp16=0..1 clamp", "clamp_hi16",
	  "is set although this variant does not use it" },
	{ ADD16, "add", "add.double_round", "flags", ROUNDS },
	{ ADD16, "128:16 ofm", "128:16@1 ofm", "ifm", ZERO },
	{ ADD16, "128:16 ifm2", "128:16@1 ifm2", "ofm", ZERO },
	{ ADD16, "128:16 out", "128:16@1 out", "ifm2", ZERO },
	{ ADD16, "clamp16=-4", "clamp16=6", "clamp_lo16", ABOVE16 },
	{ "ELTWISE.max type=s16,s16 ifm=input0+0x0:128:16 ofm=scratch+0x0:128:16 "
	  "ifm2=input1+0x0:128:16 out=8x8x8",
	  "s16,s16", "s16,s8", "ofm_type", "is not ifm_type for MAX and MIN" },
	{ "RESCALE " WIDE "out=8x8x8", "RESCALE", "RESCALE.double_round", "flags", ROUNDS },
	{ "RESCALE " WIDE "out=8x8x8", "128:16 ofm", "128:16@1 ofm", "ifm", ZERO },
	{ "RESCALE " WIDE "out=8x8x8", "128:16 out", "128:16@1 out", "ofm", ZERO },
	{ "RESCALE " WIDE "out=8x8x8", "out", "clamp16=1..0 out", "clamp_lo16", ABOVE16 },
	{ "RESCALE " WIDE "out=8x8x8", "input0+0x0", "input0+0x1", "ifm", "offset is not aligned" },
	{ "RESCALE " WIDE "out=8x8x8", "128:16 ofm", "129:16 ofm", "ifm",
	  "stride is not a multiple of the element" },
	{ "RESCALE " WIDE "out=8x8x8", "128:16 ofm", "136:17 ofm", "ifm",
	  "stride is not a multiple of the element" },
	{ "RESCALE " WIDE "out=8x8x8", "128:16 ofm", "128:14 ofm", "ifm",
	  "pixel stride is less than a pixel" },
	{ "RESCALE type=s8,s16 ifm=scratch+0x0:64:8 ofm=scratch+0x200:128:16 out=8x8x8",
	  "scratch+0x200", "scratch+0x0", "ofm", OVERLAP },
	{ "FILL type=s8,s16 ofm=scratch+0x0:128:16 out=8x8x8", "out", "value=1 out", "value",
	  "is set although this variant does not use it" },
	{ RESIZE16 "clamp16=-4..5", "bilinear", "bilinear.double_round", "flags", ROUNDS },
	{ RESIZE16 "clamp16=-4..5", "128:16 ofm", "128:16@1 ofm", "ifm", ZERO },
	{ RESIZE16 "clamp16=-4..5", "128:16 in", "128:16@1 in", "ofm", ZERO },
	{ RESIZE16 "clamp16=-4..5", "clamp16=-4", "clamp16=6", "clamp_lo16", ABOVE16 },
	{ "REDUCE.sum " WIDE "in=8x8x8 axes=1", "sum", "sum.double_round", "flags", ROUNDS },
	{ "REDUCE.sum " WIDE "in=8x8x8 axes=1", "128:16 ofm", "128:16@1 ofm", "ifm", ZERO },
	{ "REDUCE.sum " WIDE "in=8x8x8 axes=1", "128:16 in", "128:16@1 in", "ofm", ZERO },
	{ "REDUCE.sum " WIDE "in=8x8x8 axes=1", "in=", "clamp16=1..0 in=", "clamp_lo16", ABOVE16 },
	{ "REDUCE.mean type=s16,s16 ifm=input0+0x0:514:2 ofm=scratch+0x0:514:2 in=257x256x1 axes=2",
	  "axes=2", "axes=3", "axes", "reduces more than 2^16 elements of S16 into one" },
	{ "TRANSPOSE.whc " WIDE "in=8x8x8", "128:16 ofm", "128:16@1 ofm", "ifm", ZERO },
	{ "TRANSPOSE.whc " WIDE "in=8x8x8", "128:16 in", "128:16@1 in", "ofm", ZERO },

	{ "MARK id=3", "id", "wait=dma:1 id", "wait[dma]", WAIT },
	{ "MARK id=3", "id", "wait=mac:1 id", "wait[mac]", WAIT },
	{ "MARK id=3", "id", "wait=vec:65535 id", "wait[vec]", WAIT },

	/* Copies. */
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=1x3x4x5 src_strides=0,20,5,1 dst_strides=0,20,5,1",
	  "src_strides=0", "src_strides=60", "src_stride0", ONE },
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=2x1x4x5 src_strides=60,0,5,1 dst_strides=60,0,5,1",
	  "src_strides=60,0", "src_strides=60,1", "src_stride1", ONE },
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=2x3x1x5 src_strides=60,20,0,1 dst_strides=60,20,0,1",
	  "src_strides=60,20,0", "src_strides=60,20,1", "src_stride2", ONE },
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=2x3x4x1 src_strides=60,20,5,0 dst_strides=60,20,5,0",
	  "src_strides=60,20,5,0", "src_strides=60,20,5,1", "src_stride3", ONE },
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=1x3x4x5 src_strides=0,20,5,1 dst_strides=0,20,5,1",
	  "dst_strides=0", "dst_strides=60", "dst_stride0", ONE },
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=2x1x4x5 src_strides=60,0,5,1 dst_strides=60,0,5,1",
	  "dst_strides=60,0", "dst_strides=60,1", "dst_stride1", ONE },
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=2x3x1x5 src_strides=60,20,0,1 dst_strides=60,20,0,1",
	  "dst_strides=60,20,0", "dst_strides=60,20,1", "dst_stride2", ONE },
	{ "COPY src=input0+0x0 dst=scratch+0x0 dims=2x3x4x1 src_strides=60,20,5,0 dst_strides=60,20,5,0",
	  "dst_strides=60,20,5,0", "dst_strides=60,20,5,1", "dst_stride3", ONE },
	{ COPY, "dst_strides=60", "dst_strides=59", "dst_stride0", TWICE },
	{ COPY, "dst_strides=60,20", "dst_strides=60,19", "dst_stride1", TWICE },
	{ COPY, "dst_strides=60,20,5", "dst_strides=60,20,4", "dst_stride2", TWICE },
	{ COPY, "dst_strides=60,20,5,1", "dst_strides=60,20,5,0", "dst_stride3", TWICE },

	/* Operands. */
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", "scratch", "constants", "ofm",
	  "writes a read-only slot" },
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", "scratch", "input0", "ofm", "writes a read-only slot" },
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", "scratch", "input13", "ofm", "writes a read-only slot" },
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", "scratch", "32", "ofm", "slot is not a slot number" },
	{ "TABLE " MAPS "out=8x8x8 table=constants+0x0", "constants", "32", "table_slot",
	  "is out of its range" },
	{ "CONV2D " CONV, "weights=constants+0x0", "weights=constants+0x8", "weights",
	  "offset is not aligned" },
	{ "CONV2D " CONV, "channels=constants+0x1000", "channels=constants+0x1004", "channels",
	  "offset is not aligned" },
	{ "CONV2D.acc_in " CONV " psum=sram+0x0", "psum=sram+0x0", "psum=sram+0x2", "psum",
	  "offset is not aligned" },
	{ "SOFTMAX ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8@-128 out=8x8x8 table=constants+0x0",
	  "constants+0x0", "constants+0x1", "table", "offset is not aligned" },
	{ "WEIGHTS src=constants+0x0 dst=sram+0x0 encoded_bytes=9 raw_bytes=9", "constants+0x0",
	  "constants+0x2", "src", "offset is not aligned" },
	{ "WEIGHTS src=constants+0x0 dst=sram+0x0 encoded_bytes=9 raw_bytes=9", "sram+0x0",
	  "sram+0x8", "dst", "offset is not aligned" },
	{ ARGMAX, "scratch+0x0", "scratch+0x2", "ofm", "offset is not aligned" },
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", ":64:8", ":64:7", "ofm",
	  "pixel stride is less than a pixel" },
	{ "FILL ofm=scratch+0x0:64:8 out=8x8x8", ":64:8", ":63:8", "ofm",
	  "row stride is less than a row" },
	{ ARGMAX, ":32:4", ":28:4", "ofm", "row stride is less than a row" },
	{ "FILL ofm=scratch+0xfffffe00:64:8 out=8x8x8", "0xfffffe00", "0xfffffe01", "ofm",
	  "reaches beyond 4 GiB" },
	{ "FILL ofm=scratch+0x0:613566747:8 out=8x8x8", "613566747", "613566748", "ofm",
	  "reaches beyond 4 GiB" },
	{ "FILL ofm=sram+0xfe00:64:8 out=8x8x8", "0xfe00", "0xfe01", "ofm",
	  "reaches beyond the on-chip memory" },
	{ "CONV2D " CONV, "kernel=3x3 pad=1,1,1,1", "kernel=3x3 pad=1,1,1,1 groups=2 dilation=1x0",
	  "dilation_x", "is out of its range" },

	/* Overlaps. */
	{ "RESCALE ifm=scratch+0x200:64:8 ofm=scratch+0x0:64:8 out=8x8x8", "scratch+0x200",
	  "scratch+0x1ff", "ofm", OVERLAP },
	{ "RESCALE ifm=scratch+0x0:64:8 ofm=scratch+0x0:64:8 out=8x8x8", "64:8 ofm", "65:8 ofm", "ofm",
	  OVERLAP },
	{ "RESCALE ifm=scratch+0x0:128:16 ofm=scratch+0x8:128:16 out=8x8x8", "scratch+0x8",
	  "scratch+0x7", "ofm", OVERLAP },
	{ "RESCALE ifm=scratch+0x0:128:16 ofm=scratch+0x8:128:16 out=8x8x8", "scratch+0x8",
	  "scratch+0x9", "ofm", OVERLAP },
	{ "RESCALE ifm=scratch+0x0:128:16 ofm=scratch+0x8:128:16 out=8x8x8", "8:128:16 out",
	  "8:129:16 out", "ofm", OVERLAP },
	{ "RESCALE ifm=scratch+0x0:128:8 ofm=scratch+0x40:128:8 out=8x8x8", "scratch+0x40",
	  "scratch+0x3f", "ofm", OVERLAP },
	{ "RESCALE ifm=scratch+0x0:128:8 ofm=scratch+0x40:128:8 out=8x8x8", "scratch+0x40",
	  "scratch+0x41", "ofm", OVERLAP },
	{ "TABLE ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8 out=8x8x8 table=scratch+0x200", "0x200",
	  "0x1ff", "ofm", OVERLAP },
	{ "ELTWISE.max.b_c ifm=input0+0x0:64:8 ifm2=input0+0x0:64:8 ofm=scratch+0x0:64:8 out=8x8x8",
	  "ifm2=input0", "ifm2=scratch", "ofm", OVERLAP },
	{ "CONV2D " CONV, "ifm=input0", "ifm=scratch", "ofm", OVERLAP },
	{ "CONV2D.acc_out ifm=scratch+0x200:64:8 in=8x8x8 out=8x8x8 weights=constants+0x0 "
	  "channels=constants+0x1000 psum=scratch+0x400",
	  "0x400", "0x3fc", "psum", OVERLAP },
	{ "POOL.max " POOL, "ifm=input0", "ifm=scratch", "ofm", OVERLAP },
	{ "WEIGHTS src=scratch+0x0 dst=scratch+0x10 encoded_bytes=16 raw_bytes=9",
	  "encoded_bytes=16", "encoded_bytes=17", "dst", OVERLAP },
	{ COPY, "src=input0+0x0", "src=scratch+0x77", "dst", OVERLAP },
};
/* clang-format on */

#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

static union keel_command replaced(const struct refusal_case *k)
{
	const char *at = strstr(k->line, k->from);
	char text[1024];

	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - k->line), k->line, k->to,
		 at + strlen(k->from));
	return isa_line(text);
}

START_TEST(one_defect)
{
	const struct refusal_case *k = &cases[_i];
	union keel_command valid = isa_line(k->line), broken = replaced(k);
	struct keel_program_info info;
	struct keel_refusal refusal;

	if (isa_validate(&valid, &info, &refusal))
		ck_abort_msg("'%s' refused: %s %s", k->line, refusal.field, refusal.reason);
	if (!isa_validate(&broken, &info, &refusal))
		ck_abort_msg("'%s' with %s accepted", k->line, k->to);
	ck_assert_msg(!strcmp(refusal.field, k->field) && !strcmp(refusal.reason, k->reason) &&
			      refusal.command == 0,
		      "'%s' with %s: %s %s", k->line, k->to, refusal.field, refusal.reason);
}
END_TEST

static int covers(const struct refusal_case *k, enum keel_command_layout layout,
		  const struct keel_rule *rule)
{
	union keel_command c = isa_line(k->line);

	return keel_command_desc(c.h.opcode)->layout == layout &&
	       rule->opcodes & KEEL_OPCODE_BIT(c.h.opcode) && !strcmp(k->field, rule->field) &&
	       !strcmp(k->reason, rule->reason);
}

START_TEST(every_rule_has_a_case)
{
	const struct keel_layout_rules *rules = &keel_layout_rules[_i];
	unsigned int i, j;

	for (i = 0; i < rules->nr_rules; i++) {
		for (j = 0; j < NR_CASES; j++)
			if (covers(&cases[j], _i, &rules->rules[i]))
				break;
		ck_assert_msg(j < NR_CASES, "%s: no case for %s %s", keel_layouts[_i].name,
			      rules->rules[i].field, rules->rules[i].reason);
	}
}
END_TEST

START_TEST(specimens_are_valid)
{
	union keel_command c = isa_line(isa_specimens[_i]);
	struct keel_program_info info;
	struct keel_refusal refusal;

	if (isa_validate(&c, &info, &refusal))
		ck_abort_msg("%s: %s %s", isa_specimens[_i], refusal.field, refusal.reason);
}
END_TEST

/* A used field may have any value; an unused one is refused as soon as it isn't neutral. */
static int try_unused(union keel_command c, const struct keel_use *u)
{
	struct keel_program_info info;
	struct keel_refusal refusal;

	if (u->users & keel_use_selector(&c))
		return 0;
	c.bytes[u->offset]++;
	ck_assert_int_ne(isa_validate(&c, &info, &refusal), 0);
	ck_assert_str_eq(refusal.field, u->field);
	ck_assert_str_eq(refusal.reason, "is set although this variant does not use it");
	return 1;
}

START_TEST(unused_fields_are_neutral)
{
	const struct keel_layout_rules *rules = &keel_layout_rules[_i];
	unsigned int i, j, tried;

	for (i = 0; i < rules->nr_uses; i++) {
		tried = 0;
		for (j = 0; j < isa_nr_specimens; j++) {
			union keel_command c = isa_line(isa_specimens[j]);

			if (keel_command_desc(c.h.opcode)->layout == _i)
				tried += try_unused(c, &rules->uses[i]);
		}
		ck_assert_msg(tried, "%s: every specimen uses %s", keel_layouts[_i].name,
			      rules->uses[i].field);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("refuse");
	TCase *t = tcase_create("refuse");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, specimens_are_valid, 0, isa_nr_specimens);
	tcase_add_loop_test(t, one_defect, 0, NR_CASES);
	tcase_add_loop_test(t, every_rule_has_a_case, 0, KEEL_LAYOUT_COUNT);
	tcase_add_loop_test(t, unused_fields_are_neutral, 0, KEEL_LAYOUT_COUNT);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
