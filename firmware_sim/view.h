/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_VIEW_H
#define KEEL_SIM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_command.h"
#include "keel_hw.h"

/*
 * A view makes scattered guest memory look contiguous to the engines. Where the pieces lie side by
 * side, it is the memory itself. Else a command works on private memory: its operands are fetched
 * before and stored after it, and not a byte more. (Mapping the pages once more, side by side, was
 * tried: page faults cost several times as much as copying.)
 */

struct sim_npu;

/** struct sim_piece - contiguous bytes of a view
 * @host: where they are
 * @address: the same on the bus
 * @offset: where they are in the view
 * @bytes: their number
 */
struct sim_piece {
	uint8_t *host;
	uint64_t address;
	uint64_t offset;
	uint64_t bytes;
};

/** struct sim_limit - how far accesses of a kind get in a view
 * @bytes: from the start that are possible
 * @status: what happens behind
 * @address: address of the byte behind, as the job knows it
 */
struct sim_limit {
	uint64_t bytes;
	enum keel_hw_status status;
	uint64_t address;
};

/** struct sim_copies - private memory that is kept from job to job, since fresh pages cost time
 * @base: NULL: none
 * @bytes: length
 *
 * What an operand doesn't cover, no command sees; all the same it is kept for one client only.
 */
struct sim_copies {
	uint8_t *base;
	uint64_t bytes;
};

/** struct sim_view - memory of a job as the engines see it
 * @base: byte 0; NULL when nothing can be read
 * @read: how far reads get
 * @write: how far writes get
 * @pieces: in order of their offset
 * @nr_pieces: their number
 * @room: for pieces
 * @fetched: @base is private memory
 * @own: which the view unmaps
 */
struct sim_view {
	uint8_t *base;
	struct sim_limit read, write;
	struct sim_piece *pieces;
	uint32_t nr_pieces, room;
	bool fetched, own;
};

/** struct sim_view_request - what is wanted
 * @memory: from the job's descriptor
 * @space: context of the MMU, plus one; 0: not translated
 * @need: bytes that are used
 * @write: some of them are written
 * @copies: where to keep private memory, or NULL
 */
struct sim_view_request {
	const struct keel_hw_memory *memory;
	uint32_t space;
	uint64_t need;
	bool write;
	struct sim_copies *copies;
};

/** sim_view_open() - look memory up; it must be held until sim_view_close()
 *
 * Return: 0; what can't be reached shows in the limits. -EINVAL: the list of segments makes no
 * sense; -EFAULT: it can't be read; -ENOMEM; -EINTR: a reset came.
 */
int sim_view_open(struct sim_npu *npu, const struct sim_view_request *r, struct sim_view *v);
void sim_view_close(struct sim_view *v);

/** sim_copies_drop() - unmap */
void sim_copies_drop(struct sim_copies *c);

/** sim_view_is_there() - is the memory still what it was? See memory.h about shortened files */
bool sim_view_is_there(struct sim_npu *npu, const struct sim_view *v);

/** sim_view_fetch() - make the bytes of an operand current, if the view holds copies */
void sim_view_fetch(const struct sim_view *v, const struct keel_operand *o);
/** sim_view_store() - the other way round */
void sim_view_store(const struct sim_view *v, const struct keel_operand *o);
/** sim_view_store_all() - the first @bytes */
void sim_view_store_all(const struct sim_view *v, uint64_t bytes);

#endif
