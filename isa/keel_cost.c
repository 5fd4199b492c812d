// SPDX-License-Identifier: MIT
#include "keel_rules.h"

/* Work of valid commands: what timeouts and reports are made from. */

keel_u64 keel_command_macs(const union keel_command *c)
{
	const struct keel_cmd_mac *m = &c->mac;
	keel_u64 taps = (keel_u64)m->kernel_h * m->kernel_w;
	keel_u32 h, w;

	keel_mac_extent(c, &h, &w);
	switch (c->h.opcode) {
	case KEEL_CMD_CONV2D:
		taps = keel_mul_sat(taps, m->ifm_c / m->groups);
		break;
	case KEEL_CMD_DEPTHWISE:
		break;
	case KEEL_CMD_MATMUL:
		taps = m->ifm_c;
		break;
	case KEEL_CMD_CONV_TRANSPOSE:
		/* Every input pixel meets every tap. */
		h = m->ifm_h;
		w = m->ifm_w;
		taps = keel_mul_sat(taps, m->ifm_c);
		break;
	default:
		return 0;
	}
	return keel_mul_sat(keel_mul_sat((keel_u64)h * w, m->ofm_c), taps);
}

/* Elements of a feature map are aligned to their size. */
static keel_u64 operand_elements(const struct keel_operand *o)
{
	keel_u64 n = keel_mul_sat(o->dims[2], o->dims[3] / o->align);

	return keel_mul_sat(keel_mul_sat(n, o->dims[1]), o->dims[0]);
}

/* How often an output element looks at the input, where that is more than once. */
static keel_u64 visits(const union keel_command *c)
{
	if (c->h.opcode == KEEL_CMD_POOL)
		return (keel_u64)c->pool.kernel_h * c->pool.kernel_w;
	if (c->h.opcode == KEEL_CMD_LRN)
		return c->unary.size;
	return 1;
}

keel_u64 keel_operands_elements(const union keel_command *c, const struct keel_operand *operands,
				unsigned int n)
{
	keel_u64 most = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		keel_u64 elements;

		if (!operands[i].fm)
			continue;
		elements = operand_elements(&operands[i]);
		if (operands[i].access & KEEL_WRITE)
			elements = keel_mul_sat(elements, visits(c));
		if (elements > most)
			most = elements;
	}
	return most;
}

keel_u64 keel_command_elements(const union keel_command *c)
{
	struct keel_operand operands[KEEL_MAX_OPERANDS];
	unsigned int n = keel_command_operands(c, operands);

	return keel_operands_elements(c, operands, n);
}
