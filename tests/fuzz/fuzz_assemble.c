// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keel_assemble.h"
#include "keel_disassemble.h"

/* Any text is assembled or explained; what is assembled survives the way through text. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const union keel_command *commands, keel_u32 n)
{
	char *text = malloc((size_t)n * KEEL_LINE_BYTES);
	union keel_command *back;
	struct keel_error e;
	size_t len = 0;
	keel_u32 i, count;

	for (i = 0; i < n; i++) {
		len += keel_disassemble(&commands[i], text + len, KEEL_LINE_BYTES);
		text[len++] = '\n';
	}
	if (keel_assemble(text, len, &back, &count, &e) || count != n ||
	    memcmp(back, commands, n * sizeof(*commands)))
		abort();
	free(back);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union keel_command *commands;
	struct keel_error e = {""};
	char *text = malloc(size + !size);
	keel_u32 n;

	memcpy(text, data, size);
	if (keel_assemble(text, size, &commands, &n, &e)) {
		if (!e.text[0])
			abort();
	} else {
		round_trip(commands, n);
		free(commands);
	}
	free(text);
	return 0;
}
