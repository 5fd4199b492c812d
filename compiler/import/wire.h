/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_WIRE_H
#define KEEL_IMPORT_WIRE_H

#include <stddef.h>

#include "keel_error.h"

struct ProtobufCMessageDescriptor;

/*
 * A look at the bytes of a protocol buffer before protobuf-c unpacks them.
 * protobuf-c recurses once per nested message and allocates for whatever the
 * bytes announce, so a small hostile file could exhaust the stack or the
 * memory. The walk here needs neither.
 */

/** Messages inside messages. ONNX needs 6 for a network without subgraphs. */
#define KEEL_WIRE_MAX_DEPTH 32
/** Messages in a file; each costs protobuf-c some 200 bytes */
#define KEEL_WIRE_MAX_MESSAGES (2u << 20)
/** Fields in a file, repeated ones counted each time */
#define KEEL_WIRE_MAX_FIELDS (16u << 20)
/** Numbers stored as packed varints; one byte in the file becomes up to eight in memory */
#define KEEL_WIRE_MAX_NUMBERS (256u << 20)
/** Bytes of a file */
#define KEEL_WIRE_MAX_BYTES ((size_t)2 << 30)

/**
 * keel_wire_check() - is it safe to unpack these bytes?
 * @data: the serialized message
 * @size: its length in bytes
 * @type: what it claims to be; which fields are messages, strings or packed
 *	arrays is taken from this descriptor, so it can't drift from the schema
 * @e: receives a sentence with the byte offset of the defect
 *
 * Return: 0, or -EINVAL for a truncated, malformed or over-limit message.
 */
int keel_wire_check(const void *data, size_t size, const struct ProtobufCMessageDescriptor *type,
		    struct keel_error *e);

#endif
