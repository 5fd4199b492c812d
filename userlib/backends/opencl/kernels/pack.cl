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
 * @plane: bytes to the lower plane of int16; 0: int8
 */
struct keel_packer {
	global uchar *to;
	uint room, plane;
};

#if KEEL_QUADS
#define KEEL_SLICE_ELEMENTS KEEL_SLICE_BYTES
#define KEEL_ELEMENT_BYTES 1

/*
 * vpdpbusd wants levels unsigned, tiles take them as they are. The sign bits are flipped here and
 * not by the micro-kernels, since some processors have two units for vectors of 512 bits,
 * which products keep busy.
 */
#if KEEL_AMX
#define KEEL_PUT(type, to, v) KEEL_STORE(type, to, v)
#else
#define KEEL_PUT(type, to, v) KEEL_STORE(type, to, (v) ^ (type)(char)-128)
#endif

/*
 * Nothing behind the run is read; what is written may reach behind it, as far as the row's
 * slack, and the next run covers that.
 */
#if KEEL_MASKED
static inline void keel_pack_bytes(global uchar *to, global const char *from, uint n)
{
	uint i;

	if (n <= VL) {
		KEEL_PUT(keel_bytes_quarter_at, to, keel_load_quarter(from, n));
		return;
	}
	for (i = 0; i + 4 * VL <= n; i += 4 * VL)
		KEEL_PUT(keel_bytes_at, to + i, KEEL_LOAD(keel_bytes_at, from + i));
	if (n - i > 2 * VL)
		KEEL_PUT(keel_bytes_at, to + i, keel_load_bytes(from + i, n - i));
	else if (i < n)
		KEEL_PUT(keel_bytes_half_at, to + i, keel_load_half(from + i, n - i));
}
#else
/* Copies never touch a byte outside: pieces overlap instead. */
static inline void keel_pack_short(global uchar *to, global const char *from, uint n)
{
	if (n >= 8) {
		char8 a = KEEL_LOAD(keel_char8_at, from), b = KEEL_LOAD(keel_char8_at, from + n - 8);

		KEEL_PUT(keel_char8_at, to, a);
		KEEL_PUT(keel_char8_at, to + n - 8, b);
	} else if (n >= 4) {
		char4 a = KEEL_LOAD(keel_char4_at, from), b = KEEL_LOAD(keel_char4_at, from + n - 4);

		KEEL_PUT(keel_char4_at, to, a);
		KEEL_PUT(keel_char4_at, to + n - 4, b);
	} else {
		for (uint i = 0; i < n; i++)
			KEEL_PUT(char, to + i, from[i]);
	}
}

static inline void keel_pack_bytes(global uchar *to, global const char *from, uint n)
{
	uint i;

	if (n < 16) {
		keel_pack_short(to, from, n);
		return;
	}
	for (i = 0; i + 4 * VL <= n; i += 4 * VL)
		KEEL_PUT(keel_bytes_at, to + i, KEEL_LOAD(keel_bytes_at, from + i));
	for (; i + 16 <= n; i += 16)
		KEEL_PUT(keel_char16_at, to + i, KEEL_LOAD(keel_char16_at, from + i));
	if (i < n)
		KEEL_PUT(keel_char16_at, to + n - 16, KEEL_LOAD(keel_char16_at, from + n - 16));
}
#endif

static inline void keel_pack_level(global uchar *to, int level, uint n)
{
	for (uint i = 0; i < n; i += 16)
		KEEL_PUT(keel_char16_at, to + i, (char16)(char)level);
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
	for (uint i = 0; i < n; i += 8)
		KEEL_STORE(keel_short8_at, to + 2 * i, (short8)(short)level);
}
#endif

/* Levels of int16 to two planes. */
static inline void keel_put_planes(global uchar *to, uint plane, keel_halves v)
{
	keel_halves high = v >> (short)8, low = (v & (short)255) + (short)KEEL_PLANE_ZERO;

#if KEEL_QUADS
	KEEL_PUT(keel_bytes_half_at, to, __builtin_convertvector(high, keel_bytes_half));
	KEEL_PUT(keel_bytes_half_at, to + plane, __builtin_convertvector(low, keel_bytes_half));
#else
	KEEL_STORE(keel_halves_at, to, high);
	KEEL_STORE(keel_halves_at, to + plane, low);
#endif
}

static inline void keel_pack_halves(global uchar *to, uint plane, global const char *from, uint n)
{
	uint i;

	if (n < 2 * VL) {
		keel_put_planes(to, plane, keel_load_halves(from, n, 1));
		return;
	}
	for (i = 0; i + 2 * VL <= n; i += 2 * VL)
		keel_put_planes(to + i * KEEL_ELEMENT_BYTES, plane, KEEL_LOAD(keel_halves_at, from + 2 * i));
	if (i < n)
		keel_put_planes(to + (n - 2 * VL) * KEEL_ELEMENT_BYTES, plane,
				KEEL_LOAD(keel_halves_at, from + 2 * (n - 2 * VL)));
}

/* @n elements from @from, or @level where that is NULL. */
static inline void keel_pack_elements(struct keel_packer p, global const char *from, int level, uint n)
{
	if (from && p.plane) {
		keel_pack_halves(p.to, p.plane, from, n);
	} else if (from) {
		keel_pack_bytes(p.to, from, n);
	} else {
		keel_pack_level(p.to, level, n);
		if (p.plane)
			keel_pack_level(p.to + p.plane, KEEL_PLANE_ZERO, n);
	}
}

static inline void keel_pack_run(struct keel_packer *p, global const char *from, int level, uint n)
{
	while (n) {
		uint now = min(n, p->room);

		keel_pack_elements(*p, from, level, now);
		if (from)
			from += p->plane ? 2 * now : now;
		n -= now;
		p->room -= now;
		p->to += now * KEEL_ELEMENT_BYTES;
		if (!p->room) {
			p->to += KEEL_SLICE_STRIDE - KEEL_SLICE_BYTES;
			p->room = KEEL_SLICE_ELEMENTS;
		}
	}
}

/**
 * struct keel_gather - a command's window, out of reach of the stores that would have it reread
 * @ifm: first channel of the group at (0, 0)
 * @channels: of the group
 * @row: elements of a packed kernel row, KEEL_PLAN_RUNS
 * @level: what padding is worth
 * @plane: see struct keel_packer
 */
struct keel_gather {
	global const char *ifm;
	long row_stride, pixel_stride;
	int height, width, kernel_h, kernel_w, stride_y, stride_x, dilation_y, dilation_x, top, left;
	int transposed, runs, level;
	uint channels, row, plane;
};

static inline struct keel_gather keel_gather(global const struct keel_plan_op *op,
					     global const struct keel_cmd_mac *m,
					     const struct keel_io *io, uint group)
{
	struct keel_gather g = {
		(global const char *)io->ifm + m->ifm.offset +
			(ulong)group * op->gemm.channels * op->gemm.planes,
		m->ifm.row_stride, m->ifm.pixel_stride, m->ifm_h, m->ifm_w, m->kernel_h, m->kernel_w,
		m->stride_y, m->stride_x, m->dilation_y, m->dilation_x, m->pad_top, m->pad_left,
		m->h.opcode == KEEL_CMD_CONV_TRANSPOSE, op->flags & KEEL_PLAN_RUNS, m->ifm.zero_point,
		op->gemm.channels,
		op->gemm.row ? op->gemm.row * 4 / KEEL_ELEMENT_BYTES : m->kernel_w * op->gemm.channels,
		op->gemm.planes == KEEL_PLANES ? op->gemm.slices * KEEL_SLICE_STRIDE : 0
	};

	return g;
}

/* Kernel rows whose taps are neighbours in memory: one piece each, less what is padding. */
static inline void keel_pack_rows(struct keel_gather g, int y, int x, struct keel_packer p)
{
	int left = clamp(-x, 0, g.kernel_w), right = clamp(x + g.kernel_w - g.width, 0, g.kernel_w - left);
	uint run = (g.kernel_w - left - right) * g.channels;
	global const char *from = g.ifm + y * g.row_stride + (x + left) * g.pixel_stride;

	for (int ky = 0; ky < g.kernel_h; ky++, y += g.dilation_y, from += g.dilation_y * g.row_stride) {
		int inside = y >= 0 && y < g.height;

		if (left)
			keel_pack_run(&p, 0, g.level, left * g.channels);
		keel_pack_run(&p, inside ? from : 0, g.level, run);
		if (right)
			keel_pack_run(&p, 0, g.level, right * g.channels);
		keel_pack_run(&p, 0, g.level, g.row - g.kernel_w * g.channels);
	}
}

static inline void keel_pack_taps(struct keel_gather g, uint y, uint x, struct keel_packer p)
{
	for (int ky = 0; ky < g.kernel_h; ky++) {
		int iy = keel_tap(g.transposed, y, ky, g.stride_y, g.dilation_y, g.top, g.height);
		global const char *row = g.ifm + iy * g.row_stride;

		for (int kx = 0; kx < g.kernel_w; kx++) {
			int ix = keel_tap(g.transposed, x, kx, g.stride_x, g.dilation_x, g.left, g.width);

			keel_pack_run(&p, iy < 0 || ix < 0 ? 0 : row + ix * g.pixel_stride, g.level,
				      g.channels);
		}
	}
}

static inline void keel_tile_residuals(global const struct keel_cmd_mac *m, global struct keel_tile *tile,
				       uint count)
{
	ulong at = 0;

	for (uint i = 0; i < KEEL_ROWS; i++) {
		if (i < count)
			at = m->ifm2.offset + (ulong)tile->y[i] * m->ifm2.row_stride +
			     (ulong)tile->x[i] * m->ifm2.pixel_stride;
		tile->residual[i] = at;
	}
}

/*
 * Where the @count pixels from @first on go, and, unless nobody asks, their
 * coordinates; with pooling, the four pixels of a window follow each other.
 */
static inline void keel_tile_pixels(global const struct keel_plan_op *op,
				    global const struct keel_cmd_mac *m, global struct keel_tile *tile,
				    uint first, uint count, int coordinates)
{
	uint pool = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) ? 1 : 0;
	uint width = op->gemm.width, start = pool ? first / 4 : first, y, x;
	ulong pixel_stride = m->ofm.pixel_stride, row_stride = m->ofm.row_stride, row;

	tile->count = count;
	if (!coordinates && op->flags & KEEL_PLAN_DENSE) {
		row = m->ofm.offset + first * pixel_stride;
		for (uint i = 0; i < count; i++, row += pixel_stride)
			tile->out[i] = row;
		return;
	}
	y = start / width;
	x = start % width;
	row = m->ofm.offset + y * row_stride;
	for (uint i = 0; i < count; i++) {
		tile->out[i] = row + x * pixel_stride;
		tile->y[i] = pool ? 2 * y + (i >> 1 & 1) : y;
		tile->x[i] = pool ? 2 * x + (i & 1) : x;
		if (pool && (i & 3) < 3)
			continue;
		if (++x == width) {
			x = 0;
			y++;
			row += row_stride;
		}
	}
}

/* A pixel whose window lies inside the picture and inside a slice: nothing to decide but where. */
static inline void keel_pack_inside(struct keel_gather g, int y, int x, global uchar *to, uint run)
{
	global const char *from = g.ifm + y * g.row_stride + x * g.pixel_stride;
	struct keel_packer p = { to, 0, g.plane };

	for (int ky = 0; ky < g.kernel_h; ky++, from += g.dilation_y * g.row_stride) {
		keel_pack_elements(p, from, 0, run);
		p.to += g.row * KEEL_ELEMENT_BYTES;
	}
}

KEEL_ALWAYS_INLINE void keel_pack_pixels(global const struct keel_plan_op *op, struct keel_gather g,
				    global const struct keel_tile *tile, global uchar *pack)
{
	uint run = g.kernel_w * g.channels, slack_y = g.height - (g.kernel_h - 1) * g.dilation_y;
	uint slack_x = g.width - g.kernel_w + 1;
	int one_slice = g.runs && op->gemm.slices == 1 && g.width >= g.kernel_w &&
			g.height >= (g.kernel_h - 1) * g.dilation_y;

	for (uint i = 0; i < tile->count; i++) {
		struct keel_packer p = { pack + i * KEEL_ROW_STRIDE, KEEL_SLICE_ELEMENTS, g.plane };
		int y = tile->y[i], x = tile->x[i], y0 = y * g.stride_y - g.top, x0 = x * g.stride_x - g.left;

		if (one_slice && (uint)y0 < slack_y && (uint)x0 < slack_x)
			keel_pack_inside(g, y0, x0, p.to, run);
		else if (g.runs)
			keel_pack_rows(g, y0, x0, p);
		else
			keel_pack_taps(g, y, x, p);
	}
}

KEEL_APART void keel_pack_planes(global const struct keel_plan_op *op, const struct keel_gather *g,
				 global const struct keel_tile *tile, global uchar *pack)
{
	keel_pack_pixels(op, *g, tile, pack);
}

/* Into rows, one for each pixel. */
static inline void keel_gather_tile(global const struct keel_plan_op *op, const struct keel_gather *g,
				    global struct keel_tile *tile, global uchar *pack)
{
	struct keel_gather bytes = *g;

	tile->rows = (ulong)pack;
	tile->stride = KEEL_ROW_STRIDE;
	tile->segment = KEEL_SLICE_STRIDE;
	tile->run = KEEL_SLICE_BYTES / 4;
	if (g->plane) {
		tile[1].rows = (ulong)pack + g->plane;
		tile[1].stride = tile->stride;
		tile[1].segment = tile->segment;
		tile[1].run = tile->run;
		tile[1].count = tile->count;
		keel_pack_planes(op, g, tile, pack);
		return;
	}
	bytes.plane = 0;
	keel_pack_pixels(op, bytes, tile, pack);
}
