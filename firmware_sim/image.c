// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "keel_hw.h"
#include "keel_validate.h"

#define HEARTBEAT_MS 100

/* Cycles that the sequencer spends on a command: reading 128 bytes, and the sync of a FENCE. */
#define ISSUE_CYCLES	     8
#define ISSUE_CYCLES_CONTROL 4

#define NR_DISPATCHED (sizeof(dispatch) / sizeof(dispatch[0]))

#define ROW(NAME, opcode, LAYOUT, ENGINE, flags, modes, types, text) \
	{opcode, KEEL_ENGINE_##ENGINE,                               \
	 KEEL_ENGINE_##ENGINE == KEEL_ENGINE_CONTROL ? ISSUE_CYCLES_CONTROL : ISSUE_CYCLES},
static const struct keel_fw_command dispatch[] = {KEEL_COMMANDS(ROW)};
#undef ROW

/** struct image - as in the file */
struct image {
	struct keel_fw_header header;
	struct keel_fw_command table[NR_DISPATCHED];
};

const char *sim_image_defect_name(enum sim_image_defect defect)
{
	static const char *const names[] = {
#define NAME(NAME, name, text) name,
		SIM_IMAGE_DEFECTS(NAME)
#undef NAME
	};

	return names[defect];
}

static void fill(struct image *image)
{
	image->header = (struct keel_fw_header){
		.magic = KEEL_HW_MAGIC,
		.header_bytes = sizeof(image->header),
		.image_bytes = sizeof(*image),
		.hw_id = KEEL_HW_ID,
		.abi_version = KEEL_HW_ABI_VERSION,
		.isa_version = KEEL_ISA_VERSION,
		.fw_version = SIM_FW_VERSION,
		.commands_offset = offsetof(struct image, table),
		.nr_commands = NR_DISPATCHED,
		.heartbeat_ms = HEARTBEAT_MS,
	};
	memcpy(image->table, dispatch, sizeof(dispatch));
}

/* What a maker of images could get wrong, before the checksums. */
static void spoil_contents(struct image *image, enum sim_image_defect defect)
{
	struct keel_fw_header *h = &image->header;

	switch (defect) {
	case SIM_IMAGE_MAGIC:
		h->magic ^= 0x20;
		break;
	case SIM_IMAGE_LENGTH:
		h->image_bytes += 4;
		break;
	case SIM_IMAGE_TABLE:
		h->commands_offset += 4;
		break;
	case SIM_IMAGE_HARDWARE:
		h->hw_id++;
		break;
	case SIM_IMAGE_ABI:
		h->abi_version++;
		break;
	case SIM_IMAGE_ISA:
		h->isa_version++;
		break;
	case SIM_IMAGE_ENGINE:
		image->table[NR_DISPATCHED - 1].engine = KEEL_ENGINE_DMA;
		break;
	default:
		break;
	}
}

static void seal(struct image *image)
{
	struct keel_fw_header *h = &image->header;

	h->crc32 = keel_crc32(0, image->table, sizeof(image->table));
	h->header_crc32 = keel_crc32(0, h, offsetof(struct keel_fw_header, header_crc32));
}

uint8_t *sim_image_build(enum sim_image_defect defect, size_t *bytes)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	fill(image);
	spoil_contents(image, defect);
	seal(image);
	if (defect == SIM_IMAGE_CHECKSUM)
		image->table[0].issue_cycles ^= 1;
	if (defect == SIM_IMAGE_HEADER_CHECKSUM)
		image->header.heartbeat_ms ^= 1;
	*bytes = defect == SIM_IMAGE_TRUNCATED ? sizeof(*image) - sizeof(image->table[0])
					       : sizeof(*image);
	return (uint8_t *)image;
}
