/* SPDX-License-Identifier: MIT */

/*
 * The whole network, or any range of it, as one NDRange: as many work-groups of one
 * work-item as the device has compute units, each walking the command list.
 *
 * Each work-group owns a slice of every command's tickets and steals from the others
 * when it is done. It leaves a command when all its tickets are taken, and waits
 * for the commands that the next one depends on only after it has taken a ticket of
 * that. A ticket that was taken is being worked on by a work-group that runs, so
 * nobody waits for ever, however many work-groups the device runs at a time. A model of it
 * for spin is in tests/spin/run.pml.
 */
#define KEEL_SYNC_LINE 16	/* ints; counters that different work-groups write are apart */
#define KEEL_SYNC_STOP 0
#define KEEL_SYNC_LEFT 1
#define KEEL_SYNC_HEADER (2 * KEEL_SYNC_LINE)

/** struct keel_offsets - where each slot begins in its buffer */
struct keel_offsets {
	ulong at[KEEL_SLOT_COUNT];
};

#define KEEL_SLOT_LIST(S) \
	S(0) S(1) S(2) S(3) S(4) S(5) S(6) S(7) S(8) S(9) S(10) S(11) S(12) S(13) S(14) S(15) S(16) \
	S(17) S(18) S(19) S(20) S(21) S(22) S(23) S(24) S(25) S(26) S(27) S(28) S(29) S(30) S(31)

/** struct keel_crew - the work-groups of a launch
 * @taken: tickets taken from each work-group's slice of each command
 * @done: tickets finished by each work-group
 * @ops: all commands
 * @me: this work-group
 * @size: how many there are
 */
struct keel_crew {
	volatile global int *taken, *done;
	global const struct keel_plan_op *ops;
	uint me, size;
};

/*
 * Wait a little. Who has waited for longer than any ticket should take waits for somebody whose
 * processor others have taken, and sleeps: a thread that goes on turning, or yields and turns again, uses
 * up its share of the processor, and is kept waiting for that later. OpenCL has no name for sleeping, so
 * this is the system call nanosleep().
 */
#define KEEL_PATIENCE 1024 /* turns, some 50 us */
#define KEEL_NAP 50000	   /* ns */

static inline void keel_relax(uint turns)
{
#if defined(__x86_64__) && defined(__linux__)
	const long time[2] = { 0, KEEL_NAP };
	long call = 35;

	__asm__ volatile("pause");
	if (turns > KEEL_PATIENCE)
		__asm__ volatile("syscall" : "+a"(call) : "D"(time), "S"(0L) : "rcx", "r11", "memory");
#endif
}

static inline volatile global int *keel_counter(volatile global int *counters, struct keel_crew crew,
						uint op, uint member)
{
	return counters + ((ulong)op * crew.size + member) * (2 * KEEL_SYNC_LINE);
}

/* Wait until all commands from @complete up to @until are. */
static inline uint keel_await(struct keel_crew crew, uint complete, uint until)
{
	for (; complete < until; complete++) {
		for (uint turns = 0;; turns++) {
			uint sum = 0;

			for (uint i = 0; i < crew.size; i++)
				sum += (uint)*keel_counter(crew.done, crew, complete, i);
			if (sum >= crew.ops[complete].tickets)
				break;
			keel_relax(turns);
		}
	}
	mem_fence(CLK_GLOBAL_MEM_FENCE);
	return complete;
}

static inline struct keel_io keel_io_of(global const union keel_command *c, global uchar *const *slots)
{
	struct keel_io io = { slots[0], slots[0], slots[0], slots[0], slots[0], slots[0], slots[0] };

	switch (c->h.opcode) {
	case KEEL_CMD_COPY:
		io.ifm = slots[c->copy.src_slot];
		io.ofm = slots[c->copy.dst_slot];
		break;
	case KEEL_CMD_WEIGHTS:
		io.ifm = slots[c->weights.src_slot];
		io.ofm = slots[c->weights.dst_slot];
		break;
	case KEEL_CMD_CONV2D:
	case KEEL_CMD_DEPTHWISE:
	case KEEL_CMD_MATMUL:
	case KEEL_CMD_CONV_TRANSPOSE:
		io.ifm = slots[c->mac.ifm.slot];
		io.ifm2 = slots[c->mac.ifm2.slot];
		io.ofm = slots[c->mac.ofm.slot];
		io.weights = slots[c->mac.weights_slot];
		io.channels = slots[c->mac.channels_slot];
		io.table = slots[c->mac.table_slot];
		io.psum = slots[c->mac.psum_slot];
		break;
	case KEEL_CMD_ELTWISE:
		io.ifm2 = slots[c->eltwise.ifm2.slot];
		io.ifm = slots[c->eltwise.ifm.slot];
		io.ofm = slots[c->eltwise.ofm.slot];
		break;
	case KEEL_CMD_RESCALE:
	case KEEL_CMD_TABLE:
	case KEEL_CMD_SOFTMAX:
	case KEEL_CMD_LRN:
	case KEEL_CMD_FILL:
		io.table = slots[c->unary.table_slot];
		io.ifm = slots[c->unary.ifm.slot];
		io.ofm = slots[c->unary.ofm.slot];
		break;
	default:
		/* The other layouts begin with ifm and ofm, as POOL does. */
		io.ifm = slots[c->pool.ifm.slot];
		io.ofm = slots[c->pool.ofm.slot];
	}
	return io;
}

/*
 * What is done one element at a time is in three programs, of which few networks need another than the
 * first: see element_kind() in plan.c.
 */
static inline void keel_program_element(global const union keel_command *c, struct keel_io io, ulong i)
{
#if defined(KEEL_MACS)
	keel_mac_element(&c->mac, io, i);
#elif defined(KEEL_OTHERS)
	keel_other_element(c, io, i);
#else
	if (c->h.opcode == KEEL_CMD_WEIGHTS)
		keel_weights_element(&c->weights, io, i);
	else if (c->h.opcode == KEEL_CMD_SOFTMAX)
		keel_softmax_pixel(&c->unary, io, i);
	else
		keel_mac_narrow_element(&c->mac, io, i, KEEL_CMD_DEPTHWISE);
#endif
}

KEEL_APART void keel_elements_ticket(global const struct keel_plan_op *op,
				     global const union keel_command *c, struct keel_io io, uint ticket)
{
	ulong first = (ulong)ticket * op->chunk, last = min(first + op->chunk, (ulong)op->elements);

	for (ulong i = first; i < last; i++)
		keel_program_element(c, io, i);
}

/* Apart, so that it isn't compiled again wherever it is called. */
KEEL_APART void keel_ticket(global const struct keel_plan_op *op, global const union keel_command *c,
			    const struct keel_io *at, struct keel_worker *w, global const uchar *packed,
			    uint ticket)
{
	struct keel_io io = *at;

#if defined(KEEL_MACS) || defined(KEEL_OTHERS)
	keel_elements_ticket(op, c, io, ticket);
#else
	switch (op->kind) {
	case KEEL_PLAN_GEMM:
		keel_gemm_ticket(op, &c->mac, io, w, packed, ticket);
		break;
#if !KEEL_AMX
	case KEEL_PLAN_WINOGRAD:
		keel_winograd_ticket(op, &c->mac, io, w, packed, ticket);
		break;
#endif
	case KEEL_PLAN_AFFINE:
		keel_affine_ticket(op, &c->mac, io, packed, ticket);
		break;
	case KEEL_PLAN_DEPTHWISE:
	case KEEL_PLAN_DEPTHWISE_3X3:
		keel_depthwise_ticket(op, &c->mac, io, packed, ticket);
		break;
	case KEEL_PLAN_POOL:
		keel_pool_ticket(op, &c->pool, io, ticket);
		break;
	case KEEL_PLAN_REDUCE:
		keel_reduce_ticket(op, &c->reduce, io, ticket);
		break;
	case KEEL_PLAN_ELTWISE:
	case KEEL_PLAN_RESCALE:
	case KEEL_PLAN_TABLE:
	case KEEL_PLAN_FILL:
	case KEEL_PLAN_COPY:
		keel_runs_ticket(op, c, io, ticket);
		break;
	case KEEL_PLAN_BOX:
		keel_box_ticket(op, io, ticket);
		break;
	case KEEL_PLAN_LRN:
		w->op = 0;
		keel_lrn_ticket(op, &c->unary, io, w->pack, ticket);
		break;
	default:
		keel_elements_ticket(op, c, io, ticket);
	}
#endif
}

/* One command: take tickets, from the own slice first, until there are none left. */
static inline uint keel_command_tickets(struct keel_crew crew, uint index, uint complete,
					global const union keel_command *c, global uchar *const *slots,
					struct keel_worker *w, global const uchar *packed)
{
	global const struct keel_plan_op *op = crew.ops + index;
	struct keel_io io = keel_io_of(c, slots);

	for (uint i = 0; i < crew.size; i++) {
		uint owner = (crew.me + i) % crew.size;
		uint first = (uint)((ulong)op->tickets * owner / crew.size);
		uint count = (uint)((ulong)op->tickets * (owner + 1) / crew.size) - first;
		volatile global int *taken = keel_counter(crew.taken, crew, index, owner);

		while ((uint)*taken < count) {
			uint t = (uint)atomic_inc(taken);

			if (t >= count)
				break;
			if (complete < op->after)
				complete = keel_await(crew, complete, op->after);
			keel_ticket(op, c, &io, w, packed, first + t);
			mem_fence(CLK_GLOBAL_MEM_FENCE);
			atomic_inc(keel_counter(crew.done, crew, index, crew.me));
		}
	}
	return complete;
}

/* The last work-group to leave puts the counters back to zero for the next launch. */
static inline void keel_leave(struct keel_crew crew, volatile global int *sync, uint first, uint count)
{
	if ((uint)atomic_inc(&sync[KEEL_SYNC_LEFT]) != crew.size - 1)
		return;
	for (uint i = first; i < first + count; i++)
		for (uint j = 0; j < crew.size; j++) {
			*keel_counter(crew.taken, crew, i, j) = 0;
			*keel_counter(crew.done, crew, i, j) = 0;
		}
	sync[KEEL_SYNC_LEFT] = 0;
}

#define KEEL_SLOT_ARGUMENT(n) , global uchar *slot##n
#define KEEL_SLOT_POINTER(n) slot##n + at.at[n],

/** struct keel_launch - the arguments of keel_run() that it passes on */
struct keel_launch {
	global const union keel_command *commands;
	global const uchar *packed;
	volatile global int *sync;
	global uchar *own;
	uint group_tiles, first, count;
};

/* Apart, since POCL makes three functions of a kernel, each with all that was inlined. */
KEEL_APART void keel_work(const struct keel_launch *launch, global const struct keel_plan_op *ops,
			  global uchar *const *slots, uint me, uint size)
{
	struct keel_launch l = *launch;
	struct keel_crew crew = { l.sync + KEEL_SYNC_HEADER, l.sync + KEEL_SYNC_HEADER + KEEL_SYNC_LINE,
				  ops, me, size };
	struct keel_worker w;
	uint complete = l.first;

	w.dump = (global int *)l.own;
	w.levels = (global char *)(w.dump + KEEL_TILES_MAX * KEEL_TILE_ROWS * 2 * VL);
	w.tiles = (global struct keel_tile *)(w.levels + KEEL_TILE_ROWS * 2 * VL * 2);
	w.pack = (global uchar *)(w.tiles + l.group_tiles);
	w.op = 0;
#if KEEL_AMX
	keel_tiles_begin();
#endif
	for (uint i = l.first; i < l.first + l.count; i++) {
		if (l.sync[KEEL_SYNC_STOP])
			break;
		if (ops[i].tickets)
			complete = keel_command_tickets(crew, i, complete, l.commands + i, slots, &w, l.packed);
	}
#if KEEL_AMX
	keel_tiles_end();
#endif
	keel_leave(crew, l.sync, l.first, l.count);
}

#if !defined(KEEL_ROOF)
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void keel_run(global const union keel_command *commands, global const struct keel_plan_op *ops,
	      global const uchar *packed, volatile global int *sync, global uchar *scratch,
	      uint scratch_stride, uint group_tiles, uint first, uint count,
	      struct keel_offsets at KEEL_SLOT_LIST(KEEL_SLOT_ARGUMENT))
{
	global uchar *slots[KEEL_SLOT_COUNT] = { KEEL_SLOT_LIST(KEEL_SLOT_POINTER) };
	uint me = get_group_id(0);
	struct keel_launch launch = { commands, packed, sync, scratch + (ulong)me * scratch_stride,
				      group_tiles, first, count };

	keel_work(&launch, ops, slots, me, get_num_groups(0));
}
#endif
