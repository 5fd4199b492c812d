// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "npu_private.h"

#define FULL_POLL_NS 1000000u

/* A guest can make the firmware talk as long as it likes; the process's own log has an end. */
#define MOST_LINES 100000u

static uint64_t produced_at(const struct sim_ring *r)
{
	return r->indices + offsetof(struct keel_hw_ring, produced);
}

static uint64_t consumed_at(const struct sim_ring *r)
{
	return r->indices + offsetof(struct keel_hw_ring, consumed);
}

int sim_shared_store32(struct sim_npu *npu, uint64_t address, uint32_t value)
{
	uint32_t *at;

	sim_memory_hold(npu->memory);
	at = sim_memory_at(npu->memory, address, sizeof(*at));
	if (at)
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	sim_memory_release(npu->memory);
	return at ? 0 : -EFAULT;
}

int sim_shared_store64(struct sim_npu *npu, uint64_t address, uint64_t value)
{
	uint64_t *at;

	sim_memory_hold(npu->memory);
	at = sim_memory_at(npu->memory, address, sizeof(*at));
	if (at)
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	sim_memory_release(npu->memory);
	return at ? 0 : -EFAULT;
}

/* What the guest says; looked at once. */
static int load_index(struct sim_npu *npu, uint64_t address, uint32_t *value)
{
	uint32_t *at;

	sim_memory_hold(npu->memory);
	at = sim_memory_at(npu->memory, address, sizeof(*at));
	if (at)
		*value = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	sim_memory_release(npu->memory);
	return at ? 0 : -EFAULT;
}

int sim_ring_take(struct sim_npu *npu, struct keel_hw_submit *entry)
{
	struct sim_ring *r = &npu->firmware.submit;
	uint32_t rung = sim_reg_get(npu, KEEL_REG_DOORBELL) - r->index, produced;

	if (load_index(npu, produced_at(r), &produced))
		return -EFAULT;
	produced -= r->index;
	if (rung > produced || produced > r->mask + 1) {
		sim_log_ring(npu, KEEL_LOG_ERROR, 0,
			     "submit ring: %u entries, %u of them announced, in a ring of %u",
			     produced, rung, r->mask + 1);
		return -EPROTO;
	}
	if (!rung)
		return 0;
	if (sim_memory_read(npu->memory, r->entries + (r->index & r->mask) * sizeof(*entry), entry,
			    sizeof(*entry)))
		return -EFAULT;
	if (!entry->seq) {
		sim_log_ring(npu, KEEL_LOG_ERROR, 0, "submit ring: entry %u is empty", r->index);
		return -EPROTO;
	}
	return 1;
}

int sim_ring_done(struct sim_npu *npu)
{
	struct sim_ring *r = &npu->firmware.submit;

	pthread_mutex_lock(&npu->lock);
	r->index++;
	pthread_mutex_unlock(&npu->lock);
	return sim_shared_store32(npu, consumed_at(r), r->index);
}

/* 1: yes, 0: no */
static int has_room(struct sim_npu *npu, const struct sim_ring *r)
{
	uint32_t consumed, used;

	if (load_index(npu, consumed_at(r), &consumed))
		return -EFAULT;
	used = r->index - consumed;
	if (used > r->mask + 1) {
		sim_log_ring(npu, KEEL_LOG_ERROR, 0,
			     "completion ring: %u of %u entries are said to be consumed", consumed,
			     r->index);
		return -EPROTO;
	}
	return used <= r->mask;
}

static int wait_for_room(struct sim_npu *npu, const struct sim_ring *r)
{
	struct timespec pause = {.tv_nsec = FULL_POLL_NS};
	int room;

	while (!(room = has_room(npu, r))) {
		if (npu->abort)
			return -EINTR;
		nanosleep(&pause, NULL);
	}
	return room < 0 ? room : 0;
}

int sim_ring_complete(struct sim_npu *npu, const struct keel_hw_completion *entry)
{
	struct sim_ring *r = &npu->firmware.completion;
	int err = wait_for_room(npu, r);

	if (err)
		return err;
	if (sim_memory_write(npu->memory, r->entries + (r->index & r->mask) * sizeof(*entry), entry,
			     sizeof(*entry)))
		return -EFAULT;
	r->index++;
	return sim_shared_store32(npu, produced_at(r), r->index);
}

/* The log never waits, and it can't fail: whoever can't be told isn't told. */
void sim_log_ring(struct sim_npu *npu, enum keel_log_level level, uint32_t seq, const char *fmt,
		  ...)
{
	struct sim_ring *r = &npu->firmware.log;
	struct keel_hw_log entry = {
		.timestamp = sim_timestamp(npu),
		.level = level,
		.seq = seq,
	};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(entry.text, sizeof(entry.text), fmt, ap);
	va_end(ap);
	if (npu->log_lines++ < MOST_LINES)
		sim_log(npu->options.log, "firmware: job %u: %s", seq, entry.text);
	if (!npu->firmware.shared)
		return;
	sim_memory_write(npu->memory, r->entries + (r->index & r->mask) * sizeof(entry), &entry,
			 sizeof(entry));
	r->index++;
	sim_shared_store32(npu, produced_at(r), r->index);
	if (level == KEEL_LOG_ERROR)
		sim_irq_raise(npu, KEEL_IRQ_LOG);
}

static void count(uint64_t *counters, const struct keel_hw_result *r, uint32_t commands)
{
	counters[KEEL_HW_COUNTER_CYCLES] += r->cycles;
	counters[KEEL_HW_COUNTER_BUSY_DMA] += r->busy[KEEL_ENGINE_DMA];
	counters[KEEL_HW_COUNTER_BUSY_MAC] += r->busy[KEEL_ENGINE_MAC];
	counters[KEEL_HW_COUNTER_BUSY_VEC] += r->busy[KEEL_ENGINE_VEC];
	counters[KEEL_HW_COUNTER_STALL_WEIGHT] += r->stall[KEEL_STALL_WEIGHT];
	counters[KEEL_HW_COUNTER_STALL_INPUT] += r->stall[KEEL_STALL_INPUT];
	counters[KEEL_HW_COUNTER_STALL_OUTPUT] += r->stall[KEEL_STALL_OUTPUT];
	counters[KEEL_HW_COUNTER_STALL_WAIT] += r->stall[KEEL_STALL_WAIT];
	counters[KEEL_HW_COUNTER_COMMANDS] += commands;
	counters[KEEL_HW_COUNTER_MACS] += r->macs;
	counters[KEEL_HW_COUNTER_BYTES_READ] += r->bytes_read;
	counters[KEEL_HW_COUNTER_BYTES_WRITTEN] += r->bytes_written;
	counters[KEEL_HW_COUNTER_SCRUBBED_BYTES] += r->scrubbed;
}

void sim_counters_add(struct sim_npu *npu, const struct keel_hw_result *r, uint32_t commands)
{
	struct sim_firmware *f = &npu->firmware;
	uint64_t seq_at = f->shared + offsetof(struct keel_hw_shared, counter_seq);

	count(f->counters, r, commands);
	sim_shared_store64(npu, seq_at, ++f->counter_seq);
	sim_memory_write(npu->memory, f->shared + offsetof(struct keel_hw_shared, counters),
			 f->counters, sizeof(f->counters));
	sim_shared_store64(npu, seq_at, ++f->counter_seq);
}

void sim_heart_beat(struct sim_npu *npu)
{
	struct sim_firmware *f = &npu->firmware;
	uint64_t at = f->shared;

	f->heartbeat++;
	sim_shared_store64(npu, at + offsetof(struct keel_hw_shared, uptime), sim_timestamp(npu));
	sim_shared_store64(npu, at + offsetof(struct keel_hw_shared, progress), f->progress);
	sim_shared_store64(npu, at + offsetof(struct keel_hw_shared, heartbeat), f->heartbeat);
}
