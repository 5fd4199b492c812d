/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_ONNX_RIG_H
#define KEEL_ONNX_RIG_H

#include <stddef.h>
#include <stdint.h>

/*
 * Small ONNX models for tests of the importer, written byte by byte so that
 * they can also be wrong. Failures to allocate end the test.
 */

/** struct ox_bytes - a message in the making */
struct ox_bytes {
	unsigned char *p;
	size_t n, room;
};

void ox_varint(struct ox_bytes *m, uint64_t v);
void ox_raw(struct ox_bytes *m, const void *data, size_t n);
/* Fields: number first. */
void ox_int(struct ox_bytes *m, unsigned int field, int64_t v);
void ox_float(struct ox_bytes *m, unsigned int field, float v);
void ox_data(struct ox_bytes *m, unsigned int field, const void *data, size_t n);
void ox_text(struct ox_bytes *m, unsigned int field, const char *text);
/** ox_message() - add @part as a field and free it */
void ox_message(struct ox_bytes *m, unsigned int field, struct ox_bytes *part);
void ox_free(struct ox_bytes *m);

/** enum ox_type - TensorProto.DataType */
enum ox_type {
	OX_FLOAT = 1,
	OX_UINT8,
	OX_INT8,
	OX_UINT16,
	OX_INT16,
	OX_INT32,
	OX_INT64,
	OX_STRING,
	OX_BOOL,
	OX_HALF,
	OX_DOUBLE,
	OX_UINT32,
	OX_UINT64,
	OX_BFLOAT16 = 16,
};

/** ox_value() - a ValueInfoProto; an extent of -1 is symbolic */
void ox_value(struct ox_bytes *m, const char *name, enum ox_type type, unsigned int rank,
	      const int64_t *dims);
/** ox_tensor() - a TensorProto with raw data */
void ox_tensor(struct ox_bytes *m, const char *name, enum ox_type type, unsigned int rank,
	       const int64_t *dims, const void *data, size_t bytes);

/** ox_attributes() - attributes from text
 *
 * "axis=-1 alpha=0.5f mode=linear pads=[1,1] scales=[1f,2f]": integers, floats
 * with an f, words, lists.
 */
void ox_attributes(struct ox_bytes *node, const char *text);

/** ox_values() - inputs or initializers of a GraphProto from text, and the node's input names
 *
 * Words with a blank between them:
 *   x[1,3,8,8]  graph input, float      i[2]:n   graph input, int64; :q int8, :u uint8
 *   w(4,3,3,3)  float constant 1, 2, 3, ... times 1/8
 *   s<1,-1>     int64 vector            v{0.5,2} float vector
 *   k=0.5       float scalar            b=#7     int64 scalar
 *   q%2,2       int8 constant 1, 2, ... u%2,2:u  the same as uint8, 129, 130, ...
 *   z=%0        int8 scalar             z=%128:u uint8 scalar
 *   r%4:i       int32 constant 1, 2, ...
 *   -           an input left out       *x       a value named before
 */
void ox_values(struct ox_bytes *graph, struct ox_bytes *node, const char *text);

/** ox_node() - a node whose inputs are described as for ox_values() */
void ox_node(struct ox_bytes *graph, const char *op, const char *inputs, const char *outputs,
	     const char *attributes);
/** ox_nodes() - "Op inputs -> output attributes", a semicolon between nodes */
void ox_nodes(struct ox_bytes *graph, const char *text);
/** ox_outputs() - graph outputs, names with a comma between them; - for none */
void ox_outputs(struct ox_bytes *graph, const char *names);
/** ox_model() - the whole file; frees @graph */
struct ox_bytes ox_model(struct ox_bytes *graph, int64_t opset);

#endif
