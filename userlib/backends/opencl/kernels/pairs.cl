/* SPDX-License-Identifier: MIT */

/*
 * Chunks of depthwise convolutions that read or write int16: inputs are shorts, whatever they
 * were, and two taps at a time are multiplied.
 */

/* Chunks of 2 * VL shorts: the taps of channels 4 j .. 4 j + 3 of each 8 in vector j. */
struct keel_pairs {
	keel_ints q0, q1;
};

static inline keel_halves keel_load_pairs(struct keel_line line, struct keel_window w, int x)
{
	return keel_load_halves(keel_pixel(line, w, x), w.channels, w.in);
}

static inline struct keel_pairs keel_zip_pairs(keel_halves a, keel_halves b)
{
	struct keel_pairs p = { __builtin_astype(__builtin_shufflevector(a, b, KEEL_ZIP16_LO), keel_ints),
				__builtin_astype(__builtin_shufflevector(a, b, KEEL_ZIP16_HI), keel_ints) };

	return p;
}

static inline struct keel_pairs keel_two_pairs(global const keel_ints *w)
{
	struct keel_pairs two = { w[0], w[1] };

	return two;
}

static inline struct keel_pairs keel_dot_pairs_of(struct keel_pairs a, struct keel_pairs x,
						  struct keel_pairs w)
{
	KEEL_DOT_PAIRS(a.q0, x.q0, w.q0);
	KEEL_DOT_PAIRS(a.q1, x.q1, w.q1);
	return a;
}

static inline struct keel_pairs keel_dot_taps_pairs(struct keel_pairs acc, const keel_halves *v,
						    global const keel_ints *k)
{
	return keel_dot_pairs_of(acc, keel_zip_pairs(v[0], v[1]), keel_two_pairs(k));
}

/** struct keel_column_pairs - as struct keel_column_narrow; the second of @b has weight 0 */
struct keel_column_pairs {
	struct keel_pairs a, b;
};

static inline struct keel_column_pairs keel_column_pairs(struct keel_rows rows, struct keel_window w, int x)
{
	keel_halves a = keel_load_pairs(rows.r[0], w, x), b = keel_load_pairs(rows.r[1], w, x);
	keel_halves c = keel_load_pairs(rows.r[2], w, x);
	struct keel_column_pairs column = { keel_zip_pairs(a, b), keel_zip_pairs(c, c) };

	return column;
}

static inline struct keel_column_pairs keel_weights_pairs(global const uchar *panel, uint x)
{
	global const keel_ints *w = (global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, 2)) + 4 * x;
	struct keel_column_pairs column = { keel_two_pairs(w), keel_two_pairs(w + 2) };

	return column;
}

static inline struct keel_pairs keel_dot_column_pairs(struct keel_pairs acc, struct keel_column_pairs c,
						      struct keel_column_pairs w)
{
	return keel_dot_pairs_of(keel_dot_pairs_of(acc, c.a, w.a), c.b, w.b);
}

static inline struct keel_pairs keel_bias_pairs(global const uchar *panel)
{
	struct keel_pairs a = { KEEL_LOAD(keel_ints, panel),
				KEEL_LOAD(keel_ints, panel + KEEL_RECORD_BYTES(VL)) };

	return a;
}

/* Scaled accumulators to levels of either size. */
KEEL_ALWAYS_INLINE void keel_store_pairs(global char *to, keel_ints p, keel_ints q, keel_bytes lo,
					 keel_bytes hi, struct keel_window w)
{
	keel_bytes b;

	if (w.out) {
		b = __builtin_astype(keel_clamp_halves(keel_narrow_halves(p, q),
						       __builtin_astype(lo, keel_halves),
						       __builtin_astype(hi, keel_halves)), keel_bytes);
		keel_store_bytes(to, b, 2 * w.channels);
		return;
	}
	b = keel_clamp_bytes(keel_part_pairs(keel_narrow(p, q, p, q)), lo, hi);
	if (w.table)
		b = keel_look_up_bytes(b, 2 * VL, w.table);
	keel_store_half(to, b.lo, w.channels);
}

KEEL_ALWAYS_INLINE void keel_finish_pairs(global char *to, struct keel_pairs a, global const uchar *panel,
					  struct keel_window w)
{
	keel_ints p = w.slow == KEEL_PANEL_DEEP ? keel_scale_deep(a.q0, KEEL_RECORD_SCALE(panel, 0)) + w.zero :
			       keel_scale_record(a.q0, KEEL_RECORD_SCALE(panel, 0));
	keel_ints q = w.slow == KEEL_PANEL_DEEP ? keel_scale_deep(a.q1, KEEL_RECORD_SCALE(panel, 1)) + w.zero :
			       keel_scale_record(a.q1, KEEL_RECORD_SCALE(panel, 1));

	keel_store_pairs(to, p, q, KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 2)),
			 KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 2)), w);
}

KEEL_APART void keel_levels_pairs(global char *to, ulong distance, const struct keel_pairs *in, uint n,
				  global const uchar *panel, const struct keel_window *window)
{
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 2));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 2));
	struct keel_scale s0 = keel_scale(KEEL_RECORD_SCALE(panel, 0));
	struct keel_scale s1 = keel_scale(KEEL_RECORD_SCALE(panel, 1));
	struct keel_window w = *window;

	for (; w.slow == KEEL_PANEL_DEEP && n; n--, in++, to += distance)
		keel_finish_pairs(to, *in, panel, w);
	for (; n; n--, in++, to += distance)
		keel_store_pairs(to, keel_scale_by(in->q0, s0), keel_scale_by(in->q1, s1), lo, hi, w);
}
