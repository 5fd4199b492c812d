/* SPDX-License-Identifier: MIT */
#ifndef KEEL_MODEL_FORMAT_H
#define KEEL_MODEL_FORMAT_H

#include "keel_model.h"

/*
 * The bytes of a .keel file: a header, a table of sections in the order of enum
 * keel_model_section, the sections. Everything starts at multiples of 64 bytes
 * without further gaps, so that a model has one encoding.
 */

#define KEEL_MODEL_BYTE_ORDER 0x01020304u

enum keel_model_section {
	KEEL_SECTION_TARGET,
	KEEL_SECTION_TENSORS,
	KEEL_SECTION_INPUTS,
	KEEL_SECTION_OUTPUTS,
	KEEL_SECTION_COMMANDS,
	KEEL_SECTION_CONSTANTS,
	KEEL_SECTION_LAYERS,
	KEEL_SECTION_STEPS,
	KEEL_SECTION_HOST_DATA,
	KEEL_SECTION_GRAPH,
	KEEL_SECTION_STRINGS,
	KEEL_SECTION_OPTIONS,
	KEEL_SECTION_PREPROCESS,
	KEEL_SECTION_LABELS,
	KEEL_SECTION_COUNT
};

/** struct keel_model_header - first 64 bytes
 * @magic: KEEL_MODEL_MAGIC
 * @byte_order: KEEL_MODEL_BYTE_ORDER as the writer stores it
 * @version: KEEL_MODEL_VERSION
 * @isa_version: KEEL_ISA_VERSION
 * @checksum: CRC-32 (IEEE) of all bytes behind this field
 * @bytes: length of the file
 * @nr_sections: KEEL_SECTION_COUNT
 * @rsv: zero
 * @scratch_bytes: size of KEEL_SLOT_SCRATCH
 * @rsv2: zero
 */
struct keel_model_header {
	char magic[8];
	uint32_t byte_order;
	uint32_t version;
	uint32_t isa_version;
	uint32_t checksum;
	uint64_t bytes;
	uint32_t nr_sections;
	uint32_t rsv;
	uint64_t scratch_bytes;
	uint64_t rsv2[2];
};

/** struct keel_model_entry - one section
 * @offset: first byte in the file
 * @bytes: length
 */
struct keel_model_entry {
	uint64_t offset;
	uint64_t bytes;
};

/** struct keel_model_section_desc - name, and size of the elements */
struct keel_model_section_desc {
	const char *name;
	uint32_t element;
};

extern const struct keel_model_section_desc keel_model_sections[KEEL_SECTION_COUNT];

/** keel_model_align() - the next multiple of 64 */
static inline uint64_t keel_model_align(uint64_t n)
{
	return (n + KEEL_ALIGN - 1) & ~(uint64_t)(KEEL_ALIGN - 1);
}

/* Where the first section starts. */
#define KEEL_MODEL_FIRST                                                           \
	((sizeof(struct keel_model_header) +                                       \
	  KEEL_SECTION_COUNT * sizeof(struct keel_model_entry) + KEEL_ALIGN - 1) / \
	 KEEL_ALIGN * KEEL_ALIGN)

/**
 * keel_model_check() - is what the sections say consistent?
 * @m: a view whose arrays lie where the file says; @info is filled
 *
 * Return: 0 or -EINVAL with a sentence.
 */
int keel_model_check(struct keel_model *m, struct keel_error *e);

/** keel_model_check_steps() - the part of it that looks at host steps */
int keel_model_check_steps(const struct keel_model *m, struct keel_error *e);

/**
 * keel_model_span() - elements from a tensor's first to its last, both included
 *
 * Elements that lie between in a slot are counted too. The tensor has been checked.
 */
uint64_t keel_model_span(const struct keel_model_tensor *t);

#endif
