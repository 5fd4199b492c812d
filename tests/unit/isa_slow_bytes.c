// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <stdint.h>
#include <string.h>

#define CELLS	   (1u << 20)
#define MOST_BYTES (CELLS / 4)

/** struct cell - a byte that was written
 * @key: slot and address
 * @visit: the visit that wrote it
 * @element: which element of the output
 */
struct cell {
	uint64_t key;
	uint32_t visit, element;
};

static struct cell cells[CELLS];
static uint32_t visit;
static uint64_t bytes_seen;

static struct cell *find(unsigned int slot, uint64_t address)
{
	uint64_t key = (uint64_t)slot << 40 | address;
	uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 44);

	while (cells[i].visit == visit && cells[i].key != key)
		i = (i + 1) % CELLS;
	cells[i].key = key;
	return &cells[i];
}

static void need(struct isa_bytes *b, unsigned int slot, uint64_t address)
{
	if (b->need[slot] <= address)
		b->need[slot] = address + 1;
}

static void write_byte(struct isa_bytes *b, unsigned int slot, uint64_t address, uint32_t element)
{
	struct cell *cell = find(slot, address);

	need(b, slot, address);
	b->written |= 1u << slot;
	b->twice |= cell->visit == visit;
	cell->visit = visit;
	cell->element = element;
}

/* @element is the one output element that depends on this byte; ~0 when many may. */
static void read_byte(struct isa_bytes *b, unsigned int slot, uint64_t address, uint32_t element)
{
	struct cell *cell = find(slot, address);

	need(b, slot, address);
	b->conflict |= cell->visit == visit && cell->element != element;
}

static int too_many(const struct isa_box *x)
{
	uint64_t n = 1;
	int i;

	for (i = 0; i < 4; i++) {
		if (x->dims[i] > MOST_BYTES)
			return 1;
		n *= x->dims[i];
		if (n > MOST_BYTES)
			return 1;
	}
	bytes_seen += n;
	return bytes_seen > MOST_BYTES;
}

static void visit_box(struct isa_bytes *b, const struct isa_box *x)
{
	uint64_t i, j, k, l, address;
	uint32_t element = 0;

	for (i = 0; i < x->dims[0]; i++)
		for (j = 0; j < x->dims[1]; j++)
			for (k = 0; k < x->dims[2]; k++)
				for (l = 0; l < x->dims[3]; l++, element++) {
					address = x->offset + i * x->strides[0] +
						  j * x->strides[1] + k * x->strides[2] +
						  l * x->strides[3];
					if (x->write)
						write_byte(b, x->slot, address, element);
					else
						read_byte(b, x->slot, address,
							  x->in_place ? element : ~0u);
				}
}

void isa_slow_visit(const union keel_command *c, struct isa_bytes *b)
{
	struct isa_box boxes[ISA_MOST_BOXES];
	unsigned int i, n = isa_slow_boxes(c, boxes);

	memset(b, 0, sizeof(*b));
	visit++;
	bytes_seen = 0;
	for (i = 0; i < n; i++)
		b->too_many |= too_many(&boxes[i]);
	if (b->too_many)
		return;
	for (i = 0; i < n; i++)
		if (boxes[i].write)
			visit_box(b, &boxes[i]);
	for (i = 0; i < n; i++)
		if (!boxes[i].write)
			visit_box(b, &boxes[i]);
}
