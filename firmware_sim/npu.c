// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engines.h"
#include "faults.h"
#include "npu_private.h"

void sim_request(struct sim_npu *npu, unsigned int request)
{
	npu->requests |= request;
	if (request & SIM_REQUEST_ABORT) {
		npu->abort = true;
		sim_engines_interrupt(npu->engines);
	}
	pthread_cond_broadcast(&npu->wake);
}

void sim_request_and_wait(struct sim_npu *npu, unsigned int request)
{
	pthread_mutex_lock(&npu->lock);
	sim_request(npu, request);
	while (npu->requests & request)
		pthread_cond_wait(&npu->settled, &npu->lock);
	pthread_mutex_unlock(&npu->lock);
}

/* With the lock held. */
static void request_done(struct sim_npu *npu, unsigned int requests)
{
	npu->requests &= ~requests;
	npu->abort = npu->requests & SIM_REQUEST_ABORT;
	pthread_cond_broadcast(&npu->settled);
}

/* Everything as after power-on. With the lock held. */
static void forget_everything(struct sim_npu *npu)
{
	npu->alive = false;
	memset(&npu->firmware, 0, sizeof(npu->firmware));
	memset(npu->cancels, 0, sizeof(npu->cancels));
	memset(npu->contexts, 0, sizeof(npu->contexts));
	npu->fault_address = 0;
	sim_registers_reset(npu);
	request_done(npu, SIM_REQUEST_BOOT | SIM_REQUEST_ENGINES);
}

/* Without the lock from here on. */
static void reset_is_over(struct sim_npu *npu, enum keel_reset_status status)
{
	sim_reg_set(npu, KEEL_REG_RESET_STATUS, status);
	sim_irq_raise(npu, KEEL_IRQ_RESET);
}

static void do_full_reset(struct sim_npu *npu)
{
	pthread_mutex_lock(&npu->lock);
	forget_everything(npu);
	request_done(npu, SIM_REQUEST_FULL);
	pthread_mutex_unlock(&npu->lock);
	sim_log(npu->options.log, "full reset");
	reset_is_over(npu, KEEL_RESET_DONE);
}

static void do_power_on(struct sim_npu *npu)
{
	pthread_mutex_lock(&npu->lock);
	forget_everything(npu);
	sim_reg_set(npu, KEEL_REG_RESET_STATUS, KEEL_RESET_DONE);
	request_done(npu, SIM_REQUEST_FULL | SIM_REQUEST_POWER);
	pthread_mutex_unlock(&npu->lock);
}

/* A dead firmware can't answer for its job. */
static void do_engine_reset(struct sim_npu *npu)
{
	bool dead;

	pthread_mutex_lock(&npu->lock);
	dead = !npu->alive && sim_reg_get(npu, KEEL_REG_BOOT_STATUS) != KEEL_BOOT_OFF;
	request_done(npu, SIM_REQUEST_ENGINES);
	pthread_mutex_unlock(&npu->lock);
	sim_log(npu->options.log, "engine reset%s", dead ? ": the firmware is dead" : "");
	reset_is_over(npu, dead ? KEEL_RESET_FAILED : KEEL_RESET_DONE);
}

static enum keel_boot_error boot(struct sim_npu *npu)
{
	struct sim_fault_site site = {.ordinal = ++npu->boots};
	struct sim_fault_effect effect;

	if (sim_fault_fires(npu->options.faults, SIM_FAULT_BAD_IMAGE, &site, &effect)) {
		sim_log(npu->options.log, "fault: boot %" PRIu64 " is refused", npu->boots);
		return effect.value ? effect.value : KEEL_BOOT_BAD_CHECKSUM;
	}
	return sim_boot(npu);
}

static void do_boot(struct sim_npu *npu)
{
	struct sim_fault_site site = {.ordinal = npu->boots + 1};
	enum keel_boot_error refused;
	struct sim_fault_effect effect;

	if (sim_fault_fires(npu->options.faults, SIM_FAULT_LOST_BOOT, &site, &effect)) {
		npu->boots++;
		pthread_mutex_lock(&npu->lock);
		request_done(npu, SIM_REQUEST_BOOT);
		pthread_mutex_unlock(&npu->lock);
		return;
	}
	refused = boot(npu);
	pthread_mutex_lock(&npu->lock);
	request_done(npu, SIM_REQUEST_BOOT);
	npu->alive = !refused;
	sim_reg_set(npu, KEEL_REG_BOOT_ERROR, refused);
	sim_reg_set(npu, KEEL_REG_BOOT_STATUS, refused ? KEEL_BOOT_REFUSED : KEEL_BOOT_READY);
	pthread_cond_signal(&npu->beat);
	pthread_mutex_unlock(&npu->lock);
	sim_irq_raise(npu, KEEL_IRQ_BOOT);
}

static bool has_work(const struct sim_npu *npu)
{
	const struct sim_firmware *f = &npu->firmware;

	return npu->alive && !f->stuck && !npu->gone &&
	       atomic_load(&npu->regs[KEEL_REG_DOORBELL / 4]) != f->submit.index;
}

/* What there is to do next; waits for it. */
static unsigned int next_request(struct sim_npu *npu, bool *work)
{
	unsigned int requests;

	pthread_mutex_lock(&npu->lock);
	while (!npu->requests && !has_work(npu))
		pthread_cond_wait(&npu->wake, &npu->lock);
	requests = npu->requests;
	*work = !requests;
	pthread_mutex_unlock(&npu->lock);
	return requests;
}

static void *firmware_main(void *arg)
{
	struct sim_npu *npu = arg;
	unsigned int requests;
	bool work;

	while (!((requests = next_request(npu, &work)) & SIM_REQUEST_STOP)) {
		if (requests & SIM_REQUEST_POWER)
			do_power_on(npu);
		else if (requests & SIM_REQUEST_FULL)
			do_full_reset(npu);
		else if (requests & SIM_REQUEST_ENGINES)
			do_engine_reset(npu);
		else if (requests & SIM_REQUEST_BOOT)
			do_boot(npu);
		else if (work && sim_firmware_serve(npu))
			sim_firmware_crash(npu, true);
	}
	return NULL;
}

static void *heart_main(void *arg)
{
	struct sim_npu *npu = arg;
	struct timespec until;
	uint64_t next = 0;

	pthread_mutex_lock(&npu->lock);
	while (!(npu->requests & SIM_REQUEST_STOP)) {
		if (!npu->alive) {
			next = 0;
			pthread_cond_wait(&npu->beat, &npu->lock);
			continue;
		}
		if (!next || sim_now_ns() >= next) {
			sim_heart_beat(npu);
			next = sim_now_ns() + npu->firmware.heartbeat_ms * 1000000ull;
		}
		until = (struct timespec){next / 1000000000u, next % 1000000000u};
		pthread_cond_timedwait(&npu->beat, &npu->lock, &until);
	}
	pthread_mutex_unlock(&npu->lock);
	return NULL;
}

static void init_locks(struct sim_npu *npu)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&npu->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&npu->wake, &monotonic);
	pthread_cond_init(&npu->settled, &monotonic);
	pthread_cond_init(&npu->beat, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void free_npu(struct sim_npu *npu)
{
	sim_engines_del(npu->engines);
	pthread_cond_destroy(&npu->wake);
	pthread_cond_destroy(&npu->settled);
	pthread_cond_destroy(&npu->beat);
	pthread_mutex_destroy(&npu->lock);
	free(npu);
}

/* Stops whatever threads there are. */
static void stop(struct sim_npu *npu, bool heart)
{
	pthread_mutex_lock(&npu->lock);
	sim_request(npu, SIM_REQUEST_STOP);
	pthread_cond_broadcast(&npu->beat);
	pthread_mutex_unlock(&npu->lock);
	pthread_join(npu->firmware_thread, NULL);
	if (heart)
		pthread_join(npu->heart_thread, NULL);
}

static int start(struct sim_npu *npu, struct keel_error *e)
{
	int r = pthread_create(&npu->firmware_thread, NULL, firmware_main, npu);

	if (r)
		return keel_error_set(e, -r, "no thread for the NPU: %s", strerror(r));
	r = pthread_create(&npu->heart_thread, NULL, heart_main, npu);
	if (!r)
		return 0;
	stop(npu, false);
	return keel_error_set(e, -r, "no thread for the NPU: %s", strerror(r));
}

int sim_npu_new(const struct sim_npu_options *options, struct sim_memory *memory,
		struct sim_npu **npu, struct keel_error *e)
{
	struct sim_npu *n;
	int r = keel_target_check(&options->target, e);

	if (r)
		return r;
	if (options->mmu_contexts > SIM_MAX_CONTEXTS)
		return keel_error_set(e, -EINVAL, "the NPU can have %u address spaces, not %u",
				      SIM_MAX_CONTEXTS, options->mmu_contexts);
	n = calloc(1, sizeof(*n));
	if (!n)
		return keel_error_set(e, -ENOMEM, "no memory for the NPU");
	n->options = *options;
	n->memory = memory;
	n->began = sim_now_ns();
	init_locks(n);
	sim_registers_reset(n);
	r = sim_engines_new(n, &n->engines, e);
	if (!r)
		r = start(n, e);
	if (r) {
		free_npu(n);
		return r;
	}
	*npu = n;
	return 0;
}

void sim_npu_del(struct sim_npu *npu)
{
	if (!npu)
		return;
	stop(npu, true);
	sim_firmware_forget_client(npu);
	free_npu(npu);
}

void sim_npu_power_on_reset(struct sim_npu *npu)
{
	sim_request_and_wait(npu, SIM_REQUEST_POWER);
	npu->gone = false;
}
