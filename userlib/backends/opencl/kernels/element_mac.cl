/* SPDX-License-Identifier: MIT */

/*
 * MAC commands, one stored element at a time: the definition in keel_execute.h
 * spelled out. Any device, any attribute; the fast paths fall back to it.
 */

/* Bases of the slots that a command's operands lie in. */
struct keel_io {
	global const uchar *ifm, *ifm2, *weights, *channels, *table;
	global uchar *ofm, *psum;
};

static inline global const char *keel_at(global const uchar *slot, global const struct keel_fm *fm,
					 uint y, uint x, uint c)
{
	return (global const char *)slot + fm->offset + (ulong)y * fm->row_stride +
	       (ulong)x * fm->pixel_stride + c;
}

static inline global char *keel_at_out(global uchar *slot, global const struct keel_fm *fm, uint y,
				       uint x, uint c)
{
	return (global char *)slot + fm->offset + (ulong)y * fm->row_stride +
	       (ulong)x * fm->pixel_stride + c;
}

/* Level of an int8 or int16 map. */
static inline int keel_level(global const uchar *slot, global const struct keel_fm *fm, uint type,
			     uint y, uint x, uint c)
{
	if (type == KEEL_TYPE_S16)
		return *(global const short *)keel_at(slot, fm, y, x, 2 * c);
	return *keel_at(slot, fm, y, x, c);
}

static inline void keel_put(global uchar *slot, global const struct keel_fm *fm, uint type, uint y,
			    uint x, uint c, int q)
{
	if (type == KEEL_TYPE_S16)
		*(global short *)keel_at_out(slot, fm, y, x, 2 * c) = (short)q;
	else
		*keel_at_out(slot, fm, y, x, c) = (char)q;
}

static inline uint keel_extent(uint in, uint pads, uint kernel_size, uint dilation, uint stride)
{
	return (in + pads - (kernel_size - 1) * dilation - 1) / stride + 1;
}

/* Width of the output before pooling; partial sums are laid out with it. */
static inline uint keel_mac_width(global const struct keel_cmd_mac *m)
{
	if (m->h.opcode == KEEL_CMD_CONV2D || m->h.opcode == KEEL_CMD_DEPTHWISE)
		return keel_extent(m->ifm_w, m->pad_left + m->pad_right, m->kernel_w,
				   m->dilation_x, m->stride_x);
	return m->ofm_w;
}

static inline uint keel_mac_height(global const struct keel_cmd_mac *m)
{
	if (m->h.opcode == KEEL_CMD_CONV2D || m->h.opcode == KEEL_CMD_DEPTHWISE)
		return keel_extent(m->ifm_h, m->pad_top + m->pad_bottom, m->kernel_h,
				   m->dilation_y, m->stride_y);
	return m->ofm_h;
}

/*
 * Input coordinate that tap @k of output coordinate @o reads; -1 when it reads
 * padding. A transposed convolution asks the same question backwards.
 */
static inline int keel_tap(int transposed, uint o, uint k, uint stride, uint dilation, uint pad,
			   uint extent)
{
	int i = transposed ? (int)(o + pad) - (int)(k * dilation) :
			     (int)(o * stride + k * dilation) - (int)pad;

	if (transposed) {
		if (i < 0 || i % (int)stride)
			return -1;
		i /= (int)stride;
	}
	return i < (int)extent ? i : -1;
}

/* keel_dot_tap() of int16, which has no zero point. */
static inline ulong keel_dot_tap16(global const short *x, global const char *w, uint channels)
{
	ulong acc = 0;
	uint c, j;

	for (c = 0; c + 4 <= channels; c += 4, w += KEEL_BLOCK_OC * KEEL_BLOCK_IC)
		for (j = 0; j < 4; j++)
			acc += (ulong)(long)(x[c + j] * w[j]);
	for (j = 0; c + j < channels; j++)
		acc += (ulong)(long)(x[c + j] * w[j]);
	return acc;
}

/*
 * One tap over the input channels of a group: sum of (x - zx) * w over quads of four. Of int8
 * the low 32 bits count.
 */
static inline ulong keel_dot_tap(global const struct keel_cmd_mac *m, global const char *x,
				 global const char *w, uint channels)
{
	int zx = m->ifm.zero_point;
	uint acc = 0, c, j;

	if (m->h.ifm_type == KEEL_TYPE_S16)
		return keel_dot_tap16((global const short *)x, w, channels);

	for (c = 0; c + 4 <= channels; c += 4, w += KEEL_BLOCK_OC * KEEL_BLOCK_IC)
		for (j = 0; j < 4; j++)
			acc += (uint)((x[c + j] - zx) * w[j]);
	for (j = 0; c + j < channels; j++)
		acc += (uint)((x[c + j] - zx) * w[j]);
	return acc;
}

static inline ulong keel_conv_sum(global const struct keel_cmd_mac *m, struct keel_io io, uint y,
				 uint x, uint c)
{
	uint groups = m->h.opcode == KEEL_CMD_CONV2D ? m->groups : 1;
	uint in_c = m->ifm_c / groups, out_c = m->ofm_c / groups, g = c / out_c, oc = c % out_c;
	uint quads = (in_c + KEEL_BLOCK_IC - 1) / KEEL_BLOCK_IC;
	uint blocks = (out_c + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC;
	uint size = m->h.ifm_type == KEEL_TYPE_S16 ? 2 : 1;
	int transposed = m->h.opcode == KEEL_CMD_CONV_TRANSPOSE;
	global const char *w = (global const char *)io.weights + m->weights_offset +
			       (((ulong)g * blocks + oc / KEEL_BLOCK_OC) * m->kernel_h * m->kernel_w *
					quads * KEEL_BLOCK_OC + oc % KEEL_BLOCK_OC) * KEEL_BLOCK_IC;
	ulong acc = 0;

	for (uint ky = 0; ky < m->kernel_h; ky++) {
		int iy = keel_tap(transposed, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h);

		for (uint kx = 0; kx < m->kernel_w; kx++, w += quads * KEEL_BLOCK_OC * KEEL_BLOCK_IC) {
			int ix = keel_tap(transposed, x, kx, m->stride_x, m->dilation_x, m->pad_left,
					  m->ifm_w);

			if (iy >= 0 && ix >= 0)
				acc += keel_dot_tap(m, keel_at(io.ifm, &m->ifm, iy, ix,
							       g * in_c * size), w, in_c);
		}
	}
	return acc;
}

static inline ulong keel_depthwise_sum(global const struct keel_cmd_mac *m, struct keel_io io,
				      uint y, uint x, uint c)
{
	uint in = c / (m->ofm_c / m->ifm_c);
	global const char *w = (global const char *)io.weights + m->weights_offset +
			       ((ulong)(c / KEEL_BLOCK_OC) * m->kernel_h * m->kernel_w) *
				       KEEL_BLOCK_OC + c % KEEL_BLOCK_OC;
	ulong acc = 0;

	for (uint ky = 0; ky < m->kernel_h; ky++) {
		int iy = keel_tap(0, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h);

		for (uint kx = 0; kx < m->kernel_w; kx++, w += KEEL_BLOCK_OC) {
			int ix = keel_tap(0, x, kx, m->stride_x, m->dilation_x, m->pad_left, m->ifm_w);

			if (iy >= 0 && ix >= 0)
				acc += (ulong)(long)((keel_level(io.ifm, &m->ifm, m->h.ifm_type,
								 iy, ix, in) -
						      m->ifm.zero_point) * *w);
		}
	}
	return acc;
}

/* MATMUL: the second operand is weights, or activations with a zero point of their own. */
static inline ulong keel_matmul_sum(global const struct keel_cmd_mac *m, struct keel_io io, uint y,
				   uint x, uint n)
{
	global const char *a = keel_at(io.ifm, &m->ifm, y, x, 0);
	int za = m->ifm.zero_point, zb = m->ifm2.zero_point;
	uint transposed = m->h.flags & KEEL_MAC_B_TRANSPOSED, acc = 0;

	if (!(m->h.flags & KEEL_MAC_B_ACTIVATION)) {
		uint quads = (m->ifm_c + KEEL_BLOCK_IC - 1) / KEEL_BLOCK_IC;
		ulong block = (ulong)(n / KEEL_BLOCK_OC) * quads * KEEL_BLOCK_OC + n % KEEL_BLOCK_OC;

		return keel_dot_tap(m, a, (global const char *)io.weights + m->weights_offset +
				    block * KEEL_BLOCK_IC, m->ifm_c);
	}
	for (uint k = 0; k < m->ifm_c; k++) {
		int b = transposed ? *keel_at(io.ifm2, &m->ifm2, y, n, k) :
				     *keel_at(io.ifm2, &m->ifm2, y, k, n);

		acc += (uint)((a[k] - za) * (b - zb));
	}
	return acc;
}

static inline ulong keel_psum_index(global const struct keel_cmd_mac *m, uint y, uint x, uint c)
{
	return ((ulong)y * keel_mac_width(m) + x) * m->ofm_c + c;
}

static inline uint keel_mac_is_wide(global const struct keel_cmd_mac *m)
{
	return m->h.ifm_type == KEEL_TYPE_S16 || m->h.ofm_type == KEEL_TYPE_S16;
}

/* Channel record, of either kind, as a wide one. */
static inline struct keel_channel_wide keel_mac_channel(global const struct keel_cmd_mac *m,
							struct keel_io io, uint c)
{
	global const uchar *records = io.channels + m->channels_offset;
	global const struct keel_channel *r = (global const struct keel_channel *)records + c;
	struct keel_channel_wide w;

	if (keel_mac_is_wide(m))
		return ((global const struct keel_channel_wide *)records)[c];
	w.bias = r->bias;
	w.multiplier = r->multiplier;
	w.multiplier_neg = r->multiplier_neg;
	w.clamp_lo = r->clamp_lo;
	w.clamp_hi = r->clamp_hi;
	w.shift = r->shift;
	w.shift_neg = r->shift_neg;
	return w;
}

/* What the sum of products is added to. */
static inline long keel_mac_start(global const struct keel_cmd_mac *m, struct keel_io io, long bias,
				  uint y, uint x, uint c)
{
	if (m->h.flags & KEEL_MAC_ACC_IN)
		return ((global const int *)(io.psum + m->psum_offset))[keel_psum_index(m, y, x, c)];
	return bias;
}

/* Of int8 input it wraps to 32 bits. */
static inline long keel_mac_accumulator(global const struct keel_cmd_mac *m, struct keel_io io,
					long bias, uint y, uint x, uint c, uint opcode)
{
	ulong acc = (ulong)keel_mac_start(m, io, bias, y, x, c);

	if (opcode == KEEL_CMD_DEPTHWISE)
		acc += keel_depthwise_sum(m, io, y, x, c);
	else if (opcode == KEEL_CMD_MATMUL)
		acc += keel_matmul_sum(m, io, y, x, c);
	else
		acc += keel_conv_sum(m, io, y, x, c);
	return m->h.ifm_type == KEEL_TYPE_S16 ? (long)acc : (long)(int)(uint)acc;
}

/* From an accumulator to a finished level, pooling excepted. */
static inline int keel_mac_finish(global const struct keel_cmd_mac *m, struct keel_io io,
				  const struct keel_channel_wide *channel, long acc, uint y, uint x,
				  uint c)
{
	uint flags = m->h.flags, round = flags & KEEL_DOUBLE_ROUND;
	int negative = (flags & KEEL_MAC_PRELU) && acc < 0;
	int k = negative ? channel->multiplier_neg : channel->multiplier;
	uint s = negative ? channel->shift_neg : channel->shift;
	int q = m->h.ifm_type == KEEL_TYPE_S16 ? keel_rescale48(acc, k, s) :
						 keel_rescale((int)acc, k, s, round);

	if (flags & KEEL_MAC_RESIDUAL) {
		int r = keel_level(io.ifm2, &m->ifm2, m->h.ofm_type, y, x, c) - m->ifm2.zero_point;

		q = keel_sat32((long)q + keel_rescale(r, m->residual_multiplier, m->residual_shift,
						      round));
	}
	q = keel_clamp(keel_sat32((long)q + m->ofm.zero_point), channel->clamp_lo,
		       channel->clamp_hi);
	if (m->h.ofm_type != KEEL_TYPE_S16)
		q = keel_clamp(q, -128, 127);
	if (flags & KEEL_MAC_TABLE)
		q = ((global const char *)io.table)[m->table_offset + q + 128];
	return q;
}

static inline int keel_mac_level(global const struct keel_cmd_mac *m, struct keel_io io, uint y,
				 uint x, uint c, uint opcode)
{
	const struct keel_channel_wide channel = keel_mac_channel(m, io, c);

	return keel_mac_finish(m, io, &channel,
			       keel_mac_accumulator(m, io, channel.bias, y, x, c, opcode), y, x, c);
}

/* The four levels of a window as one. */
static inline int keel_mac_pool(global const struct keel_cmd_mac *m, const int *levels)
{
	int wide = m->h.ofm_type == KEEL_TYPE_S16, best = -32768, sum = 0;

	for (uint i = 0; i < 4; i++) {
		best = max(best, levels[i]);
		sum += levels[i] - m->ofm.zero_point;
	}
	if (m->h.flags & KEEL_MAC_POOL_MAX)
		return best;
	return keel_clamp(keel_average(sum, 4) + m->ofm.zero_point, wide ? -32768 : -128,
			  wide ? 32767 : 127);
}

static inline int keel_mac_pooled(global const struct keel_cmd_mac *m, struct keel_io io, uint y,
				  uint x, uint c, uint opcode)
{
	int levels[4];

	for (uint i = 0; i < 4; i++)
		levels[i] = keel_mac_level(m, io, 2 * y + (i >> 1), 2 * x + (i & 1), c, opcode);
	return keel_mac_pool(m, levels);
}

/*
 * Commands with int16 and constant weights: sixteen output channels at a time, which is how weights
 * lie. Sums of so many products fit into 32 bits.
 */
#define KEEL_SUM_QUADS 64
#define KEEL_SUM_TAPS  256

/** struct keel_block - up to sixteen output channels of a group
 * @group: the group
 * @first: first channel of the group
 * @channel: the same, counted over all groups
 * @count: channels
 */
struct keel_block {
	uint group, first, channel, count;
};

static inline struct keel_block keel_block(global const struct keel_cmd_mac *m, uint i)
{
	uint groups = m->h.opcode == KEEL_CMD_CONV2D ? m->groups : 1, out_c = m->ofm_c / groups;
	uint blocks = (out_c + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC;
	struct keel_block b;

	b.group = i / blocks;
	b.first = i % blocks * KEEL_BLOCK_OC;
	b.channel = b.group * out_c + b.first;
	b.count = min((uint)KEEL_BLOCK_OC, out_c - b.first);
	return b;
}

/* Four input levels less their zero point; those behind the last are 0. */
static inline int4 keel_quad(global const struct keel_cmd_mac *m, global const char *x, uint at,
			     uint channels)
{
	int v[4] = {0, 0, 0, 0};

	for (uint j = 0; j < 4 && at + j < channels; j++)
		v[j] = m->h.ifm_type == KEEL_TYPE_S16 ? ((global const short *)x)[at + j] :
							x[at + j] - m->ifm.zero_point;
	return (int4)(v[0], v[1], v[2], v[3]);
}

/* One tap of a block over the input channels of a group. */
static inline long16 keel_block_tap(global const struct keel_cmd_mac *m, global const char *x,
				    global const char *w, uint channels)
{
	uint quads = (channels + KEEL_BLOCK_IC - 1) / KEEL_BLOCK_IC, q = 0;
	long16 acc = (long16)(0);

	while (q < quads) {
		uint end = min(q + KEEL_SUM_QUADS, quads);
		int16 sum = (int16)(0);

		for (; q < end; q++, w += KEEL_BLOCK_OC * KEEL_BLOCK_IC) {
			int16 four = vload16(0, (global const int *)w);
			int4 v = keel_quad(m, x, q * KEEL_BLOCK_IC, channels);

			sum += ((four << 24) >> 24) * v.s0 + ((four << 16) >> 24) * v.s1 +
			       ((four << 8) >> 24) * v.s2 + (four >> 24) * v.s3;
		}
		acc += convert_long16(sum);
	}
	return acc;
}

/* CONV2D, CONV_TRANSPOSE, and MATMUL, whose window is one pixel. */
static inline long16 keel_block_conv(global const struct keel_cmd_mac *m, struct keel_io io,
				     struct keel_block b, uint y, uint x)
{
	uint groups = m->h.opcode == KEEL_CMD_CONV2D ? m->groups : 1;
	uint in_c = m->ifm_c / groups, out_c = m->ofm_c / groups;
	uint tap_bytes = (in_c + KEEL_BLOCK_IC - 1) / KEEL_BLOCK_IC * KEEL_BLOCK_OC * KEEL_BLOCK_IC;
	uint blocks = (out_c + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC;
	uint size = m->h.ifm_type == KEEL_TYPE_S16 ? 2 : 1;
	int transposed = m->h.opcode == KEEL_CMD_CONV_TRANSPOSE;
	global const char *w = (global const char *)io.weights + m->weights_offset +
			       ((ulong)b.group * blocks + b.first / KEEL_BLOCK_OC) * m->kernel_h *
				       m->kernel_w * tap_bytes;
	long16 acc = (long16)(0);

	for (uint ky = 0; ky < m->kernel_h; ky++) {
		int iy = keel_tap(transposed, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h);

		for (uint kx = 0; kx < m->kernel_w; kx++, w += tap_bytes) {
			int ix = keel_tap(transposed, x, kx, m->stride_x, m->dilation_x, m->pad_left,
					  m->ifm_w);

			if (iy >= 0 && ix >= 0)
				acc += keel_block_tap(m, keel_at(io.ifm, &m->ifm, iy, ix,
								 b.group * in_c * size), w, in_c);
		}
	}
	return acc;
}

/* Levels, less their zero point, that the channels of a block see at one pixel. */
static inline int16 keel_block_pixel(global const struct keel_cmd_mac *m, struct keel_io io,
				     struct keel_block b, uint y, uint x)
{
	uint repeat = m->ofm_c / m->ifm_c;
	int v[KEEL_BLOCK_OC];

	if (repeat == 1 && b.count == KEEL_BLOCK_OC && m->h.ifm_type == KEEL_TYPE_S16)
		return convert_int16(vload16(0, (global const short *)keel_at(io.ifm, &m->ifm, y, x,
									      2 * b.channel)));
	for (uint i = 0; i < KEEL_BLOCK_OC; i++)
		v[i] = i < b.count ? keel_level(io.ifm, &m->ifm, m->h.ifm_type, y, x,
						(b.channel + i) / repeat) - m->ifm.zero_point : 0;
	return vload16(0, v);
}

static inline long16 keel_block_depthwise(global const struct keel_cmd_mac *m, struct keel_io io,
					  struct keel_block b, uint y, uint x)
{
	global const char *w = (global const char *)io.weights + m->weights_offset +
			       (ulong)b.channel * m->kernel_h * m->kernel_w;
	long16 acc = (long16)(0);
	int16 sum = (int16)(0);
	uint taps = 0;

	for (uint ky = 0; ky < m->kernel_h; ky++) {
		int iy = keel_tap(0, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h);

		for (uint kx = 0; kx < m->kernel_w; kx++, w += KEEL_BLOCK_OC) {
			int ix = keel_tap(0, x, kx, m->stride_x, m->dilation_x, m->pad_left, m->ifm_w);

			if (iy >= 0 && ix >= 0)
				sum += keel_block_pixel(m, io, b, iy, ix) *
				       convert_int16(vload16(0, w));
			if (++taps % KEEL_SUM_TAPS == 0) {
				acc += convert_long16(sum);
				sum = (int16)(0);
			}
		}
	}
	return acc + convert_long16(sum);
}

/* Finished levels of a block at one pixel, pooling excepted. */
static inline void keel_block_levels(global const struct keel_cmd_mac *m, struct keel_io io,
				     struct keel_block b, uint y, uint x, int *levels)
{
	long sums[KEEL_BLOCK_OC];

	vstore16(m->h.opcode == KEEL_CMD_DEPTHWISE ? keel_block_depthwise(m, io, b, y, x) :
						     keel_block_conv(m, io, b, y, x), 0, sums);
	for (uint i = 0; i < b.count; i++) {
		uint c = b.channel + i;
		const struct keel_channel_wide channel = keel_mac_channel(m, io, c);
		long acc = (long)((ulong)keel_mac_start(m, io, channel.bias, y, x, c) +
				  (ulong)sums[i]);

		if (m->h.ifm_type != KEEL_TYPE_S16)
			acc = (int)(uint)(ulong)acc;
		levels[i] = keel_mac_finish(m, io, &channel, acc, y, x, c);
	}
}

/* Block @i of the output as stored, [h][w][blocks]. */
static inline void keel_mac_block(global const struct keel_cmd_mac *m, struct keel_io io, ulong i)
{
	uint groups = m->h.opcode == KEEL_CMD_CONV2D ? m->groups : 1;
	uint blocks = groups * ((m->ofm_c / groups + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC);
	struct keel_block b = keel_block(m, (uint)(i % blocks));
	uint x = (uint)(i / blocks % m->ofm_w), y = (uint)(i / blocks / m->ofm_w);
	int levels[4][KEEL_BLOCK_OC], pool = (m->h.flags & (KEEL_MAC_POOL_MAX |
							    KEEL_MAC_POOL_AVERAGE)) != 0;

	for (uint k = 0; k < (pool ? 4 : 1); k++)
		keel_block_levels(m, io, b, pool ? 2 * y + (k >> 1) : y, pool ? 2 * x + (k & 1) : x,
				  levels[k]);
	for (uint c = 0; c < b.count; c++) {
		const int window[4] = {levels[0][c], pool ? levels[1][c] : 0,
				       pool ? levels[2][c] : 0, pool ? levels[3][c] : 0};

		keel_put(io.ofm, &m->ofm, m->h.ofm_type, y, x, b.channel + c,
			 pool ? keel_mac_pool(m, window) : window[0]);
	}
}

/* Element @i of the output as stored, [h][w][c]; with ACC_OUT of the partial sums. */
static inline void keel_mac_narrow_element(global const struct keel_cmd_mac *m, struct keel_io io,
					   ulong i, uint opcode)
{
	uint c = (uint)(i % m->ofm_c), w = m->ofm_w, x, y;

	i /= m->ofm_c;
	x = (uint)(i % w);
	y = (uint)(i / w);
	if (m->h.flags & KEEL_MAC_ACC_OUT)
		((global int *)(io.psum + m->psum_offset))[keel_psum_index(m, y, x, c)] =
			(int)keel_mac_accumulator(m, io, keel_mac_channel(m, io, c).bias, y, x, c,
						  opcode);
	else
		keel_put(io.ofm, &m->ofm, m->h.ofm_type, y, x, c,
			 m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) ?
				 keel_mac_pooled(m, io, y, x, c, opcode) :
				 keel_mac_level(m, io, y, x, c, opcode));
}

static inline void keel_mac_element(global const struct keel_cmd_mac *m, struct keel_io io, ulong i)
{
	if (keel_mac_is_wide(m) && !(m->h.flags & KEEL_MAC_B_ACTIVATION))
		keel_mac_block(m, io, i);
	else
		keel_mac_narrow_element(m, io, i, m->h.opcode);
}
