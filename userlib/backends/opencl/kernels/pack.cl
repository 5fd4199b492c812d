/* SPDX-License-Identifier: MIT */

/*
 * Packing: the input of a tile of output pixels is gathered into rows, one per
 * pixel, each the whole window in the order ky, kx, channel, padding resolved to
 * the zero point. All formulations of a convolution become one matrix product.
 */

#define KEEL_SLICE_STRIDE (KEEL_ROWS * KEEL_ROW_STRIDE)

/** struct keel_packer - where the next element of a row goes
 * @to: address
 * @room: elements left in the slice
 */
struct keel_packer {
	global uchar *to;
	uint room;
};

#if KEEL_QUADS
#define KEEL_SLICE_ELEMENTS KEEL_SLICE_BYTES
#define KEEL_ELEMENT_BYTES 1
#define KEEL_FLIP8 0x8080808080808080UL

/* Copies never touch a byte outside: pieces overlap instead. */
static inline void keel_pack_short(global uchar *to, global const char *from, uint n)
{
	if (n >= 8) {
		ulong a = KEEL_LOAD(keel_ulong_at, from), b = KEEL_LOAD(keel_ulong_at, from + n - 8);

		KEEL_STORE(keel_ulong_at, to, a ^ KEEL_FLIP8);
		KEEL_STORE(keel_ulong_at, to + n - 8, b ^ KEEL_FLIP8);
	} else if (n >= 4) {
		uint a = KEEL_LOAD(keel_uint_at, from), b = KEEL_LOAD(keel_uint_at, from + n - 4);

		KEEL_STORE(keel_uint_at, to, a ^ (uint)KEEL_FLIP8);
		KEEL_STORE(keel_uint_at, to + n - 4, b ^ (uint)KEEL_FLIP8);
	} else {
		for (uint i = 0; i < n; i++)
			to[i] = (uchar)from[i] ^ 0x80;
	}
}

static inline void keel_pack_bytes(global uchar *to, global const char *from, uint n)
{
	const keel_bytes flip = (keel_bytes)(char)-128;
	uint i;

	if (n < 16) {
		keel_pack_short(to, from, n);
		return;
	}
	for (i = 0; i + 4 * VL <= n; i += 4 * VL)
		KEEL_STORE(keel_bytes_at, to + i, KEEL_LOAD(keel_bytes_at, from + i) ^ flip);
	for (; i + 16 <= n; i += 16)
		KEEL_STORE(keel_char16_at, to + i, KEEL_LOAD(keel_char16_at, from + i) ^ (char)-128);
	if (i < n)
		KEEL_STORE(keel_char16_at, to + n - 16,
			   KEEL_LOAD(keel_char16_at, from + n - 16) ^ (char)-128);
}

static inline void keel_pack_level(global uchar *to, int level, uint n)
{
	for (uint i = 0; i < n; i++)
		to[i] = (uchar)(level + 128);
}
#else
#define KEEL_SLICE_ELEMENTS (KEEL_SLICE_BYTES / 2)
#define KEEL_ELEMENT_BYTES 2

static inline void keel_pack_bytes(global uchar *to, global const char *from, uint n)
{
	uint i;

	if (n < 8) {
		for (i = 0; i < n; i++)
			((global short *)to)[i] = from[i];
		return;
	}
	for (i = 0; i + 16 <= n; i += 16)
		KEEL_STORE(keel_short16_at, to + 2 * i,
			   __builtin_convertvector(KEEL_LOAD(keel_char16_at, from + i), short16));
	for (; i + 8 <= n; i += 8)
		KEEL_STORE(keel_short8_at, to + 2 * i,
			   __builtin_convertvector(KEEL_LOAD(keel_char8_at, from + i), short8));
	if (i < n)
		KEEL_STORE(keel_short8_at, to + 2 * (n - 8),
			   __builtin_convertvector(KEEL_LOAD(keel_char8_at, from + n - 8), short8));
}

static inline void keel_pack_level(global uchar *to, int level, uint n)
{
	for (uint i = 0; i < n; i++)
		((global short *)to)[i] = (short)level;
}
#endif

/* @n elements from @from, or @level where that is NULL. */
static inline void keel_pack_run(struct keel_packer *p, global const char *from, int level, uint n)
{
	while (n) {
		uint now = min(n, p->room);

		if (from) {
			keel_pack_bytes(p->to, from, now);
			from += now;
		} else {
			keel_pack_level(p->to, level, now);
		}
		n -= now;
		p->room -= now;
		p->to += now * KEEL_ELEMENT_BYTES;
		if (!p->room) {
			p->to += KEEL_SLICE_STRIDE - KEEL_SLICE_BYTES;
			p->room = KEEL_SLICE_ELEMENTS;
		}
	}
}

/* A kernel row where neighbouring taps are neighbours in memory: one piece, less what is padding. */
static inline void keel_pack_row(struct keel_packer *p, global const struct keel_cmd_mac *m,
				 global const char *row, int x, uint channels)
{
	int left = clamp(-x, 0, (int)m->kernel_w);
	int right = clamp(x + m->kernel_w - (int)m->ifm_w, 0, m->kernel_w - left);
	int level = m->ifm.zero_point;

	if (left)
		keel_pack_run(p, 0, level, left * channels);
	keel_pack_run(p, row + (long)(x + left) * m->ifm.pixel_stride, level,
		      (m->kernel_w - left - right) * channels);
	if (right)
		keel_pack_run(p, 0, level, right * channels);
}

static inline void keel_pack_pixel(global const struct keel_plan_op *op,
				   global const struct keel_cmd_mac *m, global const char *ifm,
				   uint y, uint x, struct keel_packer p)
{
	uint channels = op->gemm.channels;
	int transposed = m->h.opcode == KEEL_CMD_CONV_TRANSPOSE, level = m->ifm.zero_point;

	for (uint ky = 0; ky < m->kernel_h; ky++) {
		int iy = keel_tap(transposed, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h);
		global const char *row = ifm + (long)iy * m->ifm.row_stride;

		if (iy < 0) {
			keel_pack_run(&p, 0, level, m->kernel_w * channels);
		} else if (op->flags & KEEL_PLAN_RUNS) {
			keel_pack_row(&p, m, row, (int)(x * m->stride_x) - m->pad_left, channels);
		} else {
			for (uint kx = 0; kx < m->kernel_w; kx++) {
				int ix = keel_tap(transposed, x, kx, m->stride_x, m->dilation_x,
						  m->pad_left, m->ifm_w);

				keel_pack_run(&p, ix < 0 ? 0 : row + (ulong)ix * m->ifm.pixel_stride,
					      level, channels);
			}
		}
	}
}

/* Coordinates of pixel @p; with pooling, the four pixels of a window follow each other. */
static inline void keel_tile_pixel(global const struct keel_plan_op *op,
				   global const struct keel_cmd_mac *m, global struct keel_tile *tile,
				   uint i, uint p)
{
	uint pool = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) ? 1 : 0;
	uint stored = pool ? p / 4 : p, y = stored / op->gemm.width, x = stored % op->gemm.width;

	tile->out[i] = m->ofm.offset + (ulong)y * m->ofm.row_stride + (ulong)x * m->ofm.pixel_stride;
	tile->y[i] = pool ? 2 * y + (p >> 1 & 1) : y;
	tile->x[i] = pool ? 2 * x + (p & 1) : x;
}

/* Gather tile @t of convolution group @group. */
static inline void keel_pack_tile(global const struct keel_plan_op *op,
				  global const struct keel_cmd_mac *m, struct keel_io io,
				  global struct keel_tile *tile, global uchar *pack, uint t,
				  uint group)
{
	uint first = t * op->gemm.step, count = min(op->gemm.step, op->gemm.pixels - first), i;
	global const char *ifm = (global const char *)io.ifm + m->ifm.offset +
				 (ulong)group * op->gemm.channels;

	tile->count = count;
	for (i = 0; i < count; i++) {
		struct keel_packer p = { pack + i * KEEL_ROW_STRIDE, KEEL_SLICE_ELEMENTS };

		keel_tile_pixel(op, m, tile, i, first + i);
		keel_pack_pixel(op, m, ifm, tile->y[i], tile->x[i], p);
	}
}
