// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>
#include <time.h>

#include "engines.h"
#include "faults.h"
#include "npu_private.h"

enum access { READABLE = 1, WRITABLE = 2 };

/* By offset / 4, from the ABI's own list. */
static uint8_t access_of[KEEL_REG_BYTES / 4];

static void learn(uint32_t offset, const char *access, uint32_t words)
{
	uint32_t i, a = 0;

	for (; *access; access++)
		a |= *access == 'r' ? READABLE : WRITABLE;
	for (i = 0; i < words; i++)
		access_of[offset / 4 + i] = (uint8_t)a;
}

static void learn_all(void)
{
#define LEARN(NAME, offset, access, words, text) learn(offset, access, words);
	KEEL_REGISTERS(LEARN)
#undef LEARN
}

uint64_t sim_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t sim_timestamp(struct sim_npu *npu)
{
	return sim_now_ns() - npu->began;
}

static void set_name(struct sim_npu *npu, const char *name)
{
	uint32_t words[sizeof(npu->options.target.name) / 4], i;

	memcpy(words, name, sizeof(words));
	for (i = 0; i < sizeof(words) / 4; i++)
		sim_reg_set(npu, KEEL_REG_TARGET_NAME + 4 * i, words[i]);
}

static void set_identification(struct sim_npu *npu)
{
	const struct keel_target *t = &npu->options.target;
	const uint32_t values[][2] = {
		{KEEL_REG_ID, KEEL_HW_MAGIC},
		{KEEL_REG_HW_ID, KEEL_HW_ID},
		{KEEL_REG_HW_VERSION, SIM_HW_VERSION},
		{KEEL_REG_ISA_VERSION, KEEL_ISA_VERSION},
		{KEEL_REG_ABI_VERSION, KEEL_HW_ABI_VERSION},
		{KEEL_REG_CAPS, KEEL_HW_CAP_TRACE | KEEL_HW_CAP_COHERENT |
					(npu->options.mmu_contexts ? KEEL_HW_CAP_MMU : 0) |
					(t->int16 ? KEEL_HW_CAP_INT16 : 0)},
		{KEEL_REG_ADDRESS_SPACES, npu->options.mmu_contexts},
		{KEEL_REG_ADDRESS_BITS, SIM_ADDRESS_BITS},
		{KEEL_REG_CLOCK_MIN, t->clock_mhz * 1000 / SIM_CLOCK_STEPS},
		{KEEL_REG_CLOCK_MAX, t->clock_mhz * 1000},
		{KEEL_REG_TIMESTAMP_HZ, SIM_TIMESTAMP_HZ},
		{KEEL_REG_MACS_PER_CYCLE, t->macs_per_cycle},
		{KEEL_REG_SRAM_BYTES, t->sram_bytes},
		{KEEL_REG_DRAM_BYTES_PER_CYCLE, t->dram_bytes_per_cycle},
		{KEEL_REG_DRAM_LATENCY, t->dram_latency_cycles},
		{KEEL_REG_VECTOR_LANES, t->vector_lanes},
		{KEEL_REG_DMA_BYTES_PER_CYCLE, t->dma_bytes_per_cycle},
		{KEEL_REG_DECODE_BYTES_PER_CYCLE, t->decode_bytes_per_cycle},
		{KEEL_REG_FIFO_DEPTH, t->fifo_depth},
	};
	uint32_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		sim_reg_set(npu, values[i][0], values[i][1]);
	set_name(npu, t->name);
}

void sim_registers_reset(struct sim_npu *npu)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint32_t i;

	pthread_once(&once, learn_all);
	/* Whether the reset is over, its end says. */
	for (i = 0; i < KEEL_REG_BYTES; i += 4)
		if (i != KEEL_REG_RESET_STATUS)
			sim_reg_set(npu, i, 0);
	set_identification(npu);
	for (i = 0; i < KEEL_ENGINE_COUNT; i++)
		sim_reg_set(npu, KEEL_REG_ENGINE_COMMAND + 4 * i, SIM_NO_COMMAND);
	sim_reg_set(npu, KEEL_REG_FAULT_COMMAND, SIM_NO_COMMAND);
	sim_reg_set(npu, KEEL_REG_CLOCK, sim_reg_get(npu, KEEL_REG_CLOCK_MAX));
	sim_reg_set(npu, KEEL_REG_POWER, 1);
}

void sim_irq_set(struct sim_npu *npu, uint32_t bits)
{
	atomic_fetch_or(&npu->regs[KEEL_REG_IRQ_STATUS / 4], bits);
}

/* A message for every bit that appears behind the enable mask. */
void sim_irq_raise(struct sim_npu *npu, uint32_t bits)
{
	uint32_t old = atomic_fetch_or(&npu->regs[KEEL_REG_IRQ_STATUS / 4], bits);

	if (bits & ~old & sim_reg_get(npu, KEEL_REG_IRQ_ENABLE))
		npu->options.irq(npu->options.bus);
}

static void write_irq_enable(struct sim_npu *npu, uint32_t value)
{
	uint32_t old;

	value &= KEEL_IRQ_ALL;
	old = atomic_exchange(&npu->regs[KEEL_REG_IRQ_ENABLE / 4], value);
	if (value & ~old & sim_reg_get(npu, KEEL_REG_IRQ_STATUS))
		npu->options.irq(npu->options.bus);
}

static void write_irq_clear(struct sim_npu *npu, uint32_t value)
{
	atomic_fetch_and(&npu->regs[KEEL_REG_IRQ_STATUS / 4], ~value);
}

static void write_boot_control(struct sim_npu *npu, uint32_t value)
{
	uint32_t status;

	if (value == KEEL_BOOT_INTERRUPT)
		sim_irq_raise(npu, KEEL_IRQ_TEST);
	if (value != KEEL_BOOT_START)
		return;
	pthread_mutex_lock(&npu->lock);
	status = sim_reg_get(npu, KEEL_REG_BOOT_STATUS);
	if (status == KEEL_BOOT_OFF || status == KEEL_BOOT_REFUSED) {
		sim_reg_set(npu, KEEL_REG_BOOT_STATUS, KEEL_BOOT_LOADING);
		sim_reg_set(npu, KEEL_REG_BOOT_ERROR, KEEL_BOOT_OK);
		sim_request(npu, SIM_REQUEST_BOOT);
	}
	pthread_mutex_unlock(&npu->lock);
}

static void write_doorbell(struct sim_npu *npu, uint32_t value)
{
	pthread_mutex_lock(&npu->lock);
	sim_reg_set(npu, KEEL_REG_DOORBELL, value);
	pthread_cond_signal(&npu->wake);
	pthread_mutex_unlock(&npu->lock);
}

static void write_cancel(struct sim_npu *npu, uint32_t value)
{
	pthread_mutex_lock(&npu->lock);
	npu->cancels[npu->next_cancel++ % SIM_CANCELS] = value;
	pthread_cond_signal(&npu->wake);
	pthread_mutex_unlock(&npu->lock);
}

/* Does a reset that was asked for fail? Then there is nothing to carry out. */
static bool reset_fails(struct sim_npu *npu, bool full, uint64_t ordinal)
{
	struct sim_fault_site site = {.ordinal = ordinal};
	struct sim_fault_effect effect;

	if (!sim_fault_fires(npu->options.faults,
			     full ? SIM_FAULT_FULL_RESET : SIM_FAULT_ENGINE_RESET, &site, &effect))
		return false;
	sim_log(npu->options.log, "fault: the %s reset %s", full ? "full" : "engines'",
		effect.value ? "never ends" : "fails");
	if (!effect.value) {
		sim_reg_set(npu, KEEL_REG_RESET_STATUS, KEEL_RESET_FAILED);
		sim_irq_raise(npu, KEEL_IRQ_RESET);
	}
	return true;
}

static void write_reset(struct sim_npu *npu, uint32_t value)
{
	bool full = value == KEEL_RESET_FULL;
	uint64_t ordinal;

	if (value != KEEL_RESET_ENGINES && !full)
		return;
	sim_reg_set(npu, KEEL_REG_RESET_STATUS, KEEL_RESET_BUSY);
	pthread_mutex_lock(&npu->lock);
	ordinal = ++npu->resets[full];
	pthread_mutex_unlock(&npu->lock);
	if (reset_fails(npu, full, ordinal))
		return;

	pthread_mutex_lock(&npu->lock);
	sim_request(npu, full ? SIM_REQUEST_FULL : SIM_REQUEST_ENGINES);
	pthread_mutex_unlock(&npu->lock);
}

static void write_clock(struct sim_npu *npu, uint32_t value)
{
	uint32_t min = sim_reg_get(npu, KEEL_REG_CLOCK_MIN);
	uint32_t max = sim_reg_get(npu, KEEL_REG_CLOCK_MAX);

	sim_reg_set(npu, KEEL_REG_CLOCK, value < min ? min : value > max ? max : value);
}

/* The clock's generator has a supply of its own: the clock outlives the power. */
static void write_power(struct sim_npu *npu, uint32_t value)
{
	uint32_t clock = sim_reg_get(npu, KEEL_REG_CLOCK);

	if ((value & 1) == sim_reg_get(npu, KEEL_REG_POWER))
		return;
	if (!(value & 1))
		sim_request_and_wait(npu, SIM_REQUEST_POWER);
	sim_reg_set(npu, KEEL_REG_CLOCK, clock);
	sim_reg_set(npu, KEEL_REG_POWER, value & 1);
}

/* A running job must forget what it knows before the write is over. */
static void write_as_command(struct sim_npu *npu, uint32_t value)
{
	uint32_t context = value >> 8, command = value & 0xff;
	uint64_t change;
	bool bound;

	if (context >= npu->options.mmu_contexts || command < KEEL_AS_ENABLE ||
	    command > KEEL_AS_FLUSH)
		return;
	pthread_mutex_lock(&npu->lock);
	if (command != KEEL_AS_FLUSH)
		npu->contexts[context] = (struct sim_context){
			.enabled = command == KEEL_AS_ENABLE,
			.table = sim_reg_get(npu, KEEL_REG_AS_TABLE) |
				 (uint64_t)sim_reg_get(npu, KEEL_REG_AS_TABLE + 4) << 32,
		};
	bound = npu->bound_space == context + 1;
	change = atomic_fetch_add(&npu->flushes, bound) + bound;
	while (npu->bound_space == context + 1 && npu->flushed < change)
		pthread_cond_wait(&npu->settled, &npu->lock);
	pthread_mutex_unlock(&npu->lock);
}

static void write_register(struct sim_npu *npu, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case KEEL_REG_BOOT_CONTROL:
		write_boot_control(npu, value);
		break;
	case KEEL_REG_DOORBELL:
		write_doorbell(npu, value);
		break;
	case KEEL_REG_CANCEL:
		write_cancel(npu, value);
		break;
	case KEEL_REG_RESET:
		write_reset(npu, value);
		break;
	case KEEL_REG_IRQ_CLEAR:
		write_irq_clear(npu, value);
		break;
	case KEEL_REG_IRQ_ENABLE:
		write_irq_enable(npu, value);
		break;
	case KEEL_REG_CLOCK:
		write_clock(npu, value);
		break;
	case KEEL_REG_POWER:
		write_power(npu, value);
		break;
	case KEEL_REG_AS_COMMAND:
		write_as_command(npu, value);
		break;
	default:
		sim_reg_set(npu, offset, value);
	}
}

void sim_npu_write(struct sim_npu *npu, uint64_t offset, uint32_t value)
{
	if (offset >= KEEL_REG_BYTES || offset % 4 || npu->gone ||
	    !(access_of[offset / 4] & WRITABLE))
		return;
	if (!sim_reg_get(npu, KEEL_REG_POWER) && offset != KEEL_REG_POWER &&
	    offset != KEEL_REG_CLOCK)
		return;
	write_register(npu, (uint32_t)offset, value);
}

/* Reading the low word latches the high one. */
static uint32_t read_pair(struct sim_npu *npu, uint32_t offset, uint64_t value)
{
	sim_reg_set(npu, offset + 4, (uint32_t)(value >> 32));
	return (uint32_t)value;
}

static uint32_t read_fault_address(struct sim_npu *npu)
{
	uint64_t address;

	pthread_mutex_lock(&npu->lock);
	address = npu->fault_address;
	pthread_mutex_unlock(&npu->lock);
	return read_pair(npu, KEEL_REG_FAULT_ADDRESS, address);
}

uint32_t sim_npu_read(struct sim_npu *npu, uint64_t offset)
{
	if (npu->gone)
		return 0xffffffff;
	if (offset >= KEEL_REG_BYTES || offset % 4 || !(access_of[offset / 4] & READABLE))
		return 0;
	if (offset == KEEL_REG_TIMESTAMP)
		return read_pair(npu, KEEL_REG_TIMESTAMP, sim_timestamp(npu));
	if (offset == KEEL_REG_FAULT_ADDRESS)
		return read_fault_address(npu);
	return sim_reg_get(npu, (uint32_t)offset);
}
