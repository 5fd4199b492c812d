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

static keel_u64 dram_bytes(const union keel_command *c)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(c, o);
	keel_u64 bytes = 0;

	for (i = 0; i < n; i++)
		if (o[i].slot != KEEL_SLOT_SRAM)
			bytes = keel_add_sat(bytes, operand_bytes(&o[i]));
	return bytes;
}

static keel_u64 engine_cycles(const struct keel_target *t, const union keel_command *c,
			      enum keel_engine engine)
{
	const struct keel_cmd_copy *p = &c->copy;

	if (engine == KEEL_ENGINE_MAC)
		return mac_cycles(t, c);
	if (engine == KEEL_ENGINE_VEC)
		return steps(keel_command_elements(c), t->vector_lanes);
	if (c->h.opcode == KEEL_CMD_WEIGHTS)
		return steps(c->weights.raw_bytes, t->decode_bytes_per_cycle);
	return steps(keel_mul_sat(keel_mul_sat(p->dim0, p->dim1), keel_mul_sat(p->dim2, p->dim3)),
		     t->dma_bytes_per_cycle);
}

keel_u64 keel_target_cycles(const struct keel_target *t, const union keel_command *c)
{
	const struct keel_command_desc *d = keel_command_desc(c->h.opcode);
	keel_u64 work, bytes;

	if (!d || d->engine == KEEL_ENGINE_CONTROL)
		return 0;
	work = engine_cycles(t, c, d->engine);
	bytes = dram_bytes(c);
	if (!bytes)
		return work;
	bytes = steps(bytes, t->dram_bytes_per_cycle);
	return keel_add_sat(work > bytes ? work : bytes, t->dram_latency_cycles);
}
