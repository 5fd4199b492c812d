/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_FAULTS_H
#define KEEL_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "keel_error.h"

/*
 * Fault injection: the NPU asks at defined places whether a fault of a kind is due, a script
 * answers. An occasion is counted by its ordinal, from 1 since the process began: jobs by job,
 * boots by boot, and so on. A fault at a command is asked for once for each job, before it begins.
 */

/* Kinds: F(NAME, name, occasion, value, text). The value is what a rule may give, and its default.
 */
/* clang-format off */
#define SIM_FAULTS(F) \
	F(HANG, "hang", COMMAND, 0, "the engine stops at the command until it is reset") \
	F(ENDLESS, "endless", COMMAND, 0, "progress counts on for ever at the command; only a reset stops it") \
	F(WRONG_RESULT, "wrong-result", COMMAND, 1, "a byte of what the command wrote is xored with the value") \
	F(DMA_ERROR, "dma-error", COMMAND, 0, "memory doesn't answer; the command's job ends with BUS_ERROR") \
	F(CRASH, "crash", COMMAND, 1, "the firmware stops; 1: and says so, 0: silently") \
	F(DEVICE_GONE, "device-gone", COMMAND, 0, "the device leaves the bus") \
	F(SLOW_MEMORY, "slow-memory", JOB, 8, "memory takes the value times as long") \
	F(BAD_RECORD, "bad-record", JOB, 0, "the result record is damaged; 1: its checksum in the completion is; 2: the completion names no job") \
	F(STUCK_RING, "stuck-ring", JOB, 0, "the firmware lives, but takes neither this job nor any other until a full reset") \
	F(LOST_IRQ, "lost-irq", JOB, 0, "the job's completion raises no interrupt") \
	F(SPURIOUS_IRQ, "spurious-irq", JOB, 1, "so many interrupts without a reason come before the job's completion") \
	F(BAD_IMAGE, "bad-image", BOOT, 3, "the boot ROM refuses the image; the value is enum keel_boot_error") \
	F(LOST_BOOT, "lost-boot", BOOT, 0, "the boot never gets beyond LOADING") \
	F(ENGINE_RESET, "engine-reset", ENGINE_RESET, 0, "the engines' reset fails; 1: it never ends") \
	F(FULL_RESET, "full-reset", FULL_RESET, 0, "the full reset fails; 1: it never ends")
/* clang-format on */

enum sim_fault {
#define SIM_FAULT_ENUM(NAME, name, occasion, value, text) SIM_FAULT_##NAME,
	SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
		SIM_FAULT_COUNT
};

/* What a kind's occasions are, and what their ordinal counts. */
enum sim_fault_occasion {
	SIM_OCCASION_COMMAND, /* a command of a job; the ordinal counts jobs */
	SIM_OCCASION_JOB,
	SIM_OCCASION_BOOT,
	SIM_OCCASION_ENGINE_RESET,
	SIM_OCCASION_FULL_RESET,
};

/** struct sim_fault_site - where a fault may strike
 * @ordinal: number of the job, boot or reset
 * @client: whose job it is; 0 otherwise
 * @first: first command of the job; 0 otherwise
 * @count: commands of the job; 0 otherwise
 */
struct sim_fault_site {
	uint64_t ordinal;
	uint64_t client;
	uint32_t first;
	uint32_t count;
};

/** struct sim_fault_effect - what it does
 * @command: SIM_OCCASION_COMMAND: index of the command, in the job's range
 * @value: see SIM_FAULTS()
 */
struct sim_fault_effect {
	uint32_t command;
	uint32_t value;
};

struct sim_faults;

/** sim_fault_fires() - is a fault due?
 * @faults: the script; NULL: never
 * @effect: written when it is
 *
 * A rule for a command that isn't in the job's range doesn't fire; one that doesn't say which
 * takes the range's middle. Asking uses an occasion up: rules count and draw. Any thread.
 */
bool sim_fault_fires(struct sim_faults *faults, enum sim_fault kind,
		     const struct sim_fault_site *site, struct sim_fault_effect *effect);

/**
 * sim_faults_parse() - a script from text
 * @text: one rule a line: the name of a kind, then words ``key=value``; '#' starts a comment
 * @where: name of the text in errors
 *
 * A rule without words strikes at the first occasion. Conditions, all of which must hold:
 *
 *   job=N, boot=N, reset=N       the N-th, as the kind counts; counted from 1
 *   after-jobs=N (boots, resets) any behind the N-th
 *   every=N                      each N-th
 *   client=N                     jobs of one client only
 *   probability=P                by chance, the same for the same seed=N (0)
 *
 * times=N limits how often it strikes; once by default, without limit for every and probability.
 * command=N says at which command of the job, value=N how; see SIM_FAULTS().
 *
 * Return: 0 or negative errno with a sentence that names the line.
 */
int sim_faults_parse(const char *text, const char *where, struct sim_faults **faults,
		     struct keel_error *e);

/** sim_faults_load() - the same from a file */
int sim_faults_load(const char *path, struct sim_faults **faults, struct keel_error *e);
void sim_faults_del(struct sim_faults *faults);

/** sim_fault_name() - name of a kind, as in the script */
const char *sim_fault_name(enum sim_fault kind);

#endif
