/* SPDX-License-Identifier: MIT */
#ifndef KEEL_H
#define KEEL_H

#include <stddef.h>
#include <stdint.h>

/*
 * libkeel: runs compiled networks (.keel files) on an NPU, on an OpenCL device
 * or in plain C, with the same bits.
 *
 *	struct keel_device *dev;
 *	struct keel_network *net;
 *
 *	keel_device_new("auto", NULL, &dev, &error);
 *	keel_network_new(dev, "net.keel", &net, &error);
 *	keel_network_run(net, inputs, outputs, &error);
 *
 * Errors. Functions that can fail return 0 (or a count) or a negative errno and,
 * where they take a struct keel_error (which may be NULL), leave one sentence
 * that says what was wrong, where, which limit, and what to do.
 *
 * Objects. Everything is reference counted: _new() hands out the first reference,
 * _ref() adds one, _del() drops one and takes NULL. A network holds its device, a
 * job its network and the buffers bound to it, so they may be dropped in any order.
 *
 * Threads. Every function may be called by any thread at any time; devices,
 * networks and buffers may be shared freely. Calls on one job are serialized
 * by the job, except keel_job_wait(), keel_job_poll() and keel_job_cancel(),
 * which never wait for each other. To run in parallel, use a job for each thread,
 * or keel_network_run(). The caller keeps his own reference while he calls.
 *
 * Extension. Structs grow only together with a new symbol version; fields and
 * flags that are not described must be zero and are checked.
 */

#ifdef __cplusplus
extern "C" {
#endif

struct keel_device;
struct keel_network;
struct keel_buffer;
struct keel_job;
struct keel_model; /* view of the file, for programs that have the headers of isa/ */

#ifndef KEEL_ERROR_STRUCT
#define KEEL_ERROR_STRUCT
/** struct keel_error - the sentence behind a negative errno
 * @text: one sentence without a trailing newline; empty when nothing failed
 */
struct keel_error {
	char text[512];
};
#endif

/** keel_version() - "major.minor.patch" of the library */
const char *keel_version(void);

/*
 * Backends
 */

/** struct keel_backend_info - one way to execute
 * @name: for keel_device_new()
 * @description: one line
 */
struct keel_backend_info {
	const char *name;
	const char *description;
};

/** keel_backend_count() - number of backends this library was built with */
unsigned int keel_backend_count(void);

/** keel_backend_get() - describe backend @index
 *
 * Return: 0, or -ENOENT when there is none.
 */
int keel_backend_get(unsigned int index, struct keel_backend_info *info);

/*
 * Devices
 */

/* Execute commands literally: every operand at its address in its slot, every command. */
#define KEEL_DEVICE_EXACT 0x1u

/** struct keel_device_options - how to open a device; all zero means defaults
 * @threads: worker threads on a CPU; 0: the backend's choice, usually one per compute unit
 * @flags: KEEL_DEVICE_*
 * @selector: which device of the backend: an index, or a part of its name; NULL: the best one
 * @cache: folder for built programs; NULL: the user's cache folder; "" for none
 * @rsv: zero
 */
struct keel_device_options {
	uint32_t threads;
	uint32_t flags;
	const char *selector;
	const char *cache;
	uint64_t rsv[4];
};

/** struct keel_device_info - what was opened
 * @backend: name of the backend
 * @name: of the device, as its maker states it
 * @tier: which kernels were chosen
 * @driver: version of the driver or platform
 * @compute_units: cores, or what the device calls so
 * @threads: workers in use; 0 where it does not apply
 * @flags: KEEL_DEVICE_* in force
 * @align: alignment of imported memory, bytes; 0: memory can't be imported
 * @memory_bytes: of the device; 0: unknown
 * @reason: why "auto" chose it, one line; empty when it was named
 */
struct keel_device_info {
	char backend[16];
	char name[128];
	char tier[64];
	char driver[64];
	uint32_t compute_units;
	uint32_t threads;
	uint32_t flags;
	uint32_t align;
	uint64_t memory_bytes;
	char reason[256];
};

/**
 * keel_device_new() - open a device
 * @backend: "auto", "drm", "opencl" or "reference". "auto" takes an NPU if there is one, then
 *	OpenCL, and never falls back to the slow reference; keel_device_get_info() tells which and
 *	why
 * @options: NULL means defaults
 *
 * Return: 0; -ENODEV when there is no such device; -EINVAL for a wrong option.
 */
int keel_device_new(const char *backend, const struct keel_device_options *options,
		    struct keel_device **device, struct keel_error *error);
struct keel_device *keel_device_ref(struct keel_device *device);
void keel_device_del(struct keel_device *device);
void keel_device_get_info(struct keel_device *device, struct keel_device_info *info);

/*
 * Counters: 64 bits, monotonic since the device was opened, except gauges.
 */

/** struct keel_counter_info - one counter
 * @name: identifier, lower case with underscores
 * @unit: "ns", "bytes", "jobs" ...
 * @category: group for display
 * @description: one sentence
 * @gauge: 1: a level that goes up and down
 */
struct keel_counter_info {
	const char *name;
	const char *unit;
	const char *category;
	const char *description;
	int gauge;
};

/**
 * keel_counter_count() - number of counters; their ids are 0 .. count - 1
 *
 * First those that the library counts, then those of an NPU and its driver, whose names begin with
 * "npu_" and which stay 0 without one. Names never change, ids do from release to release.
 */
unsigned int keel_counter_count(void);

/** keel_counter_get() - describe counter @id; -ENOENT when there is none */
int keel_counter_get(unsigned int id, struct keel_counter_info *info);

/** keel_device_read_counters() - values of counters 0 .. @count - 1
 *
 * Return: how many were written.
 */
unsigned int keel_device_read_counters(struct keel_device *device, uint64_t *values,
				       unsigned int count);

/*
 * Networks
 */

#define KEEL_RANK_MAX 8

/** enum keel_element - element types; S8 and S16 are levels, S16 with zero point 0 */
enum keel_element {
	KEEL_ELEMENT_S8,
	KEEL_ELEMENT_S32,
	KEEL_ELEMENT_F32,
	KEEL_ELEMENT_S64,
	KEEL_ELEMENT_S16,
};

/** struct keel_port - an input or output of a network, and how it lies in its buffer
 * @name: as in the network; lives as long as the network
 * @type: of the elements in the buffer
 * @rank: number of dimensions
 * @dims: extents, in the order the network states them
 * @strides: bytes in the buffer between neighbours along each dimension
 * @zero_point: level of 0.0; 0 unless S8
 * @scale: real step of one level; 1 unless S8
 * @offset: byte in the buffer of the first element
 * @bytes: smallest buffer that can be bound
 * @elements: product of @dims
 *
 * F32 and S64 ports are dense; the host steps of the network read or write them.
 */
struct keel_port {
	const char *name;
	enum keel_element type;
	uint32_t rank;
	uint32_t dims[KEEL_RANK_MAX];
	uint64_t strides[KEEL_RANK_MAX];
	int32_t zero_point;
	double scale;
	uint64_t offset;
	uint64_t bytes;
	uint64_t elements;
};

/** struct keel_network_info - sizes
 * @target: NPU configuration it was compiled for
 * @inputs: number of inputs
 * @outputs: number of outputs
 * @commands: in the stream, END included
 * @host_steps: float operations outside the command stream
 * @macs: multiply-accumulates of one inference
 * @constants_bytes: weights, biases and tables
 * @scratch_bytes: private memory of each job
 */
struct keel_network_info {
	const char *target;
	uint32_t inputs;
	uint32_t outputs;
	uint32_t commands;
	uint32_t host_steps;
	uint64_t macs;
	uint64_t constants_bytes;
	uint64_t scratch_bytes;
};

/**
 * keel_network_new() - load a model file
 *
 * Nothing in the file is trusted. It is mapped, so it must not change while it is in use.
 *
 * Return: 0; -EINVAL for a damaged or foreign file; -ENOMEM; -errno of open.
 */
int keel_network_new(struct keel_device *device, const char *path, struct keel_network **network,
		     struct keel_error *error);

/** keel_network_new_from_memory() - the same from a copy of @data */
int keel_network_new_from_memory(struct keel_device *device, const void *data, size_t bytes,
				 struct keel_network **network, struct keel_error *error);
struct keel_network *keel_network_ref(struct keel_network *network);
void keel_network_del(struct keel_network *network);
void keel_network_get_info(struct keel_network *network, struct keel_network_info *info);

/** keel_network_get_input() - describe input @index; -ENOENT when there is none */
int keel_network_get_input(struct keel_network *network, unsigned int index,
			   struct keel_port *port);

/** keel_network_get_output() - describe output @index; -ENOENT when there is none */
int keel_network_get_output(struct keel_network *network, unsigned int index,
			    struct keel_port *port);

/** keel_network_get_preprocess() - text that says how pictures become inputs; "" when none */
const char *keel_network_get_preprocess(struct keel_network *network);

/** keel_network_get_labels() - names of the classes, one a line; "" when none */
const char *keel_network_get_labels(struct keel_network *network);

/** keel_network_get_model() - the checked view of the file, valid as long as the network */
const struct keel_model *keel_network_get_model(struct keel_network *network);

/**
 * keel_network_run() - one inference with floats on both sides
 * @inputs: for each input, port.elements floats, dense, dimensions in the network's order
 * @outputs: for each output, room for port.elements floats
 *
 * Quantizes, submits, waits, dequantizes. Blocks; any number of threads may call it on one
 * network. Indexes (S64 outputs) above 2^24 lose bits as floats: use a job for them.
 */
int keel_network_run(struct keel_network *network, const float *const *inputs,
		     float *const *outputs, struct keel_error *error);

/*
 * Buffers
 */

#define KEEL_MAP_READ  0x1u
#define KEEL_MAP_WRITE 0x2u
/* What was in the buffer is not needed: may save a transfer. */
#define KEEL_MAP_DISCARD 0x4u

/** keel_buffer_new() - allocate zeroed memory that the device can reach */
int keel_buffer_new(struct keel_device *device, uint64_t bytes, struct keel_buffer **buffer,
		    struct keel_error *error);

/**
 * keel_buffer_import() - let the device use the caller's memory
 * @data: aligned to keel_device_info.align; stays valid as long as the buffer
 *
 * The caller touches it only between keel_buffer_map() and keel_buffer_unmap().
 */
int keel_buffer_import(struct keel_device *device, void *data, uint64_t bytes,
		       struct keel_buffer **buffer, struct keel_error *error);

/**
 * keel_buffer_import_fd() - let the device use a dma-buf of another driver: a camera's, a decoder's
 * @fd: of the dma-buf; the caller keeps it and may close it
 * @bytes: at most as long as the dma-buf
 *
 * Return: 0; -EOPNOTSUPP where the backend has no notion of it.
 */
int keel_buffer_import_fd(struct keel_device *device, int fd, uint64_t bytes,
			  struct keel_buffer **buffer, struct keel_error *error);

/** keel_buffer_export_fd() - a dma-buf of the buffer, for other drivers; the caller closes @fd */
int keel_buffer_export_fd(struct keel_buffer *buffer, int *fd, struct keel_error *error);
struct keel_buffer *keel_buffer_ref(struct keel_buffer *buffer);
void keel_buffer_del(struct keel_buffer *buffer);
uint64_t keel_buffer_get_bytes(struct keel_buffer *buffer);

/**
 * keel_buffer_map() - make the contents visible to the CPU
 * @flags: KEEL_MAP_*
 *
 * Zero copy where the device allows it. A mapped buffer can't take part in a submission.
 * Maps nest; an inner one may not ask for more than the outermost one.
 *
 * Return: 0; -EBUSY while a submitted job uses the buffer.
 */
int keel_buffer_map(struct keel_buffer *buffer, unsigned int flags, void **data,
		    struct keel_error *error);
int keel_buffer_unmap(struct keel_buffer *buffer, struct keel_error *error);

/*
 * Jobs
 */

/* Record how long each command takes; may make the job slower. */
#define KEEL_JOB_PROFILE 0x1u
/* Where jobs of several programs compete: after all others, or (with the right to) before them. */
#define KEEL_JOB_LOW  0x2u
#define KEEL_JOB_HIGH 0x4u

#define KEEL_NO_COMMAND 0xffffffffu

/** enum keel_busy - engines of struct keel_job_result */
enum keel_busy { KEEL_BUSY_DMA, KEEL_BUSY_MAC, KEEL_BUSY_VEC, KEEL_BUSY_COUNT };

/** struct keel_job_result - what became of a submission
 * @status: 0 or negative errno: -ECANCELED, -ETIME when the device hung, -EIO ...
 * @fault_command: index of the command that failed, or KEEL_NO_COMMAND
 * @commands: how many were to be executed
 * @start_ns: CLOCK_MONOTONIC when execution began
 * @end_ns: when it ended
 * @host_ns: spent in host steps; of those before and after all commands, not part of
 *	end_ns - start_ns
 * @macs: multiply-accumulates of these commands
 * @cycles: counted by an NPU; otherwise the compiler's estimate for the target
 * @bytes_read: that these commands read, as addressed
 * @bytes_written: that these commands write, as addressed
 * @busy_ns: by engine; 0 where the backend doesn't measure it (KEEL_JOB_PROFILE helps)
 */
struct keel_job_result {
	int32_t status;
	uint32_t fault_command;
	uint32_t commands;
	uint32_t rsv;
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t host_ns;
	uint64_t macs;
	uint64_t cycles;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t busy_ns[KEEL_BUSY_COUNT];
};

/**
 * keel_job_new() - a place to run a network in: its own scratch memory and bindings
 * @flags: KEEL_JOB_*
 *
 * A job can be submitted again and again, one submission at a time. Several jobs of one
 * network run side by side.
 */
int keel_job_new(struct keel_network *network, unsigned int flags, struct keel_job **job,
		 struct keel_error *error);
struct keel_job *keel_job_ref(struct keel_job *job);

/** keel_job_del() - drop a reference; the last one cancels what is still running */
void keel_job_del(struct keel_job *job);

/**
 * keel_job_bind_input() - where input @index lies from the next submission on
 * @offset: where in the buffer, a multiple of 64
 *
 * What is never bound is allocated by the library. Ports that share memory are bound
 * together. Return: 0; -EINVAL; -EBUSY while the job runs.
 */
int keel_job_bind_input(struct keel_job *job, unsigned int index, struct keel_buffer *buffer,
			uint64_t offset, struct keel_error *error);
int keel_job_bind_output(struct keel_job *job, unsigned int index, struct keel_buffer *buffer,
			 uint64_t offset, struct keel_error *error);

/** keel_job_get_input_buffer() - the buffer behind input @index, allocated if need be
 *
 * Return: 0 and a reference that the caller drops; @offset is where the port begins in it.
 */
int keel_job_get_input_buffer(struct keel_job *job, unsigned int index, struct keel_buffer **buffer,
			      uint64_t *offset, struct keel_error *error);
int keel_job_get_output_buffer(struct keel_job *job, unsigned int index,
			       struct keel_buffer **buffer, uint64_t *offset,
			       struct keel_error *error);

/**
 * keel_job_set_input() - fill input @index
 * @type: of @data; floats are quantized (round half to even, clamp) where the port is S8 or
 *	S16; S8 and S16 data are levels of a port of the same type and copied as they are
 * @data: dense, dimensions in the network's order
 * @elements: must equal port.elements
 */
int keel_job_set_input(struct keel_job *job, unsigned int index, enum keel_element type,
		       const void *data, uint64_t elements, struct keel_error *error);

/** keel_job_get_output() - fetch output @index, converted to @type; the reverse */
int keel_job_get_output(struct keel_job *job, unsigned int index, enum keel_element type,
			void *data, uint64_t elements, struct keel_error *error);

/**
 * keel_job_submit() - start an inference
 *
 * Host steps that precede the commands run in this call, those between and behind commands in
 * the call of keel_job_wait() or keel_job_poll() that finds the commands before them done: a
 * network with host steps in its middle goes on only while somebody waits or polls. Until it is
 * done bound buffers belong to the job.
 *
 * Return: 0; -EBUSY when the job still runs or a buffer is mapped or is used by another
 * job (two may read it); -EINVAL when writable bindings overlap others.
 */
int keel_job_submit(struct keel_job *job, struct keel_error *error);

/** keel_job_submit_range() - execute commands @first .. @first + @count - 1 and no host steps
 *
 * Scratch and outputs keep their contents between submissions, so a network can be stepped. When
 * an NPU had to begin the commands again after a reset, the job ends with -EIO: what they start
 * from may be overwritten, and only the whole network can be trusted then.
 */
int keel_job_submit_range(struct keel_job *job, uint32_t first, uint32_t count,
			  struct keel_error *error);

/** keel_job_run_host_steps() - only the host steps before (@after 0) or after all commands */
int keel_job_run_host_steps(struct keel_job *job, int after, struct keel_error *error);

/** keel_job_run_host_steps_before() - only the host steps that stand in front of command @command
 * @command: 0 for those before all commands, the number of commands for those after them
 *
 * Between ranges of commands, to step a network that has host steps in its middle.
 */
int keel_job_run_host_steps_before(struct keel_job *job, uint32_t command,
				   struct keel_error *error);

/**
 * keel_job_wait() - wait for the last submission
 * @timeout_ns: 0 polls, negative waits for ever
 *
 * Return: the status of the job; -ETIMEDOUT when it isn't done yet; -EINVAL when it was never
 * submitted.
 */
int keel_job_wait(struct keel_job *job, int64_t timeout_ns, struct keel_error *error);

/** keel_job_poll() - look at the last submission
 *
 * Return: 1 when it is done, 0 while it runs, -EINVAL if there is none.
 */
int keel_job_poll(struct keel_job *job);

/**
 * keel_job_cancel() - stop as soon as possible, at the next command at the latest
 *
 * keel_job_wait() must still be called; it says -ECANCELED unless the job was quicker. Outputs
 * of a cancelled job are undefined. Return: 0, also when nothing runs.
 */
int keel_job_cancel(struct keel_job *job);

/** keel_job_get_result() - record of the last submission; -EBUSY while it runs, -EINVAL if none */
int keel_job_get_result(struct keel_job *job, struct keel_job_result *result);

/**
 * keel_job_get_profile() - nanoseconds of each command of the last submission
 * @ns: entry 0 belongs to the first command that was submitted
 *
 * Return: number of entries written; -ENODATA without KEEL_JOB_PROFILE; -EBUSY while it runs;
 * -EOPNOTSUPP where the backend can't tell.
 */
int keel_job_get_profile(struct keel_job *job, uint64_t *ns, uint32_t count,
			 struct keel_error *error);

/** struct keel_timeline - when a command ran
 * @command: index of the command
 * @engine: enum keel_busy; KEEL_BUSY_COUNT for commands of no engine
 * @start_ns: CLOCK_MONOTONIC
 * @end_ns: CLOCK_MONOTONIC
 */
struct keel_timeline {
	uint32_t command;
	uint32_t engine;
	uint64_t start_ns;
	uint64_t end_ns;
};

/**
 * keel_job_get_timeline() - when each command of the last submission ran
 *
 * The same conditions as for keel_job_get_profile(). On an NPU engines run side by side, so entries
 * overlap; elsewhere commands follow each other.
 *
 * Return: number of entries written.
 */
int keel_job_get_timeline(struct keel_job *job, struct keel_timeline *entries, uint32_t count,
			  struct keel_error *error);

/**
 * keel_job_set_fence() - let the next submission wait for a fence of another driver
 * @fd: a sync file; the caller keeps it
 *
 * Host steps before the commands don't wait. Return: 0; -EBUSY while the job runs; -EOPNOTSUPP
 * where the backend has no fences.
 */
int keel_job_set_fence(struct keel_job *job, int fd, struct keel_error *error);

/**
 * keel_job_get_fence() - a sync file that signals when the commands of the last submission are done
 * @fd: out; the caller closes it
 *
 * Its error is the submission's status. Host steps after the commands aren't waited for.
 *
 * Return: 0; -EINVAL when the job was never submitted; -EOPNOTSUPP where the backend has no fences,
 * or host steps stand between the network's commands.
 */
int keel_job_get_fence(struct keel_job *job, int *fd, struct keel_error *error);

/**
 * keel_job_read() - look into the memory behind a slot
 * @slot: number as in the commands, SRAM included
 *
 * Gives the bytes that literal execution leaves there. A backend that keeps intermediate
 * values elsewhere answers -EOPNOTSUPP: open the device with KEEL_DEVICE_EXACT.
 */
int keel_job_read(struct keel_job *job, unsigned int slot, uint64_t offset, uint64_t bytes,
		  void *data, struct keel_error *error);

/** keel_job_write() - change the memory behind a slot; constants (slot 0) are refused */
int keel_job_write(struct keel_job *job, unsigned int slot, uint64_t offset, uint64_t bytes,
		   const void *data, struct keel_error *error);

#ifdef __cplusplus
}
#endif
#endif
