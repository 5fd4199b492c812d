// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keel_model.h"
#include "keel_model_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void touch(const void *data, uint64_t bytes)
{
	const uint8_t *p = data;

	if (bytes)
		sink = p[0] ^ p[bytes - 1];
}

/* Everything that the view promises must be there. */
static void touch_all(const struct keel_model *m)
{
	uint32_t i;

	touch(m->constants, m->info.need[KEEL_SLOT_CONSTANTS]);
	touch(m->host_data, m->host_data_bytes);
	for (i = 0; i < m->nr_tensors; i++)
		sink = *keel_model_string(m, m->tensors[i].name);
	for (i = 0; i < m->nr_outputs; i++)
		touch(&m->tensors[m->outputs[i]], sizeof(*m->tensors));
	for (i = 0; i < m->nr_layers; i++)
		sink = strlen(keel_model_string(m, m->layers[i].sources));
	sink = strlen(m->options) + strlen(m->preprocess) + strlen(m->labels);
}

/* No mutation makes a checksum right, so this does: first the commands', then the file's. */
static void seal_commands(char *file, size_t size)
{
	struct keel_model_entry c;
	struct keel_cmd_end *end;

	if (size < KEEL_MODEL_FIRST)
		return;
	memcpy(&c, file + sizeof(struct keel_model_header) + KEEL_SECTION_COMMANDS * sizeof(c),
	       sizeof(c));
	if (c.offset % KEEL_ALIGN || c.offset > size || c.bytes > size - c.offset ||
	    c.bytes < KEEL_COMMAND_SIZE || c.bytes % KEEL_COMMAND_SIZE)
		return;
	c.bytes -= KEEL_COMMAND_SIZE;
	end = (struct keel_cmd_end *)(file + c.offset + c.bytes);
	end->checksum = keel_crc32(0, file + c.offset, c.bytes);
}

static void seal_file(char *file, size_t size)
{
	const size_t skip = offsetof(struct keel_model_header, checksum) + 4;
	uint32_t sum;

	if (size <= skip)
		return;
	sum = keel_crc32(0, file + skip, size - skip);
	memcpy(file + skip - sizeof(sum), &sum, sizeof(sum));
}

/* A model that is accepted can be written again, to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *file = aligned_alloc(KEEL_ALIGN, keel_model_align(size + 1));
	struct keel_error e = {""};
	struct keel_model m;
	size_t bytes;
	void *again;

	memcpy(file, data, size);
	seal_commands(file, size);
	seal_file(file, size);
	if (keel_model_view(file, size, &m, &e)) {
		assert(e.text[0]);
	} else {
		touch_all(&m);
		if (keel_model_serialize(&m, &again, &bytes, &e))
			abort();
		assert(bytes == size && !memcmp(again, file, size));
		free(again);
	}
	free(file);
	return 0;
}
