/* SPDX-License-Identifier: MIT */

/* Tickets of matrix products: some tiles by some panels. */

/** struct keel_worker - what a work-group keeps between tickets
 * @tiles: scratch for the tiles packed together, two for two planes
 * @dump: scratch for accumulators of KEEL_TILES_MAX tiles
 * @levels: scratch for levels
 * @pack: scratch for packed rows
 * @op: command whose tile is packed; @first: its first tile; @group: of which group
 */
struct keel_worker {
	global struct keel_tile *tiles;
	global int *dump;
	global char *levels;
	global uchar *pack;
	global const struct keel_plan_op *op;
	uint first, group;
};

static inline void keel_gemm_pack(global const struct keel_plan_op *op,
				  global const struct keel_cmd_mac *m, const struct keel_io *io,
				  struct keel_worker *w, uint first, uint last, uint group)
{
	if (w->op == op && w->first == first && w->group == group)
		return;
	w->op = op;
	w->first = first;
	w->group = group;
	keel_pack_tiles(op, m, io, w->tiles, w->pack, first, last, group);
}

/* Accumulators of the tiles from @tile on, or of both planes of one. Return: how many tiles. */
static inline uint keel_gemm_dots(struct keel_strip *s, global const struct keel_tile *tile, uint tiles,
				  uint planes, int single)
{
	global int *dump = s->dump;

	if (planes == 1)
		return keel_micro(s, tile, tiles, single);
	for (uint i = 0; i < KEEL_PLANES;) {
		s->dump = dump + i * KEEL_TILE_ROWS * (single ? 1 : 2) * VL;
		i += keel_micro(s, tile + i, KEEL_PLANES - i, single);
	}
	s->dump = dump;
	return 1;
}

/* A panel of @nb records, for tiles that are yet to be named. */
static inline struct keel_strip keel_strip(global const struct keel_plan_op *op,
					   global const struct keel_cmd_mac *m, const struct keel_io *io,
					   const struct keel_worker *w, global const uchar *packed,
					   global const uchar *panel, uint nb)
{
	global const struct keel_panel_header *h =
		(global const struct keel_panel_header *)(panel + KEEL_PANEL_HEADER(VL, nb));
	struct keel_strip s = {
		.panel = panel,
		.ask = panel + KEEL_PANEL_WEIGHTS(VL, nb) + KEEL_PAGE,
		.out = (global char *)io->ofm + h->channel,
		.levels = w->levels,
		.residual = op->flags & KEEL_PLAN_RESIDUAL ? (global const char *)io->ifm2 + h->channel : 0,
		.residual_set = (global const keel_ints *)(packed + op->residual_set),
		.dump = w->dump,
		.depth = op->gemm.depth,
		.channels = h->channels,
		.bounded = h->bounded,
		.ask_step = 4 * VL * nb,
		.raw = h->slow != KEEL_FASTEST || (op->flags & KEEL_PLAN_DUMP),
		.residual_zero = m->ifm2.zero_point,
		.residual_short = op->flags & KEEL_PLAN_WHOLE ? 2 : (op->flags & KEEL_PLAN_SHORT) != 0,
	};

	return s;
}

/* Levels of a tile whose accumulators are at @dump, where the epilogue is not the plain one. */
static inline void keel_strip_finish(global const struct keel_plan_op *op,
				     global const struct keel_cmd_mac *m, const struct keel_io *io,
				     const struct keel_strip *s, global int *dump,
				     global const struct keel_tile *tile, uint nb)
{
	global const struct keel_panel_header *h =
		(global const struct keel_panel_header *)(s->panel + KEEL_PANEL_HEADER(VL, nb));
	struct keel_finish f = { dump, s->levels, s->panel,
				 s->panel + op->gemm.panel_bytes - 2 * KEEL_START_BYTES(VL), tile, nb,
				 h->channel, h->channels, op->gemm.planes, m->h.ofm_type == KEEL_TYPE_S16 };

	keel_finish_tile(op, m, io, &f, h->slow);
}

/* All packed tiles by one panel. */
static inline void keel_gemm_panel(global const struct keel_plan_op *op,
				   global const struct keel_cmd_mac *m, struct keel_io io,
				   struct keel_worker *w, global const uchar *packed,
				   global const uchar *panel, uint tiles, int single)
{
	uint nb = single ? 1 : 2, planes = op->gemm.planes;
	/* Tiles that ask for the next panel, and how much of each of its vectors each asks for. */
	uint asking = max(tiles, 2u) - 1, part = (4 * VL * nb + asking - 1) / asking;
	struct keel_strip s = keel_strip(op, m, &io, w, packed, panel, nb);

	for (uint t = 0, done; t < tiles; t += done) {
		done = keel_gemm_dots(&s, w->tiles + t * planes, tiles - t, planes, single);
		/*
		 * From the second tile on this panel is near, so that it is time for the next. All at once
		 * would be more than a processor can have on the way.
		 */
		s.ask = panel + op->gemm.panel_bytes + (ulong)t * s.depth * part;
		s.ask_step = part;
		for (uint i = 0; s.raw && i < done; i++)
			keel_strip_finish(op, m, &io, &s, w->dump + i * KEEL_TILE_ROWS * nb * VL,
					  w->tiles + (t + i) * planes, nb);
	}
}

static inline void keel_gemm_ticket(global const struct keel_plan_op *op,
				    global const struct keel_cmd_mac *m, struct keel_io io,
				    struct keel_worker *w, global const uchar *packed, uint ticket)
{
	uint column = ticket % op->gemm.ticket_columns, row = ticket / op->gemm.ticket_columns;
	uint panel0 = column * op->gemm.ticket_panels;
	uint panel1 = min(panel0 + op->gemm.ticket_panels, op->gemm.panels);
	uint tile0 = row * op->gemm.ticket_tiles;
	uint tile1 = min(tile0 + op->gemm.ticket_tiles, op->gemm.tiles);

	for (uint t = tile0; t < tile1; t += op->gemm.group_tiles) {
		uint last = min(t + op->gemm.group_tiles, tile1);

		for (uint p = panel0; p < panel1; p++) {
			uint group = p / op->gemm.group_panels, q = p % op->gemm.group_panels;
			int single = (op->flags & KEEL_PLAN_SINGLE) && q == op->gemm.group_panels - 1;

			keel_gemm_pack(op, m, &io, w, t, last, group);
			keel_gemm_panel(op, m, io, w, packed,
					packed + op->packed + (ulong)group * op->gemm.group_bytes +
						(ulong)q * op->gemm.panel_bytes,
					last - t, single);
		}
	}
}
