// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <string.h>

typedef __int128 wide;

/* One past the last byte. */
static wide reach(const struct isa_box *b)
{
	wide last = b->offset;
	int i;

	for (i = 0; i < 4; i++)
		last += (wide)(b->dims[i] - 1) * b->strides[i];
	return last + 1;
}

static int same_view(const struct isa_box *a, const struct isa_box *b)
{
	return a->offset == b->offset && !memcmp(a->dims, b->dims, sizeof(a->dims)) &&
	       !memcmp(a->strides, b->strides, sizeof(a->strides));
}

/* Do two runs of bytes that come again every @period bytes ever meet? Looks at every byte of one.
 */
static int meet(keel_u64 a, keel_u64 a_bytes, keel_u64 b, keel_u64 b_bytes, keel_u64 period)
{
	keel_u64 i;

	if (a_bytes + b_bytes > period)
		return 1;
	if (b_bytes > a_bytes)
		return meet(b, b_bytes, a, a_bytes, period);
	for (i = 0; i < b_bytes; i++)
		if ((b + i + period - a % period) % period < a_bytes)
			return 1;
	return 0;
}

/* Disjoint channels of the same pixels, or disjoint columns of the same rows. */
static int interleaved(const struct isa_box *a, const struct isa_box *b)
{
	keel_u64 row = a->strides[1], pixel = a->strides[2];

	if (!a->map || !b->map || b->strides[1] != row)
		return 0;
	if (b->strides[2] == pixel && row % pixel == 0 &&
	    !meet(a->offset, a->dims[3], b->offset, b->dims[3], pixel))
		return 1;
	return !meet(a->offset, (a->dims[2] - 1) * pixel + a->dims[3], b->offset,
		     (b->dims[2] - 1) * b->strides[2] + b->dims[3], row);
}

static int overlap(const struct isa_box *written, const struct isa_box *read)
{
	if (written->slot != read->slot || reach(written) <= read->offset ||
	    reach(read) <= written->offset)
		return 0;
	if (read->in_place && same_view(written, read))
		return 0;
	return !interleaved(written, read);
}

static void check_box(const struct isa_box *b, keel_u64 sram, struct isa_defects *d)
{
	wide row = (wide)(b->dims[2] - 1) * b->strides[2] + b->dims[3];

	isa_slow_add(d, b->write && (b->slot == 0 || (b->slot >= 2 && b->slot <= 15)), b->name,
		     "writes a read-only slot");
	isa_slow_add(d, b->offset % b->align, b->name, "offset is not aligned");
	isa_slow_add(d, b->map && (b->strides[1] % b->align || b->strides[2] % b->align), b->name,
		     "stride is not a multiple of the element");
	isa_slow_add(d, b->map && b->strides[2] < b->dims[3], b->name,
		     "pixel stride is less than a pixel");
	isa_slow_add(d, b->map && b->strides[1] < row, b->name, "row stride is less than a row");
	isa_slow_add(d, reach(b) > (wide)1 << 32, b->name, "reaches beyond 4 GiB");
	isa_slow_add(d, b->slot == 31 && reach(b) > sram, b->name,
		     "reaches beyond the on-chip memory");
}

void isa_slow_operands(const union keel_command *c, keel_u64 sram, struct keel_program_info *info,
		       struct isa_defects *d)
{
	struct isa_box boxes[ISA_MOST_BOXES];
	unsigned int i, j, n = isa_slow_boxes(c, boxes);

	for (i = 0; i < n; i++)
		check_box(&boxes[i], sram, d);
	for (i = 0; i < n && !d->n; i++)
		for (j = 0; boxes[i].write && j < n; j++)
			isa_slow_add(d, i != j && overlap(&boxes[i], &boxes[j]), boxes[i].name,
				     "overlaps what the command reads");
	for (i = 0; i < n && !d->n; i++) {
		if (boxes[i].write)
			info->written |= 1u << boxes[i].slot;
		if (reach(&boxes[i]) > info->need[boxes[i].slot])
			info->need[boxes[i].slot] = reach(&boxes[i]);
	}
}

static void add(keel_u64 *sum, wide v)
{
	*sum = (*sum + v) >> 64 ? ~0ull : *sum + v;
}

static wide product(const keel_u64 *dims)
{
	wide n = 1;
	int i;

	/* Four times 32 bits don't fit; nothing above 64 bits is told apart. */
	for (i = 0; i < 4; i++)
		n = (n * dims[i]) >> 64 ? (wide)1 << 64 : n * dims[i];
	return n;
}

static wide macs(const struct keel_cmd_mac *m, const struct isa_box *out)
{
	wide taps = (wide)m->kernel_h * m->kernel_w, outputs = product(out->dims);

	switch (m->h.opcode) {
	case KEEL_CMD_CONV2D:
		return outputs * taps * (m->ifm_c / m->groups);
	case KEEL_CMD_DEPTHWISE:
		return outputs * taps;
	case KEEL_CMD_MATMUL:
		return (wide)m->ifm_h * m->ifm_w * m->ofm_c * m->ifm_c;
	default:
		return (wide)m->ifm_h * m->ifm_w * m->ifm_c * m->ofm_c * taps;
	}
}

/* Outputs before the pool, as the partial sums would have them. */
static wide mac_work(const union keel_command *c)
{
	union keel_command sums = *c;
	struct isa_box boxes[ISA_MOST_BOXES];

	sums.h.flags |= KEEL_MAC_ACC_OUT;
	boxes[0] = boxes[isa_slow_boxes(&sums, boxes) - 1];
	boxes[0].dims[3] /= 4;
	return macs(&c->mac, &boxes[0]);
}

static wide vec_work(const union keel_command *c)
{
	struct isa_box boxes[ISA_MOST_BOXES];
	unsigned int i, n = isa_slow_boxes(c, boxes);
	wide most = 0, work;

	for (i = 0; i < n; i++) {
		if (!boxes[i].map)
			continue;
		work = product(boxes[i].dims) / boxes[i].align;
		if (boxes[i].write && c->h.opcode == KEEL_CMD_POOL)
			work *= c->pool.kernel_h * c->pool.kernel_w;
		if (boxes[i].write && c->h.opcode == KEEL_CMD_LRN)
			work *= c->unary.size;
		most = work > most ? work : most;
	}
	return most;
}

void isa_slow_work(const union keel_command *c, struct keel_program_info *info)
{
	struct isa_box boxes[ISA_MOST_BOXES];

	info->wide += c->bytes[14] == 2 || c->bytes[15] == 2;
	switch (isa_slow_kind(c->h.opcode)->engine) {
	case 'd':
		info->nr_commands[KEEL_ENGINE_DMA]++;
		isa_slow_boxes(c, boxes);
		add(&info->dma_bytes, product(boxes[1].dims));
		break;
	case 'm':
		info->nr_commands[KEEL_ENGINE_MAC]++;
		add(&info->macs, mac_work(c));
		break;
	case 'v':
		info->nr_commands[KEEL_ENGINE_VEC]++;
		add(&info->vector_elements, vec_work(c));
		break;
	default:
		info->nr_commands[KEEL_ENGINE_CONTROL]++;
	}
}
