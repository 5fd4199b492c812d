// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "vring.h"

/* As in memory; little endian, as this machine must be for the guest's sake. */
struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct vring_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

struct vring_used {
	uint16_t flags;
	uint16_t idx;
	struct {
		uint32_t id;
		uint32_t len;
	} ring[];
};

#define VRING_DESC_F_NEXT	   1
#define VRING_DESC_F_WRITE	   2
#define VRING_DESC_F_INDIRECT	   4
#define VRING_AVAIL_F_NO_INTERRUPT 1

int sim_vring_set_num(struct sim_vring *r, uint32_t num)
{
	if (!num || num > SIM_VRING_MAX || (num & (num - 1)))
		return -EINVAL;
	r->num = num;
	r->placed = r->broken = false;
	return 0;
}

int sim_vring_place(struct sim_vring *r, uint64_t desc, uint64_t avail, uint64_t used)
{
	if (!r->num || (desc & 15) || (avail & 1) || (used & 3))
		return -EINVAL;
	r->desc = desc;
	r->avail = avail;
	r->used = used;
	r->placed = true;
	r->broken = false;
	return 0;
}

static bool usable(const struct sim_vring *r)
{
	return r->placed && r->enabled && !r->broken;
}

static struct vring_avail *avail_of(struct sim_vring *r)
{
	return sim_memory_bus_at(r->memory, r->avail,
				 sizeof(struct vring_avail) + r->num * sizeof(uint16_t));
}

static struct vring_used *used_of(struct sim_vring *r)
{
	return sim_memory_bus_at(r->memory, r->used,
				 sizeof(struct vring_used) +
					 r->num * sizeof(((struct vring_used *)0)->ring[0]));
}

static int broken(struct sim_vring *r)
{
	r->broken = true;
	return -EPROTO;
}

bool sim_vring_waiting(struct sim_vring *r)
{
	struct vring_avail *avail = usable(r) ? avail_of(r) : NULL;

	return avail && __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) != r->last;
}

/* Appends the descriptor at @index; the next one's index, -1 at the end, or -EPROTO. */
static int append(struct sim_vring *r, struct sim_chain *chain, uint32_t index)
{
	const struct vring_desc *at =
		sim_memory_bus_at(r->memory, r->desc + (uint64_t)index * sizeof(*at), sizeof(*at));
	struct vring_desc d;
	bool writable;

	if (!at || index >= r->num || chain->count == SIM_CHAIN_PIECES)
		return -EPROTO;
	memcpy(&d, at, sizeof(d));
	writable = d.flags & VRING_DESC_F_WRITE;
	/* Indirect tables are not offered; what is read comes first. */
	if ((d.flags & VRING_DESC_F_INDIRECT) || (!writable && chain->count != chain->readable))
		return -EPROTO;
	chain->piece[chain->count].address = d.addr;
	chain->piece[chain->count].bytes = d.len;
	chain->count++;
	chain->readable += !writable;
	return d.flags & VRING_DESC_F_NEXT ? d.next : -1;
}

int sim_vring_pop(struct sim_vring *r, struct sim_chain *chain)
{
	struct vring_avail *avail;
	uint16_t offered;
	int next;

	if (!usable(r))
		return 0;
	avail = avail_of(r);
	if (!avail)
		return broken(r);
	offered = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
	if (offered == r->last)
		return 0;
	if ((uint16_t)(offered - r->last) > r->num)
		return broken(r);
	chain->head = __atomic_load_n(&avail->ring[r->last & (r->num - 1)], __ATOMIC_RELAXED);
	chain->count = chain->readable = 0;
	next = chain->head;
	/* A loop ends when the pieces do. */
	do
		next = append(r, chain, (uint32_t)next);
	while (next >= 0);
	if (next == -EPROTO)
		return broken(r);
	r->last++;
	return 1;
}

int sim_vring_push(struct sim_vring *r, const struct sim_chain *chain, uint32_t bytes)
{
	struct vring_used *used = used_of(r);
	uint16_t at;

	if (!used)
		return broken(r);
	at = __atomic_load_n(&used->idx, __ATOMIC_RELAXED);
	used->ring[at & (r->num - 1)].id = chain->head;
	used->ring[at & (r->num - 1)].len = bytes;
	/* Before the guest's flag is read in sim_vring_wants_notice(). */
	__atomic_store_n(&used->idx, (uint16_t)(at + 1), __ATOMIC_SEQ_CST);
	return 0;
}

bool sim_vring_wants_notice(struct sim_vring *r)
{
	struct vring_avail *avail = avail_of(r);

	return avail &&
	       !(__atomic_load_n(&avail->flags, __ATOMIC_SEQ_CST) & VRING_AVAIL_F_NO_INTERRUPT);
}

ssize_t sim_chain_read(struct sim_memory *m, const struct sim_chain *chain, void *data,
		       size_t bytes)
{
	size_t done = 0, n;
	const void *at;
	unsigned int i;

	for (i = 0; i < chain->readable && done < bytes; i++) {
		n = chain->piece[i].bytes < bytes - done ? chain->piece[i].bytes : bytes - done;
		at = sim_memory_bus_at(m, chain->piece[i].address, n);
		if (!at)
			return -EFAULT;
		memcpy((uint8_t *)data + done, at, n);
		done += n;
	}
	return (ssize_t)done;
}

ssize_t sim_chain_write(struct sim_memory *m, const struct sim_chain *chain, const void *data,
			size_t bytes)
{
	size_t done = 0, n;
	unsigned int i;
	void *at;

	for (i = chain->readable; i < chain->count && done < bytes; i++) {
		n = chain->piece[i].bytes < bytes - done ? chain->piece[i].bytes : bytes - done;
		at = sim_memory_bus_at(m, chain->piece[i].address, n);
		if (!at)
			return -EFAULT;
		memcpy(at, (const uint8_t *)data + done, n);
		done += n;
	}
	return (ssize_t)done;
}
