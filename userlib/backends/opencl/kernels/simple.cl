/* SPDX-License-Identifier: MIT */

/* VEC and DMA commands over runs of consecutive levels, vectors at a time. */

/** struct keel_place - where run @i of a command lies */
struct keel_place {
	global const char *a, *b;
	global char *out;
};

static inline struct keel_place keel_place(global const struct keel_plan_op *op, global const char *a,
				       global const char *b, global char *out, uint i)
{
	ulong outer = i / op->runs.inner, inner = i % op->runs.inner;
	struct keel_place r = { a + outer * op->runs.a_outer + inner * op->runs.a_inner,
			      b + outer * op->runs.b_outer + inner * op->runs.b_inner,
			      out + outer * op->runs.out_outer + inner * op->runs.out_inner };

	return r;
}

static inline void keel_eltwise_run(global const struct keel_plan_op *op,
				    global const struct keel_cmd_eltwise *m, struct keel_place r)
{
	struct keel_uniform ua = keel_uniform(&op->runs.a), ub = keel_uniform(&op->runs.b);
	struct keel_uniform uo = keel_uniform(&op->runs.out);
	uint mode = m->h.mode, n = op->runs.run, in = m->h.ifm_type == KEEL_TYPE_S16;
	uint wide = m->h.ofm_type == KEEL_TYPE_S16;
	int za = m->ifm.zero_point, zb = m->ifm2.zero_point, zo = m->ofm.zero_point;
	int lo = KEEL_LO(m), hi = KEEL_HI(m);

	for (uint i = 0, now; i < n; i += now) {
		keel_ints a, b, v;

		now = min(n - i, (uint)VL);
		a = keel_load_levels(r.a + (i << in), now, in);
		b = keel_load_levels(r.b + (i << in), now, in);
		if (mode == KEEL_ELTWISE_MAX)
			v = max(a, b);
		else if (mode == KEEL_ELTWISE_MIN)
			v = min(a, b);
		else if (mode == KEEL_ELTWISE_MUL)
			v = keel_scale_uniform((a - za) * (b - zb), uo) + zo;
		else if (mode == KEEL_ELTWISE_ADD)
			v = keel_scale_uniform(keel_scale_uniform(a - za, ua) +
					       keel_scale_uniform(b - zb, ub), uo) + zo;
		else
			v = keel_scale_uniform(keel_scale_uniform(a - za, ua) -
					       keel_scale_uniform(b - zb, ub), uo) + zo;
		keel_store_levels(r.out + (i << wide), v, lo, hi, now, wide);
	}
}

static inline void keel_rescale_run(global const struct keel_plan_op *op,
				    global const struct keel_cmd_unary *m, struct keel_place r)
{
	struct keel_uniform u = keel_uniform(&op->runs.out);
	uint n = op->runs.run, in = m->h.ifm_type == KEEL_TYPE_S16;
	uint wide = m->h.ofm_type == KEEL_TYPE_S16;
	int lo = KEEL_LO(m), hi = KEEL_HI(m);

	for (uint i = 0, now; i < n; i += now) {
		keel_ints v;

		now = min(n - i, (uint)VL);
		v = keel_load_levels(r.a + (i << in), now, in);
		v = keel_scale_uniform(v - (int)m->ifm.zero_point, u) + (int)m->ofm.zero_point;
		keel_store_levels(r.out + (i << wide), v, lo, hi, now, wide);
	}
}

static inline void keel_copy_run(global char *to, global const char *from, uint n)
{
	uint i = 0;

	for (; i + 4 * VL <= n; i += 4 * VL)
		KEEL_STORE(keel_bytes_at, to + i, KEEL_LOAD(keel_bytes_at, from + i));
	for (; i + 8 <= n; i += 8)
		KEEL_STORE(keel_ulong_at, to + i, KEEL_LOAD(keel_ulong_at, from + i));
	for (; i < n; i++)
		to[i] = from[i];
}

static inline void keel_fill_run(global char *to, global const struct keel_cmd_unary *m, uint n)
{
	uint wide = m->h.ofm_type == KEEL_TYPE_S16, i = 0;
	short two = wide ? m->value16 : (short)((uchar)m->value * 0x101);

	n <<= wide;
	for (; i + 4 * VL <= n; i += 4 * VL)
		KEEL_STORE(keel_halves_at, to + i, (keel_halves)two);
	for (; i + 2 <= n; i += 2)
		KEEL_STORE(keel_ushort_at, to + i, (ushort)two);
	if (i < n)
		to[i] = (char)two;
}

KEEL_APART void keel_runs_ticket(global const struct keel_plan_op *op,
				    global const union keel_command *c, struct keel_io io, uint ticket)
{
	uint first = ticket * op->chunk, last = min(first + op->chunk, op->runs.runs);

	for (uint i = first; i < last; i++) {
		if (op->kind == KEEL_PLAN_COPY) {
			struct keel_place r = keel_place(op, (global const char *)io.ifm + c->copy.src_offset, 0,
						     (global char *)io.ofm + c->copy.dst_offset, i);

			keel_copy_run(r.out, r.a, op->runs.run);
		} else if (op->kind == KEEL_PLAN_ELTWISE) {
			keel_eltwise_run(op, &c->eltwise,
					 keel_place(op, (global const char *)io.ifm + c->eltwise.ifm.offset,
						  (global const char *)io.ifm2 + c->eltwise.ifm2.offset,
						  (global char *)io.ofm + c->eltwise.ofm.offset, i));
		} else {
			struct keel_place r = keel_place(op, (global const char *)io.ifm + c->unary.ifm.offset, 0,
						     (global char *)io.ofm + c->unary.ofm.offset, i);

			if (op->kind == KEEL_PLAN_RESCALE)
				keel_rescale_run(op, &c->unary, r);
			else if (op->kind == KEEL_PLAN_TABLE)
				keel_look_up(r.out, r.a, op->runs.run,
					     (global const char *)io.table + c->unary.table_offset);
			else
				keel_fill_run(r.out, &c->unary, op->runs.run);
		}
	}
}
