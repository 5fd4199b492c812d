/* SPDX-License-Identifier: MIT */

/* The input of a depthwise convolution: rows and columns, padding resolved. */

/** struct keel_window - a chunk of channels of one input, and how they are finished
 * @base: the chunk's first channel at (0, 0)
 * @row_stride: bytes
 * @pixel_stride: bytes
 * @width: of the input
 * @pad: levels that padding is worth, as many as a wide chunk has
 * @table: for the finished levels, or NULL
 * @slow: enum keel_panel_slow
 * @zero: zero point of the output
 * @channels: of the chunk
 * @in: the input is int16
 * @out: the output is
 */
struct keel_window {
	global const char *base, *table, *pad;
	ulong row_stride, pixel_stride;
	int width, slow, zero;
	uint channels, in, out;
};

static inline struct keel_window keel_window(global const struct keel_cmd_mac *m, struct keel_io io,
					     global const struct keel_panel_header *h,
					     global const char *pad)
{
	uint in = m->h.ifm_type == KEEL_TYPE_S16;
	struct keel_window w = { (global const char *)io.ifm + m->ifm.offset + (h->channel << in),
				 m->h.flags & KEEL_MAC_TABLE ?
					 (global const char *)io.table + m->table_offset : 0,
				 pad, m->ifm.row_stride, m->ifm.pixel_stride, m->ifm_w,
				 h->slow, m->ofm.zero_point, h->channels, in,
				 m->h.ofm_type == KEEL_TYPE_S16 };

	return w;
}

/** struct keel_line - an input row; one that is padding has no distance between its pixels */
struct keel_line {
	global const char *row;
	ulong step;
};

static inline struct keel_line keel_line(struct keel_window w, int y, int height)
{
	struct keel_line line = { w.base + (ulong)y * w.row_stride, w.pixel_stride };
	struct keel_line padding = { w.pad, 0 };

	return y >= 0 && y < height ? line : padding;
}

/* Three input rows under a row of the output. */
struct keel_rows {
	struct keel_line r[3];
};

static inline struct keel_rows keel_rows(global const struct keel_cmd_mac *m, struct keel_window w,
					 uint y)
{
	int y0 = (int)(y * m->stride_y) - m->pad_top;
	struct keel_rows rows;

	for (int i = 0; i < 3; i++)
		rows.r[i] = keel_line(w, y0 + i, m->ifm_h);
	return rows;
}

static inline global const char *keel_pixel(struct keel_line line, struct keel_window w, int x)
{
	return x >= 0 && x < w.width ? line.row + (ulong)x * line.step : w.pad;
}

#define KEEL_RECORD_SCALE(panel, i) \
	((global const keel_longs *)((panel) + (i) * KEEL_RECORD_BYTES(VL) + 4 * VL))
