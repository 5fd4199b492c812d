// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_text.h"

/* clang-format off */
const char isa_introduction[] =
"A program is a stream of commands of 128 bytes each, little endian. No command changes the\n"
"meaning of another: each says everything about itself. Commands are executed in program order,\n"
"or in any order that their waits allow; the result is the same for a program with sufficient waits.\n"
"The arithmetic is that of `isa/keel_numerics.h`, bit for bit, in every executor:\n"
"\n"
"    rescale(v, m, s)              sat32((v * m + 2^(s-1)) >> s); DOUBLE_ROUND adds +-2^30 where s > 31\n"
"    requant(v, m, s, zp, lo, hi)  clamp(sat32(rescale(v, m, s) + zp), lo, hi)\n"
"    average(sum, n)               rescale(sum, ((2^30 + 1) << k) / n, 30 + k), k = ceil(log2(n))\n"
"    rescale48(v, m, s)            sat32((sat48(v) * m + 2^(s-1)) >> s), s from 17; exact in 64 bits\n"
"\n"
"Sums of products wrap as two's complement, so no value of any operand is undefined. `zi`, `zo` and\n"
"`z2` below are the zero points of `ifm`, `ofm` and `ifm2`.\n"
"\n"
"Activations are int8 with a zero point, or int16 with zero point 0; the header's types say which.\n"
"Offsets and strides count bytes, and are even for int16. The accumulators of MAC commands are int32\n"
"for int8 input and int64 for int16 input, whose sums have at most 2^24 products. With an int16 input\n"
"or output channel records are wide, there is no DOUBLE_ROUND, and `clamp16` takes the place of `clamp`\n"
"where the output is int16.\n";

const char isa_constants[] =
"### Channel records\n"
"\n"
"MAC commands read one record of 16 bytes for each output channel, at `channels`:\n"
"\n"
"| bytes | type | name | meaning |\n"
"|---|---|---|---|\n"
"| 0 | s32 | bias | start of the accumulator |\n"
"| 4 | s32 | multiplier | scale to output levels |\n"
"| 8 | s32 | multiplier_neg | the same for negative accumulators, with `prelu` |\n"
"| 12 | u8 | shift | of multiplier; above 62 counts as 62 |\n"
"| 13 | u8 | shift_neg | of multiplier_neg |\n"
"| 14 | s8 | clamp_lo | lowest output level |\n"
"| 15 | s8 | clamp_hi | highest output level; wins should it be below clamp_lo |\n"
"\n"
"Where the input or the output is int16 the record has 24 bytes:\n"
"\n"
"| bytes | type | name | meaning |\n"
"|---|---|---|---|\n"
"| 0 | s64 | bias | start of the accumulator; of an int32 accumulator the low 32 bits |\n"
"| 8 | s32 | multiplier | scale to output levels: rescale for int8 input, rescale48 for int16 |\n"
"| 12 | s32 | multiplier_neg | the same for negative accumulators, with `prelu` |\n"
"| 16 | s16 | clamp_lo | lowest output level; int8 output is clamped to int8 besides |\n"
"| 18 | s16 | clamp_hi | highest output level; wins should it be below clamp_lo |\n"
"| 20 | u8 | shift | of multiplier; above 62 counts as 62, for rescale48 below 17 as 17 |\n"
"| 21 | u8 | shift_neg | of multiplier_neg |\n"
"| 22 | u16 | rsv | ignored |\n"
"\n"
"### Weights\n"
"\n"
"int8 at a multiple of 16 bytes, in blocks of 16 output channels by 4 input channels; OC and IC are\n"
"channels of a group. Positions beyond the channels are skipped, whatever they hold.\n"
"\n"
"| command | order in memory |\n"
"|---|---|\n"
"| CONV2D | [groups][ceil(OC / 16)][kernel_h][kernel_w][ceil(IC / 4)][16][4] |\n"
"| DEPTHWISE | [ceil(OC / 16)][kernel_h][kernel_w][16] |\n"
"| MATMUL | [ceil(OC / 16)][ceil(IC / 4)][16][4] |\n"
"| CONV_TRANSPOSE | [ceil(OC / 16)][kernel_h][kernel_w][ceil(IC / 4)][16][4] |\n";

const char isa_validation[] =
"The kernel, the library and the simulated NPU accept a stream with the same code,\n"
"`isa/keel_validate.c`, and in it:\n"
"\n"
"* a stream has 1 to 262144 commands; END comes last, once, with the right count and checksum;\n"
"* a field is in its range, a field that a variant does not use is neutral (0, or its minimum where\n"
"  that is above 0), bytes behind the last field are zero;\n"
"* a wait counts only commands that come earlier, so no deadlock can be expressed;\n"
"* every operand lies in its slot: the reach becomes the size that the slot must have, at most 4 GiB,\n"
"  and for on-chip memory at most what the NPU has; only writable slots are written;\n"
"* `pixel_stride` is at least a pixel, `row_stride` at least a row; both are multiples of the element;\n"
"* what a command writes overlaps nothing that it reads. Apart are operands in different slots, in\n"
"  disjoint byte ranges, or interleaved in one range: equal strides and disjoint channels of the same\n"
"  pixels, or equal row strides and disjoint columns of the same rows. ELTWISE (operands that are not\n"
"  repeated), RESCALE (both of one type), TABLE and the residual of MAC commands without pool may read the very view\n"
"  that they write.\n"
"\n"
"A refusal names command, field and reason.\n";
/* clang-format on */

#define MAPS   "ifm=input0+0x0:448:8@-3 ofm=scratch+0x0:448:8 "
#define ARRAYS "weights=constants+0x0 channels=constants+0x1000"

/* clang-format off */
const struct isa_text isa_texts[] = {
	{ "END",
	  "The last command, and the only END. The checksum is that of all bytes before it.\n", 0 },
	{ "FENCE",
	  "Starts when everything before it is done; everything behind it starts after it. Waits behind\n"
	  "it count from 0 again.\n",
	  "FENCE" },
	{ "MARK",
	  "Records `id`, its layer and the time, as soon as its waits hold. Computes nothing.\n",
	  "MARK layer=12 id=4" },
	{ "COPY",
	  "`dst[i][j][k][l] = src[i][j][k][l]` over the box. A source stride of 0 repeats; no byte may be\n"
	  "written twice, which is checked on the strides: sorted, each must reach over all that the\n"
	  "smaller ones cover.\n",
	  "COPY src=constants+0x40 dst=sram+0x0 dims=1x2x3x64 src_strides=0,192,64,1 "
	  "dst_strides=0,512,128,1" },
	{ "WEIGHTS",
	  "Decodes `encoded_bytes` of the format of `isa/keel_weights.h` to `raw_bytes`. Streams are\n"
	  "data: a damaged one decodes to zeros where it is damaged.\n",
	  "WEIGHTS src=constants+0x0 dst=sram+0x0 encoded_bytes=900 raw_bytes=1152" },
	{ "CONV2D",
	  "    acc[c] = acc_in ? psum[y][x][c] : bias[c]\n"
	  "    acc[c] += sum over ky, kx, i of (ifm[y * stride_y + ky * dilation_y - pad_top]\n"
	  "              [x * stride_x + kx * dilation_x - pad_left][i] - zi) * w[c][ky][kx][i]\n"
	  "\n"
	  "Padding contributes 0. Input channels `i` are those of the group of `c`. Then the epilogue, which\n"
	  "all MAC commands share:\n"
	  "\n"
	  "    acc_out:  psum[y][x][c] = acc[c], and that is all\n"
	  "    v = rescale(acc, multiplier[c], shift[c])      prelu and acc < 0: multiplier_neg, shift_neg\n"
	  "    residual: v = sat32(v + rescale(ifm2[y][x][c] - z2, residual_multiplier, residual_shift))\n"
	  "    q = clamp(sat32(v + zo), clamp_lo[c], clamp_hi[c])\n"
	  "    table:    q = table[q + 128]\n"
	  "    pool_max: maximum of 2x2 levels; pool_average: average(sum of the four (q - zo), 4) + zo,\n"
	  "              clamped to the type; an odd last row or column is dropped\n"
	  "\n"
	  "With int16 input `rescale48` takes the place of `rescale` for `acc`.\n",
	  "CONV2D.table " MAPS "in=56x56x8 out=56x56x8 kernel=3x3 pad=1,1,1,1 " ARRAYS
	  " table=constants+0x2000" },
	{ "DEPTHWISE",
	  "As CONV2D, but output channel `c` sees input channel `c / (ofm_c / ifm_c)` alone.\n",
	  "DEPTHWISE " MAPS "in=56x56x8 out=56x56x8 kernel=3x3 pad=1,1,1,1 " ARRAYS },
	{ "MATMUL",
	  "    acc[n] = bias[n] + sum over k of (ifm[h][m][k] - zi) * w[n][k]\n"
	  "\n"
	  "`ifm_h` products of a matrix with `ifm_w` rows and `ifm_c` columns. With `b_activation` the second\n"
	  "factor is `ifm2[h][k][n] - z2`, with `b_transposed` `ifm2[h][n][k] - z2`. Epilogue as CONV2D.\n",
	  "MATMUL ifm=scratch+0x0:1280:1280 ofm=output0+0x0:1000:1000@4 in=1x1x1280 out=1x1x1000 "
	  "weights=constants+0x0 channels=constants+0x138800" },
	{ "CONV_TRANSPOSE",
	  "    ofm[oy][ox] sums over iy, ky, ix, kx with iy * stride_y + ky * dilation_y - pad_top == oy,\n"
	  "                               and the same for columns\n"
	  "\n"
	  "Products and epilogue as CONV2D. The output reaches as far as the input does, and up to\n"
	  "max(stride, dilation) - 1 rows or columns further, where only the bias is left.\n",
	  "CONV_TRANSPOSE ifm=input0+0x0:64:8 ofm=scratch+0x0:136:8 in=8x8x8 out=17x17x8 kernel=3x3 "
	  "stride=2x2 " ARRAYS },
	{ "POOL",
	  "    max:      q = max of the levels, pixels inside the picture only\n"
	  "    average:  q = average(sum of (q - zi), number of pixels inside) + zo\n"
	  "    sum:      q = rescale(sum of (q - zi) inside, multiplier, shift) + zo\n"
	  "\n"
	  "Clamped to clamp_lo .. clamp_hi. Pads are less than the window, so no window is empty.\n",
	  "POOL.max ifm=input0+0x0:512:8 ofm=scratch+0x0:256:8 in=64x64 out=32x32 channels=8 "
	  "kernel=3x3 stride=2x2 pad=0,0,1,1 clamp=-128..127" },
	{ "ELTWISE",
	  "    add, sub: q = requant(a' +- b', multiplier, shift), a' = rescale((a - zi) << 20, multiplier_a, shift_a),\n"
	  "              b' in the same way from ifm2, the sum wraps\n"
	  "              int16: a' = rescale(a << 15, multiplier_a, shift_a)\n"
	  "    mul:      q = requant((a - zi) * (b - z2), multiplier, shift)\n"
	  "    max, min: of the levels as they are\n"
	  "\n"
	  "Clamped to clamp_lo .. clamp_hi.\n",
	  "ELTWISE.mul.b_h.b_w " MAPS "ifm2=scratch+0x8000:8:8 out=56x56x8 clamp=-128..127 "
	  "scale=1431655765>>37" },
	{ "RESCALE", "`q = requant(q - zi, multiplier, shift, zo, clamp_lo, clamp_hi)`\n",
	  "RESCALE " MAPS "out=56x56x8 clamp=-128..127 scale=1518500250>>30" },
	{ "TABLE", "`q = table[q + 128]`, 256 int8: any function of one variable.\n",
	  "TABLE " MAPS "out=56x56x8 table=constants+0x0" },
	{ "SOFTMAX",
	  "    e[c] = table[max over c of q - q[c]]         256 uint32, at a multiple of 4\n"
	  "    q[c] = clamp(((e[c] << 8) + sum / 2) / sum - 128, -128, 127), sum over all e\n"
	  "\n"
	  "The output has scale 1/256 and zero point -128. A sum of 0 gives -128.\n",
	  "SOFTMAX ifm=scratch+0x0:1000:1000 ofm=output0+0x0:1000:1000@-128 out=1x1x1000 "
	  "table=constants+0x0" },
	{ "LRN",
	  "    s = sum of (q - zi)^2 over channels c - (size - 1) / 2 .. c + size / 2 inside the picture\n"
	  "    i = min(s >> index_shift, 511)\n"
	  "    f = table[i] + (((table[i + 1] - table[i]) * (s - (i << index_shift))) >> index_shift)\n"
	  "    q = requant((q - zi) * f, multiplier, shift, zo, clamp_lo, clamp_hi), the product wraps\n"
	  "\n"
	  "The table has 513 int32, at a multiple of 4.\n",
	  "LRN " MAPS "out=56x56x8 clamp=-128..127 scale=1073741824>>48 table=constants+0x0 size=5 "
	  "index_shift=9" },
	{ "FILL", "`q = value`; of int16 `value16`\n", "FILL ofm=scratch+0x0:448:8 out=56x56x8 value=-128" },
	{ "RESIZE",
	  "    (iy, ry): iy + ry / scale_y_n = (oy * scale_y_d + offset_y) / scale_y_n, 0 <= ry < scale_y_n\n"
	  "    nearest:  q = ifm[iy + (2 ry >= scale_y_n)][ix + (2 rx >= scale_x_n)], clamped to clamp_lo .. clamp_hi\n"
	  "    bilinear: q = requant(sum of the four (q - zi) weighted by scale_n - r and r, multiplier, shift)\n"
	  "\n"
	  "Coordinates are clamped to the picture, sums wrap.\n",
	  "RESIZE.bilinear ifm=input0+0x0:224:8 ofm=scratch+0x0:448:8 in=28x28 out=56x56 channels=8 "
	  "clamp=-128..127 scale_y=4/2 scale_x=4/2 offset=-1,-1 scale=1073741824>>34" },
	{ "REDUCE",
	  "    sum:    q = requant(sum of (q - zi), multiplier, shift, zo, clamp_lo, clamp_hi)\n"
	  "    mean:   q = clamp(average(sum of (q - zi), count) + zo, clamp_lo, clamp_hi)\n"
	  "    max:    q = clamp(max of the levels, clamp_lo, clamp_hi)\n"
	  "    argmax: int32 position of the first maximum along the axis, with last=1 of the last\n"
	  "\n"
	  "The output has extent 1 along the reduced axes; ARGMAX writes elements of four bytes and its\n"
	  "output type is S32.\n",
	  "REDUCE.mean ifm=scratch+0x0:8960:1280 ofm=scratch+0x10000:1280:1280 in=7x7x1280 "
	  "clamp=-128..127 axes=3" },
	{ "TRANSPOSE",
	  "The mode names the axes of the output in terms of the input's: WHC is `ofm[y][x][c] = ifm[x][y][c]`.\n",
	  "TRANSPOSE.chw ifm=scratch+0x0:448:8 ofm=output0+0x0:3136:56 in=56x56x8" },
};
/* clang-format on */

const unsigned int isa_nr_texts = sizeof(isa_texts) / sizeof(isa_texts[0]);

const struct isa_suffix_text isa_suffix_texts[] = {
	{"POOL", "max", "maximum"},
	{"POOL", "average", "mean of the pixels inside the picture"},
	{"POOL", "sum", "sum, rescaled"},
	{"ELTWISE", "add", "a + b"},
	{"ELTWISE", "sub", "a - b"},
	{"ELTWISE", "mul", "a * b"},
	{"ELTWISE", "max", "greater level"},
	{"ELTWISE", "min", "lesser level"},
	{"ELTWISE", "a_h", "ifm has one row, repeated"},
	{"ELTWISE", "a_w", "ifm has one column, repeated"},
	{"ELTWISE", "a_c", "ifm has one channel, repeated"},
	{"ELTWISE", "b_h", "ifm2 has one row, repeated"},
	{"ELTWISE", "b_w", "ifm2 has one column, repeated"},
	{"ELTWISE", "b_c", "ifm2 has one channel, repeated"},
	{"RESIZE", "nearest", "nearest pixel"},
	{"RESIZE", "bilinear", "weighted mean of four pixels"},
	{"REDUCE", "sum", "sum, rescaled"},
	{"REDUCE", "mean", "mean"},
	{"REDUCE", "max", "maximum"},
	{"REDUCE", "argmax", "position of the maximum"},
	{"TRANSPOSE", "hwc", "nothing moves"},
	{"TRANSPOSE", "hcw", "columns and channels change places"},
	{"TRANSPOSE", "whc", "rows and columns change places"},
	{"TRANSPOSE", "wch", "width, channels, height"},
	{"TRANSPOSE", "chw", "channels, height, width"},
	{"TRANSPOSE", "cwh", "channels and rows change places"},
	{"MAC", "prelu", "negative accumulators have a multiplier and a shift of their own"},
	{"MAC", "table", "look the clamped level up in 256 int8"},
	{"MAC", "residual", "add ifm2, rescaled, before the clamp"},
	{"MAC", "acc_in", "start from int32 partial sums instead of the bias"},
	{"MAC", "acc_out", "store int32 partial sums; no epilogue, ofm is all zero"},
	{"MAC", "pool_max", "2x2 maximum pool of the finished levels; ofm_h and ofm_w are halves"},
	{"MAC", "pool_average",
	 "2x2 average pool of the finished levels; ofm_h and ofm_w are halves"},
	{"MAC", "b_activation", "ifm2 is the second factor, [h][k][n]; no weights"},
	{"MAC", "b_transposed", "with b_activation: ifm2 is [h][n][k]"},
	{0, "double_round", "round twice, as networks that were quantized for TFLite expect"},
};

const unsigned int isa_nr_suffix_texts = sizeof(isa_suffix_texts) / sizeof(isa_suffix_texts[0]);
