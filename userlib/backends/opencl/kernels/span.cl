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

/* Return: how many tiles from the one at pixel @first on are a span, up to pixel @last; here 1 or 0. */
static inline uint keel_pack_span(global const struct keel_plan_op *op, const struct keel_gather *g,
				  global struct keel_tile *tile, global uchar *pack, uint first, uint last)
{
	return last - first >= KEEL_ROWS && (keel_span_of_pixels(op, g, tile, first) ||
					     keel_span_of_rows(op, g, tile, first));
}
#else
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

/* Tiles from @tile on, whose windows are @stride apart; kernel rows @segment. */
static inline void keel_aim_tiles(global const struct keel_plan_op *op, global struct keel_tile *tile,
				  uint tiles, global uchar *rows, uint stride, uint segment, uint run)
{
	for (uint i = 0; i < tiles; i++, rows += op->gemm.step * stride) {
		tile[i].rows = (ulong)rows;
		tile[i].stride = stride;
		tile[i].segment = segment;
		tile[i].run = run;
	}
}

/* Pixels @first .. @last - 1 of a pointwise convolution without step, one behind the other. */
static inline uint keel_span_of_pixels(global const struct keel_plan_op *op, const struct keel_gather *g,
				       global struct keel_tile *tile, global uchar *pack, uint first,
				       uint last)
{
	uint tiles = (last - first + op->gemm.step - 1) / op->gemm.step;

	keel_pack_bytes(pack, g->ifm + (ulong)first * g->channels, (last - first) * g->channels);
	keel_aim_tiles(op, tile, tiles, pack, g->channels * KEEL_ELEMENT_BYTES, 0, op->gemm.depth);
	return tiles;
}

/*
 * Tiles in one row of the output, kernel row by kernel row; none where windows overlap too little or
 * scratch is too small.
 */
static inline uint keel_span_of_rows(global const struct keel_plan_op *op, const struct keel_gather *g,
				     global struct keel_tile *tile, global uchar *pack, uint first,
				     uint last)
{
	uint y = first / op->gemm.width, x = first % op->gemm.width, left = op->gemm.width - x;
	uint tiles = last - first <= left ? (last - first + op->gemm.step - 1) / op->gemm.step :
					    left / op->gemm.step;
	uint count = min(tiles * op->gemm.step, last - first);
	int y0 = (int)y * g->stride_y - g->top, x0 = (int)x * g->stride_x - g->left;
	uint stride = (uint)g->stride_x * g->channels * KEEL_ELEMENT_BYTES;
	uint pixels = (count - 1) * (uint)g->stride_x + (uint)g->kernel_w;
	uint segment = (pixels * g->channels * KEEL_ELEMENT_BYTES + 63) & ~63u;

	if (!tiles || g->pixel_stride != g->channels || segment > count * op->gemm.row * 4 ||
	    g->kernel_h * segment + KEEL_ROWS * stride + 64 > tiles * op->gemm.slices * KEEL_SLICE_STRIDE)
		return 0;
	for (int ky = 0; ky < g->kernel_h; ky++)
		keel_pack_line(g, pack + ky * segment, y0 + ky * g->dilation_y, x0, (int)pixels);
	keel_aim_tiles(op, tile, tiles, pack, stride, segment, op->gemm.row);
	return tiles;
}

static inline uint keel_pack_span(global const struct keel_plan_op *op, const struct keel_gather *g,
				  global struct keel_tile *tile, global uchar *pack, uint first, uint last)
{
	if (op->flags & KEEL_PLAN_DIRECT)
		return keel_span_of_pixels(op, g, tile, pack, first, last);
	return op->gemm.row ? keel_span_of_rows(op, g, tile, pack, first, last) : 0;
}
#endif

/* Where tile @t goes; whether it is a @span. */
static inline void keel_tile_outputs(global const struct keel_plan_op *op,
				     global const struct keel_cmd_mac *m, global struct keel_tile *tile,
				     uint t, int span)
{
	uint first = t * op->gemm.step, count = min(op->gemm.step, op->gemm.pixels - first);

	keel_tile_pixels(op, m, tile, first, count,
			 !span || op->flags & (KEEL_PLAN_DUMP | KEEL_PLAN_RESIDUAL));
	if (op->flags & KEEL_PLAN_RESIDUAL)
		keel_tile_residuals(m, tile, count);
}

/* Tiles @first .. @last - 1 of convolution group @group. Of int16 every other tile is a lower plane. */
KEEL_APART void keel_pack_tiles(global const struct keel_plan_op *op,
				global const struct keel_cmd_mac *m, const struct keel_io *io,
				global struct keel_tile *tile, global uchar *pack, uint first, uint last,
				uint group)
{
	const struct keel_gather g = keel_gather(op, m, io, group);
	uint end = min(last * op->gemm.step, op->gemm.pixels), planes = op->gemm.planes;
	int pool = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);

	for (uint t = first, n; t < last; t += n) {
		uint span = pool ? 0 : keel_pack_span(op, &g, tile, pack, t * op->gemm.step, end);

		n = max(span, 1u);
		for (uint i = 0; i < n; i++)
			keel_tile_outputs(op, m, tile + i * planes, t + i, span);
		if (!span)
			keel_gather_tile(op, &g, tile, pack);
		tile += n * planes;
		pack += n * planes * op->gemm.slices * KEEL_SLICE_STRIDE;
	}
}
