// SPDX-License-Identifier: MIT
#include "keel_rules.h"
#include "keel_target.h"

/*
 * The array is as square as its size allows: @oc output channels by @quads
 * quads of input. Quads of neighbouring taps share a cycle; a depthwise
 * convolution uses one quad of every output channel, for four of its taps.
 */
struct array {
	keel_u32 oc, quads;
};

static struct array array_of(const struct keel_target *t)
{
	struct array a = {.oc = KEEL_BLOCK_OC};

	while ((keel_u64)a.oc * a.oc < t->macs_per_cycle)
		a.oc *= 2;
	a.quads = t->macs_per_cycle / a.oc / KEEL_BLOCK_IC;
	if (!a.quads)
		a.quads = 1;
	return a;
}

static keel_u64 steps(keel_u64 n, keel_u32 size)
{
	return n ? keel_div_u64(n - 1, size) + 1 : 0;
}

/* An array of int8 multipliers takes int16 input in two passes. */
static keel_u32 passes(const union keel_command *c)
{
	return c->h.ifm_type == KEEL_TYPE_S16 ? 2 : 1;
}

static keel_u64 mac_cycles(const struct keel_target *t, const union keel_command *c)
{
	const struct keel_cmd_mac *m = &c->mac;
	struct array a = array_of(t);
	keel_u64 taps = (keel_u64)m->kernel_h * m->kernel_w, pixels;
	keel_u32 h, w;

	keel_mac_extent(c, &h, &w);
	pixels = (keel_u64)h * w;
	if (m->h.opcode == KEEL_CMD_CONV_TRANSPOSE)
		pixels = (keel_u64)m->ifm_h * m->ifm_w;
	if (m->h.opcode == KEEL_CMD_DEPTHWISE)
		return keel_mul_sat(pixels, steps(m->ofm_c, a.oc) * steps(taps, KEEL_BLOCK_IC));
	return keel_mul_sat(keel_mul_sat(pixels, m->groups * steps(m->ofm_c / m->groups, a.oc)),
			    steps(taps * steps(m->ifm_c / m->groups, KEEL_BLOCK_IC), a.quads));
}

static keel_u64 operand_bytes(const struct keel_operand *o)
{
	return keel_mul_sat(keel_mul_sat(o->dims[0], o->dims[1]),
			    keel_mul_sat(o->dims[2], o->dims[3]));
}

/* Where a byte that an operand reads is counted; partial sums are the only arrays of int32. */
static keel_u64 *read_by(struct keel_target_work *w, const struct keel_operand *o,
			 enum keel_engine engine)
{
	return engine == KEEL_ENGINE_MAC && !o->fm && o->align != 4 ? &w->weights : &w->inputs;
}

static void count_dram(struct keel_target_work *w, const union keel_command *c,
		       enum keel_engine engine)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(c, o);
	keel_u64 *sum;

	for (i = 0; i < n; i++) {
		if (o[i].slot == KEEL_SLOT_SRAM)
			continue;
		sum = read_by(w, &o[i], engine);
		if (o[i].access & KEEL_READ)
			*sum = keel_add_sat(*sum, operand_bytes(&o[i]));
		if (o[i].access & KEEL_WRITE)
			w->outputs = keel_add_sat(w->outputs, operand_bytes(&o[i]));
	}
}

static keel_u64 engine_cycles(const struct keel_target *t, const union keel_command *c,
			      enum keel_engine engine)
{
	const struct keel_cmd_copy *p = &c->copy;

	if (engine == KEEL_ENGINE_MAC)
		return keel_mul_sat(mac_cycles(t, c), passes(c));
	if (engine == KEEL_ENGINE_VEC)
		return steps(keel_mul_sat(keel_command_elements(c), keel_command_wide(c) ? 2 : 1),
			     t->vector_lanes);
	if (c->h.opcode == KEEL_CMD_WEIGHTS)
		return steps(c->weights.raw_bytes, t->decode_bytes_per_cycle);
	return steps(keel_mul_sat(keel_mul_sat(p->dim0, p->dim1), keel_mul_sat(p->dim2, p->dim3)),
		     t->dma_bytes_per_cycle);
}

void keel_target_work(const struct keel_target *t, const union keel_command *c,
		      struct keel_target_work *w)
{
	const struct keel_command_desc *d = keel_command_desc(c->h.opcode);

	memset(w, 0, sizeof(*w));
	if (!d || d->engine == KEEL_ENGINE_CONTROL)
		return;
	w->cycles = engine_cycles(t, c, d->engine);
	count_dram(w, c, d->engine);
}

keel_u64 keel_target_cycles(const struct keel_target *t, const union keel_command *c)
{
	struct keel_target_work w;
	keel_u64 bytes;

	keel_target_work(t, c, &w);
	bytes = keel_add_sat(keel_add_sat(w.weights, w.inputs), w.outputs);
	if (!bytes)
		return w.cycles;
	bytes = steps(bytes, t->dram_bytes_per_cycle);
	return keel_add_sat(w.cycles > bytes ? w.cycles : bytes, t->dram_latency_cycles);
}
