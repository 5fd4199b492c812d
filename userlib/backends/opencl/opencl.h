/* SPDX-License-Identifier: MIT */
#ifndef KEEL_OPENCL_H
#define KEEL_OPENCL_H

#include <pthread.h>
#include <stdbool.h>

#include <CL/cl.h>

#include "backend.h"
#include "keel_weights.h"
#include "plan.h"

/*
 * The OpenCL backend. Commands are executed where their operands lie (address mode),
 * either one NDRange each by portable kernels, one element per work-item, or, on CPU
 * devices, a range of commands as one NDRange by the fast kernels of a tier.
 */

/** struct keel_cl_tier - a set of fast kernels
 * @name: for people, KEEL_OPENCL_TIER and the cache
 * @define: macro that selects it in the kernels' text
 * @vl: int32 lanes of a vector
 * @rows: output pixels of a tile
 * @quads: packed activations are four bytes, level + 128; otherwise two shorts
 * @tiles: those of matrix products are levels as they are, in steps of KEEL_STEP_BYTES
 * @floats: multiplies and adds floats with one rounding: KEEL_PANEL_FAST
 * @dot: the instructions that its MACs are made of, for people
 * @supported: by this processor and kernel, for this process
 */
struct keel_cl_tier {
	const char *name;
	const char *define;
	uint32_t vl, rows;
	bool quads, tiles, floats;
	const char *dot;
	bool (*supported)(void);
};

/** keel_cl_tier() - the best one first; NULL behind the last */
const struct keel_cl_tier *keel_cl_tier(unsigned int index);
const struct keel_cl_tier *keel_cl_tier_find(const char *name);

/** struct keel_cl_choice - a device that can be opened */
struct keel_cl_choice {
	cl_platform_id platform;
	cl_device_id device;
	cl_device_type type;
};

/**
 * keel_cl_choose() - the device that @selector names
 * @selector: NULL or "" for the best one, an index, or a part of the name
 *
 * Without selector: a GPU or accelerator if there is one, else the first CPU. -ENODEV with a
 * sentence that lists what there is.
 */
int keel_cl_choose(const char *selector, struct keel_cl_choice *choice, struct keel_error *e);

/** keel_cl_prepare() - set POCL's environment; before the first OpenCL call of the process */
void keel_cl_prepare(const struct keel_device_options *options);

/** keel_cl_pocl_cache() - the folder where POCL keeps what it compiles; false: it has none */
bool keel_cl_pocl_cache(char *path, size_t size);

/**
 * keel_cl_trim() - give pages of LLVM's libraries back, which come from the file when they are used
 *
 * After something has run through them that won't come again soon.
 */
void keel_cl_trim(void);

/** keel_cl_strerror() - name of an OpenCL error */
const char *keel_cl_strerror(cl_int err);

/** keel_cl_errno() - the errno that comes closest */
int keel_cl_errno(cl_int err);

/** enum keel_cl_program_kind - programs, each compiled when it is first needed, which takes seconds
 *
 * All of a tier but the last have the kernel keel_run().
 */
enum keel_cl_program_kind {
	KEEL_CL_PORTABLE, /* without tier: a kernel for each layout */
	KEEL_CL_FAST,	  /* of the tier: what isn't for the next two */
	KEEL_CL_MACS,	  /* KEEL_PLAN_MACS */
	KEEL_CL_OTHERS,	  /* KEEL_PLAN_OTHERS */
	KEEL_CL_ROOF,	  /* what measures the tier */
	KEEL_CL_PROGRAM_COUNT
};

/** struct keel_cl_device
 * @tier: fast kernels, or NULL: portable ones only
 * @direct: buffers are host memory that the device uses where it lies
 * @groups: work-groups of a fast launch
 * @queue: for transfers
 * @lock: protects @programs while they are built
 * @programs: built when first needed
 * @cached: nothing to store in the cache
 */
struct keel_cl_device {
	cl_platform_id platform;
	cl_device_id id;
	cl_context context;
	cl_command_queue queue;
	const struct keel_cl_tier *tier;
	struct keel_counters *counters;
	struct keel_device_info info;
	char *cache;
	bool direct;
	uint32_t groups;
	size_t local;
	uint64_t max_alloc;
	pthread_mutex_t lock;
	cl_program programs[KEEL_CL_PROGRAM_COUNT];
	bool cached[KEEL_CL_PROGRAM_COUNT];
};

/**
 * keel_cl_device_new() - open the device that @options name
 * @tier: fast kernels, or NULL: portable ones until keel_cl_device_choose_tier()
 */
int keel_cl_device_new(const struct keel_device_options *options, struct keel_counters *counters,
		       const struct keel_cl_tier *tier, struct keel_cl_device **device,
		       struct keel_error *e);
void keel_cl_device_del(struct keel_cl_device *d);

struct keel_cl_trial;

/** keel_cl_device_choose_tier() - the best one, or what KEEL_OPENCL_TIER says; deletes @d on
 * failure */
int keel_cl_device_choose_tier(struct keel_cl_device *d, const struct keel_device_options *o,
			       struct keel_cl_trial *trial, struct keel_error *e);

/** keel_cl_program() - built program, from the cache where possible */
int keel_cl_program(struct keel_cl_device *d, enum keel_cl_program_kind kind, cl_program *program,
		    struct keel_error *e);

/** keel_cl_store_program() - put a program whose kernels have run into the cache, unless another
 * thread builds one: then the next call does it
 */
void keel_cl_store_program(struct keel_cl_device *d, enum keel_cl_program_kind kind);

/* source.c */
const char *keel_cl_source(enum keel_cl_program_kind kind, size_t *bytes);

/**
 * struct keel_cl_memory - a buffer object
 * @mem: NULL when @bytes is 0
 * @host: where it lies, on direct devices
 * @mapped: bytes at @host to be unmapped
 */
struct keel_cl_memory {
	cl_mem mem;
	void *host;
	uint64_t bytes;
	size_t mapped;
};

/**
 * keel_cl_memory_new() - zeroed memory, or @import
 * @import: aligned to info.align, or NULL
 * @flags: CL_MEM_READ_ONLY or CL_MEM_READ_WRITE
 */
int keel_cl_memory_new(struct keel_cl_device *d, uint64_t bytes, void *import, cl_mem_flags flags,
		       struct keel_cl_memory *m, struct keel_error *e);
void keel_cl_memory_del(struct keel_cl_memory *m);
int keel_cl_memory_access(struct keel_cl_device *d, struct keel_cl_memory *m, uint64_t offset,
			  uint64_t bytes, void *data, bool write, struct keel_error *e);

/** struct keel_cl_buffer - what a caller binds */
struct keel_cl_buffer {
	struct keel_cl_memory memory;
	struct keel_cl_device *device;
	void *mapped;
};

/** enum keel_run - what a submission is, where weights are decoded while the network runs */
enum keel_run {
	KEEL_RUN_FIRST, /* the whole network */
	KEEL_RUN_AGAIN, /* the same behind another: what it decoded isn't decoded again */
	KEEL_RUN_PIECE, /* some commands: weights are read where they lie */
	KEEL_RUN_COUNT
};

/** struct keel_plan - what was worked out about a command stream
 * @ops: one for each command, for each kind of run; NULL without tier; those behind the first
 *	are NULL when they would be the same
 * @packed: panels and decoded weights
 * @group_tiles: most tiles packed together
 * @worker_bytes: scratch of each work-group
 */
struct keel_plan {
	struct keel_plan_op *ops[KEEL_RUN_COUNT];
	uint8_t *packed;
	uint64_t packed_bytes, packed_room;
	uint32_t group_tiles;
	uint32_t worker_bytes;
};

/** struct keel_planner - while a plan is made
 * @weights: of the MAC command being planned; NULL when they are not known beforehand
 * @decoded: what they were decoded into, where they are no constants
 * @sources: by command: the WEIGHTS command whose weights were packed, or -1
 */
struct keel_planner {
	const struct keel_cl_tier *tier;
	const struct keel_model *model;
	uint32_t groups;
	struct keel_plan *plan;
	const int8_t *weights;
	uint8_t *decoded;
	int64_t *sources;
};

/** keel_plan_make() - plan a checked model for a tier; @groups work-groups will run it */
int keel_plan_make(const struct keel_cl_tier *tier, const struct keel_model *model, uint32_t groups,
		   struct keel_plan *plan, struct keel_error *e);
void keel_plan_free(struct keel_plan *plan);

/** keel_plan_elements() - elements of a command as the kernels count them; 0: nothing to do */
uint64_t keel_plan_elements(const union keel_command *c);

/** keel_plan_level_bytes() - size of a level: int8 or int16 */
static inline uint32_t keel_plan_level_bytes(uint8_t type)
{
	return type == KEEL_TYPE_S16 ? 2 : 1;
}

static inline uint32_t keel_plan_ceil_div(uint64_t a, uint64_t b)
{
	return (uint32_t)((a + b - 1) / b);
}

static inline uint64_t keel_plan_magnitude(int64_t v)
{
	return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

/** keel_plan_by_elements() - let single elements execute a command; keeps op->after */
void keel_plan_by_elements(const union keel_command *c, struct keel_plan_op *op);

/** keel_plan_last_byte() - of an operand, in its slot */
uint64_t keel_plan_last_byte(const struct keel_operand *o);

/* plan_weights.c */

/** keel_plan_find_weights() - p->weights and p->sources of command @index; 0 or -ENOMEM */
int keel_plan_find_weights(struct keel_planner *p, uint32_t index);

/** keel_plan_variants() - the other kinds of runs, once all commands are planned; 0 or -ENOMEM */
int keel_plan_variants(struct keel_planner *p);

/** keel_plan_put - write bytes into a slot; 0 or -errno */
typedef int (*keel_plan_put)(void *ctx, uint8_t slot, uint64_t offset, const void *bytes,
			     uint64_t n);

/** keel_plan_settle() - put what KEEL_RUN_AGAIN left out to where literal execution leaves it */
int keel_plan_settle(const struct keel_model *m, const struct keel_plan *plan, keel_plan_put put,
		     void *ctx);

/** keel_plan_room() - append zeroed bytes to the packed data; NULL when there is no memory */
uint8_t *keel_plan_room(struct keel_planner *p, uint64_t bytes, uint64_t *offset);

/* plan_gemm.c, plan_depthwise.c, plan_affine.c, plan_simple.c: 1: planned, 0: not for this path, or
 * -errno */
int keel_plan_gemm(struct keel_planner *p, const union keel_command *c, struct keel_plan_op *op);
int keel_plan_depthwise(struct keel_planner *p, const union keel_command *c,
			struct keel_plan_op *op);
int keel_plan_affine(struct keel_planner *p, const struct keel_cmd_mac *m, struct keel_plan_op *op);
int keel_plan_simple(struct keel_planner *p, const union keel_command *c, struct keel_plan_op *op);

/* plan_winograd.c */

/** keel_plan_winograd_pays() - is there such a way, and is it less work than all products are? */
bool keel_plan_winograd_pays(const struct keel_planner *p, const struct keel_cmd_mac *m);

/** keel_plan_winograd_shape() - how such a command is cut into squares, tiles and tickets, all but
 * panels */
void keel_plan_winograd_shape(struct keel_planner *p, const struct keel_cmd_mac *m,
			      struct keel_plan_op *op);

/** keel_plan_winograd_exact() - can sums be told from their lowest 26 bits?
 * @magnitude: sum of the magnitudes of an output channel's weights
 */
bool keel_plan_winograd_exact(uint64_t magnitude);

/**
 * keel_plan_winograd_channel() - the weights of an output channel at the 36 points
 * @w: first weight, of @in input channels
 * @at: where the first pair of input channels goes at the first point
 * @step: bytes between pairs; points follow each other
 */
void keel_plan_winograd_channel(const int8_t *w, uint32_t in, uint8_t *at, uint32_t step);

/** keel_plan_cut_depthwise() - tickets of a depthwise command whose chunks are known */
void keel_plan_cut_depthwise(const struct keel_planner *p, const struct keel_cmd_mac *m,
			     struct keel_plan_op *op);

/* plan_record.c */

/** keel_plan_scale() - the high-half form of keel_rescale(); false when there is none
 * @bits: values are below 2^bits
 */
bool keel_plan_scale(int32_t m, uint32_t s, bool double_round, unsigned int bits,
		     struct keel_plan_scale *scale);

/**
 * keel_plan_residual() - keel_rescale() of all levels less @zero_point by a product of 32 bits
 * @multiplier: below 2^22; (v * multiplier + (1 << (shift - 1))) >> shift
 *
 * Return: false when there is none.
 */
bool keel_plan_residual(int32_t m, uint32_t s, int32_t zero_point, int32_t *multiplier,
			uint32_t *shift);

/** keel_plan_short() - keel_rescale() of @lo .. @hi by a product of shorts, (v * multiplier + 2^14)
 * >> 15
 * @whole: v is added to the product
 *
 * Return: false when there is none.
 */
bool keel_plan_short(int32_t m, uint32_t s, int32_t lo, int32_t hi, int16_t *multiplier,
		     bool *whole);

/** keel_plan_channel_record() - record of channel @c of a MAC command, of either kind */
struct keel_channel_wide keel_plan_channel_record(const struct keel_planner *p,
						  const struct keel_cmd_mac *m, uint32_t c);

/** struct keel_record_source - the channels of a panel
 * @channels: records of the panel's channels
 * @count: channels that exist
 * @bias: first value of each accumulator
 * @bound: no accumulator exceeds this
 * @fixed: all weights are 0, so that the accumulator is always @fixed_acc
 * @zero_point: of the output
 * @prelu: multiplier_neg is used
 * @double_round: KEEL_DOUBLE_ROUND
 * @wide_in: the input is int16
 * @planes: accumulators are put together from two planes, so that they may have 48 bits
 * @wide_out: the output is int16
 * @floats: KEEL_PANEL_FAST may be used
 * @unsaturated: accumulators or levels count before they saturate: partial sums, residuals
 */
struct keel_record_source {
	const struct keel_channel_wide *channels;
	uint32_t count;
	const int32_t *bias;
	const uint64_t *bound;
	const bool *fixed;
	const int32_t *fixed_acc;
	int32_t zero_point;
	bool prelu, double_round, wide_in, planes, wide_out, floats, unsaturated;
};

/** keel_plan_records() - lane records, bounds and header of a panel
 * @nb: lane records
 *
 * Return: enum keel_panel_slow.
 */
uint32_t keel_plan_records(uint8_t *panel, uint32_t vl, uint32_t nb,
			   const struct keel_record_source *s, uint32_t channel);

/** keel_plan_channel() - channel of lane @lane of record @b */
static inline uint32_t keel_plan_channel(uint32_t nb, uint32_t b, uint32_t lane)
{
	return lane / 4 * 4 * nb + 4 * b + lane % 4;
}

struct keel_roof;

/* roof.c */
int keel_cl_roof(struct keel_backend_device *device, uint64_t bytes, struct keel_roof *roof,
		 struct keel_error *e);

/** struct keel_cl_net - a network on a device */
struct keel_cl_net {
	struct keel_cl_device *device;
	const struct keel_model *model;
	struct keel_plan plan;
	struct keel_cl_memory constants, commands, ops[KEEL_RUN_COUNT], packed;
};

/* job.c */
int keel_cl_job_new(struct keel_backend_program *program, unsigned int priority,
		    struct keel_backend_job **job, struct keel_error *e);
void keel_cl_job_del(struct keel_backend_job *job);
int keel_cl_job_submit(struct keel_backend_job *job, const struct keel_backend_range *range,
		       struct keel_error *e);
int keel_cl_job_wait(struct keel_backend_job *job, uint64_t deadline_ns,
		     struct keel_job_result *result, struct keel_error *e);
void keel_cl_job_cancel(struct keel_backend_job *job);
int keel_cl_job_profile(struct keel_backend_job *job, uint64_t *ns, uint32_t count,
			struct keel_error *e);
int keel_cl_job_access(struct keel_backend_job *job, unsigned int slot, uint64_t offset,
		       uint64_t bytes, void *data, int write, struct keel_error *e);

#endif
