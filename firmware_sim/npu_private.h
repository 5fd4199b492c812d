/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_NPU_PRIVATE_H
#define KEEL_SIM_NPU_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "log.h"
#include "mmu.h"
#include "npu.h"
#include "ring.h"
#include "view.h"

/*
 * Threads. Register accesses come from any thread of the bus and leave requests; one thread is boot
 * ROM, firmware and reset logic and carries them out, so that only one looks at jobs; a heart beats
 * beside it. sim_npu.lock is taken for a few instructions only, never while commands execute and
 * never while the bus is called.
 */

#define SIM_HW_VERSION	 0x00010000u
#define SIM_TIMESTAMP_HZ 1000000000u
#define SIM_ADDRESS_BITS 48u
#define SIM_CLOCK_STEPS	 8 /* lowest clock: the highest divided by this */
#define SIM_MAX_CONTEXTS 64
#define SIM_CANCELS	 256
#define SIM_NO_COMMAND	 0xffffffffu

enum sim_request {
	SIM_REQUEST_BOOT = 1,
	SIM_REQUEST_ENGINES = 2, /* reset of the engines */
	SIM_REQUEST_FULL = 4,	 /* full reset */
	SIM_REQUEST_POWER = 8,	 /* as after power-on; whoever asks waits */
	SIM_REQUEST_STOP = 16,	 /* the end of the thread */
};

/* These end a job at once, in the middle of a command. */
#define SIM_REQUEST_ABORT \
	(SIM_REQUEST_ENGINES | SIM_REQUEST_FULL | SIM_REQUEST_POWER | SIM_REQUEST_STOP)

/** struct sim_firmware - what a boot sets up, and what is gone with it
 * @shared: bus address of the shared block
 * @shared_bytes: its length
 * @submit: ring
 * @completion: ring
 * @log: ring
 * @heartbeat_ms: from the image
 * @heartbeat: beats so far
 * @progress: commands since boot
 * @counters: as in the shared block
 * @counter_seq: of the shared block
 * @dispatched: opcodes in the image's table
 * @issue_cycles: that the sequencer takes for each
 * @client: whose data are in SRAM
 * @has_client: @client is known
 * @stuck: takes no job any more
 */
struct sim_firmware {
	uint64_t shared;
	uint64_t shared_bytes;
	struct sim_ring submit, completion, log;
	uint32_t heartbeat_ms;
	uint64_t heartbeat;
	_Atomic uint64_t progress;
	uint64_t counters[KEEL_HW_COUNTER_ROOM];
	uint64_t counter_seq;
	bool dispatched[256];
	uint16_t issue_cycles[256];
	uint64_t client;
	bool has_client;
	bool stuck;
};

struct sim_engines;

/** struct sim_npu - the device
 * @options: how it was made
 * @memory: the guest's
 * @regs: register file, by offset / 4; what is computed when read is not in it
 * @began: CLOCK_MONOTONIC at which KEEL_REG_TIMESTAMP was 0
 * @abort: some request of SIM_REQUEST_ABORT is there; looked at by whoever executes
 * @gone: it left the bus: nothing is answered any more
 * @lock: protects what follows, up to @firmware
 * @wake: for the firmware's thread
 * @settled: for those who wait for it
 * @beat: for the heart
 * @requests: enum sim_request
 * @alive: the firmware runs; the heart beats
 * @cancels: sequence numbers written to KEEL_REG_CANCEL
 * @next_cancel: where the next one goes
 * @contexts: of the MMU
 * @bound_space: whose translations the running job keeps: a context plus one; 0: none
 * @flushes: counts on with each change of that context
 * @flushed: @flushes that the job knows of
 * @fault_address: behind KEEL_REG_FAULT_ADDRESS
 * @resets: ordinals for fault injection: engines and full
 * @firmware: written by its thread only, with the lock; so that thread may read without
 * @engines: of the firmware's thread
 * @copies: by slot: for views of scattered memory
 * @log_lines: of the firmware in the process's log
 * @jobs: ordinal of jobs since the process began
 * @boots: the same of boots
 */
struct sim_npu {
	struct sim_npu_options options;
	struct sim_memory *memory;
	_Atomic uint32_t regs[KEEL_REG_BYTES / 4];
	uint64_t began;
	atomic_bool abort;
	atomic_bool gone;

	pthread_mutex_t lock;
	pthread_cond_t wake, settled, beat;
	unsigned int requests;
	bool alive;
	uint32_t cancels[SIM_CANCELS];
	atomic_uint next_cancel;
	struct sim_context contexts[SIM_MAX_CONTEXTS];
	uint32_t bound_space;
	_Atomic uint64_t flushes;
	uint64_t flushed;
	uint64_t fault_address;
	uint64_t resets[2];

	struct sim_firmware firmware;
	struct sim_engines *engines;
	struct sim_copies copies[KEEL_SLOT_COUNT];
	uint32_t log_lines;
	uint64_t jobs, boots;
	pthread_t firmware_thread, heart_thread;
};

static inline uint32_t sim_reg_get(struct sim_npu *npu, uint32_t offset)
{
	return atomic_load(&npu->regs[offset / 4]);
}

static inline void sim_reg_set(struct sim_npu *npu, uint32_t offset, uint32_t value)
{
	atomic_store(&npu->regs[offset / 4], value);
}

/* registers.c */

/** sim_registers_reset() - values after power-on, but for KEEL_REG_RESET_STATUS */
void sim_registers_reset(struct sim_npu *npu);
/** sim_irq_raise() - set bits of KEEL_REG_IRQ_STATUS and send the interrupt; without the lock */
void sim_irq_raise(struct sim_npu *npu, uint32_t bits);
/** sim_irq_set() - set the bits, but send nothing */
void sim_irq_set(struct sim_npu *npu, uint32_t bits);
/** sim_timestamp() - value of KEEL_REG_TIMESTAMP */
uint64_t sim_timestamp(struct sim_npu *npu);
uint64_t sim_now_ns(void);

/* npu.c */

/** sim_request() - leave a request to the firmware's thread; with the lock held */
void sim_request(struct sim_npu *npu, unsigned int request);
/** sim_request_and_wait() - the same, until it has been carried out */
void sim_request_and_wait(struct sim_npu *npu, unsigned int request);

/* boot.c */

/** sim_boot() - boot ROM and start of the firmware; by its thread, without the lock
 *
 * Return: KEEL_BOOT_OK, then the firmware has been set up, or why not.
 */
enum keel_boot_error sim_boot(struct sim_npu *npu);

/* firmware.c */

/** sim_firmware_serve() - take one job from the ring and run it
 *
 * Return: 0 when there was none or it is over; a negative errno when the firmware must stop.
 */
int sim_firmware_serve(struct sim_npu *npu);
/** sim_firmware_crash() - the firmware stops by itself; @loud: and says so */
void sim_firmware_crash(struct sim_npu *npu, bool loud);
/** sim_firmware_forget_client() - nothing of its data stays anywhere */
void sim_firmware_forget_client(struct sim_npu *npu);
/** sim_heart_beat() - one heartbeat; with the lock held */
void sim_heart_beat(struct sim_npu *npu);

#endif
