/* SPDX-License-Identifier: MIT */

/*
 * Windows of neighbouring pixels overlap: those of a tile, kernel row by kernel row, are pieces
 * of memory that are shorter than the windows together. A tile whose windows are pieces is a
 * span: read where it lies, or copied as it is, which is less work than gathering.
 */

#if KEEL_AMX
static inline void keel_aim_tile(global struct keel_tile *tile, global const void *rows, uint stride,
				 uint segment, uint run)
{
	tile->rows = (ulong)rows;
	tile->stride = stride;
	tile->segment = segment;
	tile->run = run;
}

/* Whole tiles of a pointwise convolution without step, if all that is read of the last pixel is pixels. */
static inline int keel_span_of_pixels(global const struct keel_plan_op *op, const struct keel_gather *g,
				      global struct keel_tile *tile, uint first)
{
	ulong behind = (ulong)(op->gemm.pixels - first - KEEL_ROWS) * g->pixel_stride;

	if (!(op->flags & KEEL_PLAN_DIRECT) || op->gemm.depth * 4 > behind + g->channels)
		return 0;
	keel_aim_tile(tile, g->ifm + (ulong)first * g->pixel_stride, (uint)g->pixel_stride, 0,
		      op->gemm.depth);
	return 1;
}

/*
 * Whole tiles in one row of the output whose windows lie inside the picture, if all that is read of
 * a kernel row does.
 */
static inline int keel_span_of_rows(global const struct keel_plan_op *op, const struct keel_gather *g,
				    global struct keel_tile *tile, uint first)
{
	int y = first / op->gemm.width, x = first % op->gemm.width;
	int y0 = y * g->stride_y - g->top, x0 = x * g->stride_x - g->left;
	int x1 = x0 + (KEEL_ROWS - 1) * g->stride_x;

	if (!op->gemm.row || x + KEEL_ROWS > (int)op->gemm.width || y0 < 0 || x0 < 0 ||
	    y0 + (g->kernel_h - 1) * g->dilation_y >= g->height ||
	    (ulong)x1 * g->channels + g->row > (ulong)g->width * g->channels)
		return 0;
	keel_aim_tile(tile, g->ifm + y0 * g->row_stride + x0 * g->pixel_stride,
		      (uint)(g->stride_x * g->pixel_stride), (uint)(g->dilation_y * g->row_stride),
		      op->gemm.row);
	return 1;
}

static inline int keel_pack_span(global const struct keel_plan_op *op, const struct keel_gather *g,
				 global struct keel_tile *tile, global uchar *pack, uint first, uint count)
{
	return count == KEEL_ROWS && (keel_span_of_pixels(op, g, tile, first) ||
				      keel_span_of_rows(op, g, tile, first));
}
#else
/* Pixels of a pointwise convolution without step, one behind the other. */
static inline void keel_span_of_pixels(global const struct keel_plan_op *op, const struct keel_gather *g,
				       global struct keel_tile *tile, global uchar *pack, uint first,
				       uint count)
{
	keel_pack_bytes(pack, g->ifm + (ulong)first * g->channels, count * g->channels);
	tile->stride = g->channels * KEEL_ELEMENT_BYTES;
	tile->segment = 0;
	tile->run = op->gemm.depth;
}

/* @pixels of row @y from column @x on; any of them may be padding. */
static inline void keel_pack_line(const struct keel_gather *g, global uchar *to, int y, int x, int pixels)
{
	int left = y < 0 || y >= g->height ? pixels : clamp(-x, 0, pixels);
	int right = clamp(x + pixels - g->width, 0, pixels - left);
	int inside = pixels - left - right;

	if (left)
		keel_pack_level(to, g->level, (uint)left * g->channels);
	if (inside)
		keel_pack_bytes(to + (uint)left * g->channels * KEEL_ELEMENT_BYTES,
				g->ifm + y * g->row_stride + (x + left) * g->pixel_stride,
				(uint)inside * g->channels);
	if (right)
		keel_pack_level(to + (uint)(left + inside) * g->channels * KEEL_ELEMENT_BYTES, g->level,
				(uint)right * g->channels);
}

/* Tiles in one row of the output, unless their windows overlap too little, or scratch is too small. */
static inline int keel_span_of_rows(global const struct keel_plan_op *op, const struct keel_gather *g,
				    global struct keel_tile *tile, global uchar *pack, uint first,
				    uint count)
{
	uint y = first / op->gemm.width, x = first % op->gemm.width;
	int y0 = (int)y * g->stride_y - g->top, x0 = (int)x * g->stride_x - g->left;
	uint stride = (uint)g->stride_x * g->channels * KEEL_ELEMENT_BYTES;
	uint pixels = (count - 1) * (uint)g->stride_x + (uint)g->kernel_w;
	uint segment = (pixels * g->channels * KEEL_ELEMENT_BYTES + 63) & ~63u;

	if (x + count > op->gemm.width || g->pixel_stride != g->channels ||
	    segment > count * op->gemm.row * 4 ||
	    g->kernel_h * segment + KEEL_ROWS * stride + 64 > op->gemm.slices * KEEL_SLICE_STRIDE)
		return 0;
	for (int ky = 0; ky < g->kernel_h; ky++)
		keel_pack_line(g, pack + ky * segment, y0 + ky * g->dilation_y, x0, (int)pixels);
	tile->stride = stride;
	tile->segment = segment;
	tile->run = op->gemm.row;
	return 1;
}

static inline int keel_pack_span(global const struct keel_plan_op *op, const struct keel_gather *g,
				 global struct keel_tile *tile, global uchar *pack, uint first, uint count)
{
	tile->rows = (ulong)pack;
	if (op->flags & KEEL_PLAN_DIRECT) {
		keel_span_of_pixels(op, g, tile, pack, first, count);
		return 1;
	}
	return op->gemm.row && keel_span_of_rows(op, g, tile, pack, first, count);
}
#endif

/* Tile @t. Of int16 the next tile is the lower plane. */
static inline void keel_pack_tile(global const struct keel_plan_op *op,
				  global const struct keel_cmd_mac *m, const struct keel_gather *g,
				  global struct keel_tile *tile, global uchar *pack, uint t)
{
	uint first = t * op->gemm.step, count = min(op->gemm.step, op->gemm.pixels - first);
	int pool = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	int span = !pool && keel_pack_span(op, g, tile, pack, first, count);

	keel_tile_pixels(op, m, tile, first, count,
			 !span || op->flags & (KEEL_PLAN_DUMP | KEEL_PLAN_RESIDUAL));
	if (op->flags & KEEL_PLAN_RESIDUAL)
		keel_tile_residuals(m, tile, count);
	if (!span)
		keel_gather_tile(op, g, tile, pack);
}

/* Tiles @first .. @last - 1 of convolution group @group. */
KEEL_APART void keel_pack_tiles(global const struct keel_plan_op *op,
				global const struct keel_cmd_mac *m, const struct keel_io *io,
				global struct keel_tile *tile, global uchar *pack, uint first, uint last,
				uint group)
{
	const struct keel_gather g = keel_gather(op, m, io, group);

	for (uint t = first; t < last; t++) {
		keel_pack_tile(op, m, &g, tile, pack, t);
		tile += op->gemm.planes;
		pack += op->gemm.planes * op->gemm.slices * KEEL_SLICE_STRIDE;
	}
}
