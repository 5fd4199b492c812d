/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_IMAGE_H
#define KEEL_SIM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The firmware image that the boot ROM takes: header and dispatch table, from the command set.
 */

/* major << 16 | minor */
#define SIM_FW_VERSION 0x00000001u

/*
 * D(NAME, name, text): an image with exactly this one thing wrong. Checksums are those of the
 * damaged image, but for the one that is damaged itself.
 */
#define SIM_IMAGE_DEFECTS(D)                                                    \
	D(NONE, "none", "an image as it should be")                             \
	D(MAGIC, "magic", "it does not begin like a firmware image")            \
	D(LENGTH, "length", "it says that it is longer than the file")          \
	D(TRUNCATED, "truncated", "the file ends before the table does")        \
	D(TABLE, "table", "the dispatch table lies behind the end")             \
	D(CHECKSUM, "checksum", "a bit of the dispatch table is flipped")       \
	D(HEADER_CHECKSUM, "header-checksum", "a bit of the header is flipped") \
	D(HARDWARE, "hardware", "made for another design")                      \
	D(ABI, "abi", "speaks the next version of the firmware ABI")            \
	D(ISA, "isa", "made for the next version of the command set")           \
	D(ENGINE, "engine", "sends a command to the wrong engine")

enum sim_image_defect {
#define SIM_IMAGE_ENUM(NAME, name, text) SIM_IMAGE_##NAME,
	SIM_IMAGE_DEFECTS(SIM_IMAGE_ENUM)
#undef SIM_IMAGE_ENUM
		SIM_IMAGE_DEFECT_COUNT
};

/** sim_image_defect_name() - as on the command line */
const char *sim_image_defect_name(enum sim_image_defect defect);

/** sim_image_build() - the same bytes each time
 * @defect: what shall be wrong
 * @bytes: length of the image
 *
 * Return: memory for the caller to free, or NULL.
 */
uint8_t *sim_image_build(enum sim_image_defect defect, size_t *bytes);

#endif
