/* SPDX-License-Identifier: MIT */
#ifndef KEEL_PRIVATE_H
#define KEEL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "backend.h"

/*
 * The core's objects. Lock order: job->lock, buffer->lock, device->lock. No lock is
 * held while a backend executes or waits; buffer->lock is held while it maps.
 */

#define KEEL_NO_PLACE 0xffffffffu

/** struct keel_claim - bytes that a submission uses, on the list of its device
 * @first: key of the first byte, see struct keel_buffer
 * @last: key of the last byte
 * @job: who
 * @write: the job may write them
 */
struct keel_claim {
	struct keel_claim *next;
	uint64_t first, last;
	const struct keel_job *job;
	bool write;
};

/** struct keel_device
 * @lock: protects @claims, @next_key and the maps of all buffers
 * @claims: of all jobs in flight
 * @next_key: for the next buffer
 * @reason: what "auto" would have preferred, and why it wasn't there
 */
struct keel_device {
	atomic_uint refs;
	const struct keel_backend *backend;
	struct keel_backend_device *priv;
	struct keel_counters counters;
	struct keel_device_info info;
	pthread_mutex_t lock;
	struct keel_claim *claims;
	uint64_t next_key;
	char reason[256];
};

/** struct keel_buffer
 * @key: number of the first byte among all bytes of all buffers of the device. Imported
 *	memory is numbered by its address, so that imports of the same bytes overlap; what the
 *	backend allocates gets numbers that no address has
 * @lock: serializes mapping and unmapping; protects @data and @map_flags
 * @maps: how often it is mapped; changed under both locks, so either protects a reader
 */
struct keel_buffer {
	atomic_uint refs;
	struct keel_device *device;
	struct keel_backend_buffer *priv;
	uint64_t bytes;
	uint64_t key;
	pthread_mutex_t lock;
	unsigned int maps;
	unsigned int map_flags;
	void *data;
};

/** struct keel_cost - what commands 0 .. n - 1 amount to */
struct keel_cost {
	uint64_t macs, cycles, bytes_read, bytes_written;
};

/** struct keel_network
 * @model: view of the file
 * @copy: owned copy of the file, when it came from memory
 * @cost: sums over the first n commands, for n = 0 .. nr_commands
 * @places: where buffers are bound: KEEL_SLOT_COUNT slots, then one for each input or output
 *	that is a host tensor
 * @nr_places: of them
 * @tensor_place: of each tensor; KEEL_NO_PLACE for host tensors inside the network
 * @host_offset: of each tensor in a job's host memory, where it has no place
 * @host_bytes: of that memory
 * @lock: protects @spares
 * @spares: idle jobs of keel_network_run(); they hold no reference to the network
 */
struct keel_network {
	atomic_uint refs;
	struct keel_device *device;
	struct keel_model model;
	void *copy;
	struct keel_backend_program *priv;
	struct keel_cost *cost;
	struct keel_network_place {
		uint64_t bytes; /* 0: not used */
		bool write;
	} * places;
	uint32_t nr_places;
	uint32_t *tensor_place;
	uint64_t *host_offset;
	uint64_t host_bytes;
	pthread_mutex_t lock;
	struct keel_job *spares;
};

enum keel_job_state { KEEL_JOB_IDLE, KEEL_JOB_RUNNING, KEEL_JOB_DONE };

/** struct keel_job
 * @places: what is bound; as network->places
 * @claims: as @places, valid while running
 * @host: host tensors inside the network
 * @lock: protects everything below, and @places
 * @changed: @state or @busy changed
 * @busy: a thread prepares, waits for or finishes the submission without the lock, and
 *	everything but @cancelled is its own
 * @starting: the backend doesn't have the submission yet
 * @cancelled: asked for meanwhile
 * @previous: @state before the submission began
 * @host_steps: the submission includes them
 * @first: first command of the submission
 * @count: how many it has
 * @part: the part of them that the backend has: all, unless host steps stand between them
 * @part_count: how many commands that is
 * @restarts: how often the submission began again from its first part
 * @trace: of the parts that are done, where there are several and KEEL_JOB_PROFILE is set;
 *	@start_ns, always: when the last one started
 * @error: why result.status isn't 0
 * @next_spare: network->lock
 */
struct keel_job {
	atomic_uint refs;
	struct keel_network *network;
	struct keel_backend_job *priv;
	uint32_t flags;
	struct keel_job_place {
		struct keel_buffer *buffer;
		uint64_t offset;
	} * places;
	struct keel_claim *claims;
	uint8_t *host;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum keel_job_state state, previous;
	bool busy, starting, cancelled, host_steps;
	uint32_t first, count, part, part_count, restarts;
	struct keel_job_trace {
		uint64_t *ns;
		struct keel_timeline *timeline;
		uint64_t start_ns;
		int status;
	} trace;
	struct keel_job_result result;
	struct keel_error error;
	struct keel_job *next_spare;
};

/** keel_error_clear() - every public function with an error argument starts with this */
static inline void keel_error_clear(struct keel_error *e)
{
	if (e)
		e->text[0] = '\0';
}

/* cost.c */
struct keel_cost *keel_cost_new(const struct keel_model *m);

/* places.c */
int keel_places_new(struct keel_network *n, struct keel_error *e);
void keel_places_del(struct keel_network *n);

/** struct keel_ports - the inputs or the outputs of a network */
struct keel_ports {
	const char *kind;
	const uint32_t *tensors;
	uint32_t count;
};

/* port.c */
void keel_port_init(const struct keel_network *n, uint32_t tensor, struct keel_port *port);
struct keel_ports keel_job_inputs(const struct keel_job *job);
struct keel_ports keel_job_outputs(const struct keel_job *job);
int keel_ports_find(struct keel_ports ports, unsigned int index, struct keel_error *e);

/* buffer.c: of a buffer that the calling job has claimed */
int keel_buffer_map_claimed(struct keel_buffer *b, unsigned int flags, void **data,
			    struct keel_error *e);

/* claim.c */
int keel_job_claim(struct keel_job *job, struct keel_error *e);
void keel_job_unclaim(struct keel_job *job);
/** keel_claim_find() - a claim on any byte of @b; only writing ones unless @any. device->lock */
const struct keel_claim *keel_claim_find(const struct keel_buffer *b, bool any);

/* job.c: without a reference to the network */
int keel_job_create(struct keel_network *n, uint32_t flags, struct keel_job **job,
		    struct keel_error *e);
void keel_job_destroy(struct keel_job *job);

/* bind.c */
/** keel_job_hold() - lock the job if it is idle; -EBUSY otherwise */
int keel_job_hold(struct keel_job *job, struct keel_error *e);
/** keel_job_place_buffer() - allocate what isn't bound; job->lock is held */
int keel_job_place_buffer(struct keel_job *job, uint32_t place, struct keel_error *e);
int keel_job_all_buffers(struct keel_job *job, struct keel_error *e);

/* steps.c */
/** keel_job_host_steps() - run those in front of @command; the job is claimed
 * @command: the number of commands: those behind all of them
 */
int keel_job_host_steps(struct keel_job *job, uint32_t command, struct keel_error *e);
/** keel_host_steps_next() - the first command behind @command that steps stand in front of, or
 * the number of commands
 */
uint32_t keel_host_steps_next(const struct keel_model *model, uint32_t command);

/* part.c: a submission goes through the backend in parts, from host steps to host steps */
/** keel_job_start_part() - run the host steps in front of @command, and start what follows */
int keel_job_start_part(struct keel_job *job, uint32_t command, struct keel_error *e);
/** keel_job_next_part() - a part is done: note what came of it, and start the next one
 * @measured: what the backend knows of it
 *
 * Return: false when there is none, or when the job has failed.
 */
bool keel_job_next_part(struct keel_job *job, const struct keel_job_result *measured);
/** keel_job_in_parts() - does, or did, the submission consist of several? */
bool keel_job_in_parts(const struct keel_job *job);

/* record.c */
/** keel_job_keep_trace() - note the profile of the part that is done, which began at @start_ns */
void keel_job_keep_trace(struct keel_job *job, uint64_t start_ns);

#endif
