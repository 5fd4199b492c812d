// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "amx.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define TILES	   8
#define TILE_ROWS  16
#define TILE_BYTES 64

/** struct config - what ldtilecfg reads */
struct config {
	uint8_t palette, start_row, rsv[14];
	uint16_t bytes[TILES], rsv_bytes[8];
	uint8_t rows[TILES], rsv_rows[8];
};

static __thread struct config config;
static __thread uint8_t tiles[TILES][TILE_ROWS][TILE_BYTES];

/** struct instruction - with a VEX prefix of three bytes
 * @prefix: 0 none, 1 0x66, 2 0xf3, 3 0xf2
 * @reg: and @other, @rm: tile registers, where it names them
 * @memory: it has an operand in memory: @base, whose rows are @stride bytes apart
 * @length: of all
 */
struct instruction {
	uint8_t opcode, prefix, reg, other, rm;
	int memory;
	uint8_t *base;
	int64_t stride;
	unsigned int length;
};

static void die(const char *why)
{
	if (write(STDERR_FILENO, why, strlen(why)) < 0)
		_exit(1);
	abort();
}

static int64_t value(const ucontext_t *c, unsigned int number)
{
	static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				      REG_RSI, REG_RDI, REG_R8,	 REG_R9,  REG_R10, REG_R11,
				      REG_R12, REG_R13, REG_R14, REG_R15};

	return c->uc_mcontext.gregs[order[number]];
}

/* The operand in memory whose ModRM byte is at @at of the code. */
static void decode_memory(const ucontext_t *c, const uint8_t *code, unsigned int at,
			  struct instruction *i)
{
	unsigned int mod = code[at] >> 6, base = code[at] & 7, x = ~code[1] >> 6 & 1,
		     b = ~code[1] >> 5 & 1;
	int64_t address = 0, after;
	int32_t displacement = 0;
	uint8_t sib;

	at++;
	i->stride = 0;
	if (base == 4) {
		sib = code[at++];
		base = sib & 7;
		if ((sib >> 3 & 7) != 4 || x)
			i->stride = value(c, (sib >> 3 & 7) + 8 * x) * (1 << (sib >> 6));
	} else if (base == 5 && !mod) {
		base = 16; /* behind the instruction, whose length is known then */
	}
	if (mod == 1) {
		displacement = (int8_t)code[at++];
	} else if (mod == 2 || base == 16 || (base == 5 && !mod)) {
		memcpy(&displacement, code + at, 4);
		at += 4;
	}
	after = (int64_t)(uintptr_t)(code + at);
	if (base == 16)
		address = after;
	else if (base != 5 || mod)
		address = value(c, base + 8 * b);
	i->base = (uint8_t *)(uintptr_t)(address + displacement);
	i->length = at;
}

/* C4, inverted R X B and the map, W and inverted vvvv and L and the prefix, opcode, ModRM. */
static struct instruction decode(const ucontext_t *c)
{
	const uint8_t *code = (const uint8_t *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP];
	struct instruction i = {0};

	if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || code[2] & 0x84)
		die("an instruction that isn't emulated\n");
	i.opcode = code[3];
	i.prefix = code[2] & 3;
	i.other = ~code[2] >> 3 & 15;
	i.reg = code[4] >> 3 & 7;
	i.rm = code[4] & 7;
	i.memory = code[4] >> 6 != 3;
	i.length = 5;
	if (i.memory)
		decode_memory(c, code, 4, &i);
	return i;
}

static void load_config(const struct instruction *i)
{
	unsigned int t;

	memcpy(&config, i->base, sizeof(config));
	memset(tiles, 0, sizeof(tiles));
	for (t = 0; t < TILES; t++)
		if (config.palette != 1 || config.rows[t] > TILE_ROWS ||
		    config.bytes[t] > TILE_BYTES || !config.rows[t] != !config.bytes[t])
			die("an invalid shape of tiles\n");
}

static void release(void)
{
	memset(&config, 0, sizeof(config));
}

static void load(const struct instruction *i)
{
	unsigned int row;

	memset(tiles[i->reg], 0, sizeof(tiles[i->reg]));
	for (row = 0; row < config.rows[i->reg]; row++)
		memcpy(tiles[i->reg][row], i->base + row * i->stride, config.bytes[i->reg]);
}

static void store(const struct instruction *i)
{
	unsigned int row;

	for (row = 0; row < config.rows[i->reg]; row++)
		memcpy(i->base + row * i->stride, tiles[i->reg][row], config.bytes[i->reg]);
}

/* reg[m][n] += sum over k, j of rm[m][4 k + j] other[k][4 n + j], bytes with a sign. */
static void dot(const struct instruction *i)
{
	unsigned int m, n, k, j;
	uint32_t sum;

	if (i->reg == i->rm || i->reg == i->other || i->rm == i->other ||
	    config.bytes[i->rm] != 4 * config.rows[i->other] ||
	    config.rows[i->rm] != config.rows[i->reg] ||
	    config.bytes[i->other] != config.bytes[i->reg])
		die("tiles that can't be multiplied\n");
	for (m = 0; m < config.rows[i->reg]; m++)
		for (n = 0; n < config.bytes[i->reg] / 4u; n++) {
			memcpy(&sum, tiles[i->reg][m] + 4 * n, 4);
			for (k = 0; k < config.rows[i->other]; k++)
				for (j = 0; j < 4; j++)
					sum += (uint32_t)((int8_t)tiles[i->rm][m][4 * k + j] *
							  (int8_t)tiles[i->other][k][4 * n + j]);
			memcpy(tiles[i->reg][m] + 4 * n, &sum, 4);
		}
}

static void execute(const struct instruction *i)
{
	if (i->opcode == 0x49 && !i->prefix && i->memory)
		load_config(i);
	else if (i->opcode == 0x49 && !i->prefix)
		release();
	else if (!config.palette)
		die("tiles without a shape\n");
	else if (i->opcode == 0x4b && i->prefix == 3 && i->memory)
		load(i);
	else if (i->opcode == 0x4b && i->prefix == 2 && i->memory)
		store(i);
	else if (i->opcode == 0x5e && i->prefix == 3 && !i->memory && i->other < TILES)
		dot(i);
	else
		die("an instruction of tiles that isn't emulated\n");
}

static void on_invalid_opcode(int signal, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	struct instruction i = decode(c);

	(void)signal;
	(void)info;
	execute(&i);
	c->uc_mcontext.gregs[REG_RIP] += i.length;
}

void amx_emulate(void)
{
	struct sigaction action = {.sa_sigaction = on_invalid_opcode,
				   .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (sigaction(SIGILL, &action, NULL))
		die("no handler of signals\n");
}
#else
void amx_emulate(void)
{
}
#endif
