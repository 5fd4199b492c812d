// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_model_format.h"

/** struct section - bytes to be written */
struct section {
	const void *data;
	uint64_t bytes;
};

static struct section array(const void *data, enum keel_model_section kind, uint64_t n)
{
	return (struct section){data, n * keel_model_sections[kind].element};
}

static struct section text(const char *s)
{
	s = s ? s : "";
	return (struct section){s, strlen(s) + 1};
}

static void list_sections(const struct keel_model *m, struct section *s)
{
	s[KEEL_SECTION_TARGET] = array(&m->target, KEEL_SECTION_TARGET, 1);
	s[KEEL_SECTION_TENSORS] = array(m->tensors, KEEL_SECTION_TENSORS, m->nr_tensors);
	s[KEEL_SECTION_INPUTS] = array(m->inputs, KEEL_SECTION_INPUTS, m->nr_inputs);
	s[KEEL_SECTION_OUTPUTS] = array(m->outputs, KEEL_SECTION_OUTPUTS, m->nr_outputs);
	s[KEEL_SECTION_COMMANDS] = array(m->commands, KEEL_SECTION_COMMANDS, m->nr_commands);
	s[KEEL_SECTION_CONSTANTS] = array(m->constants, KEEL_SECTION_CONSTANTS, m->constants_bytes);
	s[KEEL_SECTION_LAYERS] = array(m->layers, KEEL_SECTION_LAYERS, m->nr_layers);
	s[KEEL_SECTION_STEPS] = array(m->steps, KEEL_SECTION_STEPS, m->nr_steps);
	s[KEEL_SECTION_HOST_DATA] = array(m->host_data, KEEL_SECTION_HOST_DATA, m->host_data_bytes);
	s[KEEL_SECTION_GRAPH] = array(m->graph, KEEL_SECTION_GRAPH, m->graph_bytes);
	s[KEEL_SECTION_STRINGS] = array(m->strings, KEEL_SECTION_STRINGS, m->strings_bytes);
	s[KEEL_SECTION_OPTIONS] = text(m->options);
	s[KEEL_SECTION_PREPROCESS] = text(m->preprocess);
	s[KEEL_SECTION_LABELS] = text(m->labels);
	if (!m->strings_bytes)
		s[KEEL_SECTION_STRINGS] = text("");
}

/* Return: length of the file, 0 when it has more than 2^63 bytes. */
static uint64_t place_sections(const struct section *s, struct keel_model_entry *entry)
{
	uint64_t end = KEEL_MODEL_FIRST;
	unsigned int i;

	for (i = 0; i < KEEL_SECTION_COUNT; i++) {
		entry[i].offset = keel_model_align(end);
		entry[i].bytes = s[i].bytes;
		if (__builtin_add_overflow(entry[i].offset, s[i].bytes, &end) || end >> 62)
			return 0;
	}
	return end;
}

static void write_header(const struct keel_model *m, struct keel_model_header *h, uint64_t bytes)
{
	size_t skip = offsetof(struct keel_model_header, checksum) + sizeof(h->checksum);

	memcpy(h->magic, KEEL_MODEL_MAGIC, sizeof(h->magic));
	h->byte_order = KEEL_MODEL_BYTE_ORDER;
	h->version = KEEL_MODEL_VERSION;
	h->isa_version = KEEL_ISA_VERSION;
	h->bytes = bytes;
	h->nr_sections = KEEL_SECTION_COUNT;
	h->scratch_bytes = m->scratch_bytes;
	h->checksum = keel_crc32(0, (const char *)h + skip, bytes - skip);
}

/* In memory aligned as keel_model_view() wants it. */
static void *write_file(const struct keel_model *m, const struct section *s, size_t *bytes)
{
	struct keel_model_entry entry[KEEL_SECTION_COUNT];
	uint64_t n = place_sections(s, entry);
	unsigned int i;
	char *file;

	file = n ? aligned_alloc(KEEL_ALIGN, keel_model_align(n)) : NULL;
	if (!file)
		return NULL;
	memset(file, 0, KEEL_MODEL_FIRST);
	memcpy(file + sizeof(struct keel_model_header), entry, sizeof(entry));
	for (i = 0; i < KEEL_SECTION_COUNT; i++) {
		uint64_t end = entry[i].offset + entry[i].bytes;

		if (s[i].bytes)
			memcpy(file + entry[i].offset, s[i].data, s[i].bytes);
		memset(file + end, 0, keel_model_align(end) - end);
	}
	write_header(m, (struct keel_model_header *)file, n);
	*bytes = n;
	return file;
}

int keel_model_serialize(const struct keel_model *m, void **data, size_t *bytes,
			 struct keel_error *e)
{
	struct section s[KEEL_SECTION_COUNT];
	struct keel_model view;
	int err;

	list_sections(m, s);
	*data = write_file(m, s, bytes);
	if (!*data)
		return keel_error_set(e, -ENOMEM, "out of memory while writing the model");
	err = keel_model_view(*data, *bytes, &view, e);
	if (err) {
		free(*data);
		*data = NULL;
	}
	return err;
}
