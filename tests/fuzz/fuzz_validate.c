// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keel_execute.h"
#include "keel_random.h"
#include "keel_validate.h"

/*
 * What the validator accepts must be safe to execute: every accepted stream of
 * bearable size runs on slots of exactly the size that it needs, under ASan.
 */

#define MOST_COMMANDS 24
#define MOST_BYTES    (4u << 20)
#define MOST_WORK     300000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static void *exact_copy(const void *data, size_t bytes)
{
	void *p;

	if (posix_memalign(&p, KEEL_ALIGN, bytes ? bytes : 1))
		abort();
	memcpy(p, data, bytes);
	return p;
}

static void check_refusal(int err, const struct keel_refusal *r)
{
	if (err && (err != -22 || !r->field || !*r->field || !r->reason || !*r->reason))
		abort();
}

static int bearable(const struct keel_program_info *info)
{
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		if (info->need[i] > MOST_BYTES)
			return 0;
		bytes += info->need[i];
	}
	return bytes <= MOST_BYTES && info->macs <= MOST_WORK &&
	       info->vector_elements <= MOST_WORK && info->dma_bytes <= MOST_WORK;
}

/* Contents come from the program itself, so that they are as odd as it is. */
static void execute(const union keel_command *commands, uint32_t n,
		    const struct keel_program_info *info)
{
	struct keel_memory slots[KEEL_SLOT_COUNT] = {0};
	struct keel_random r;
	uint32_t i;

	keel_random_init(&r, keel_crc32(0, commands, n * sizeof(*commands)));
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		slots[i].bytes = info->need[i];
		if (posix_memalign((void **)&slots[i].base, KEEL_ALIGN,
				   info->need[i] + !info->need[i]))
			abort();
		keel_random_bytes(&r, slots[i].base, info->need[i]);
	}
	for (i = 0; i < n; i++)
		keel_execute(&commands[i], slots);
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		free(slots[i].base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t n = size / KEEL_COMMAND_SIZE;
	union keel_command *commands = exact_copy(data, size), sealed[MOST_COMMANDS + 1];
	struct keel_program_info info;
	struct keel_refusal refusal;

	check_refusal(keel_validate(commands, size, KEEL_RANDOM_SLOT_BYTES, &info, &refusal),
		      &refusal);
	if (n <= MOST_COMMANDS) {
		memcpy(sealed, commands, n * sizeof(*commands));
		keel_random_end(sealed, n);
		if (!keel_validate(sealed, (n + 1) * sizeof(*sealed), KEEL_RANDOM_SLOT_BYTES, &info,
				   &refusal) &&
		    bearable(&info))
			execute(sealed, n, &info);
	}
	free(commands);
	return 0;
}

/* Half of the time a command is replaced, or changed field by field. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static struct keel_random_memory memory;
	union keel_command c;
	struct keel_random r;
	size_t n, at, byte;

	keel_random_init(&r, seed);
	if (max_size < KEEL_COMMAND_SIZE || keel_random_below(&r, 2))
		return LLVMFuzzerMutate(data, size, max_size);
	if (!memory.arena && keel_random_memory_init(&memory))
		abort();

	n = size / KEEL_COMMAND_SIZE;
	at = keel_random_below(&r, n + 1);
	if ((at + 1) * KEEL_COMMAND_SIZE > max_size)
		at = 0;
	keel_random_command(&r,
			    keel_commands[1 + keel_random_below(&r, keel_nr_commands - 1)].opcode,
			    &c, &memory);
	if (keel_random_below(&r, 3) == 0) {
		byte = keel_random_below(&r, KEEL_COMMAND_SIZE);
		c.bytes[byte] += keel_random_below(&r, 5) - 2;
	}
	memcpy(data + at * KEEL_COMMAND_SIZE, &c, sizeof(c));
	return at < n ? n * KEEL_COMMAND_SIZE : (n + 1) * KEEL_COMMAND_SIZE;
}
