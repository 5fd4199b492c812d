/* SPDX-License-Identifier: MIT */
#ifndef KEEL_MODEL_H
#define KEEL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "keel_command.h"
#include "keel_error.h"
#include "keel_target.h"
#include "keel_validate.h"

/*
 * The model file (.keel): sections aligned to 64 bytes behind a header with
 * magic, version, length and checksum; little endian; mapped, never parsed into
 * copies. struct keel_model is the view of it, the same for writer and reader.
 * Names are offsets into the string section, where every string ends with NUL.
 */

#define KEEL_MODEL_MAGIC    "KEELNPU" /* eight bytes with the NUL */
#define KEEL_MODEL_VERSION  1
#define KEEL_MODEL_MAX_RANK 8

/** enum keel_value_type - element types of tensors in the model file */
enum keel_value_type {
	KEEL_VALUE_S8,
	KEEL_VALUE_S32,
	KEEL_VALUE_F32,
	KEEL_VALUE_S64,
	KEEL_VALUE_S16,
	KEEL_VALUE_COUNT
};

/** struct keel_model_tensor - a value that crosses a border
 * @name: offset in the strings
 * @type: enum keel_value_type
 * @rank: number of dimensions
 * @slot: slot it lies in; 0xff for a host tensor
 * @rsv: zero
 * @zero_point: level of 0.0; 0 unless S8
 * @data: host constants: offset of their bytes in the host data plus one; 0 otherwise
 * @scale: real step of one level; 1 unless S8
 * @offset: first element in the slot
 * @dims: extents, in the order the network states them
 * @strides: bytes between neighbours along each dimension in the slot
 *
 * NPU inputs and outputs are S8 (ARGMAX: S32) in a slot; host tensors are dense
 * F32 or S64. A network input or output may be either.
 */
struct keel_model_tensor {
	uint32_t name;
	uint8_t type;
	uint8_t rank;
	uint8_t slot;
	uint8_t rsv;
	int32_t zero_point;
	uint32_t data;
	double scale;
	uint64_t offset;
	uint32_t dims[KEEL_MODEL_MAX_RANK];
	uint32_t strides[KEEL_MODEL_MAX_RANK];
};

/** enum keel_host_op - float (and index) operations in front of, between and behind commands */
enum keel_host_op {
	KEEL_HOST_MOVE,	 /* out = a: slices, concats, transposes, casts, (de)quantization */
	KEEL_HOST_UNARY, /* out = fn(a): enum keel_unary in @fn */
	KEEL_HOST_ADD,
	KEEL_HOST_SUB,
	KEEL_HOST_MUL,
	KEEL_HOST_DIV,
	KEEL_HOST_MAX,
	KEEL_HOST_MIN,
	KEEL_HOST_POW,
	KEEL_HOST_REDUCE_SUM, /* out += a along dimensions where out's stride is 0; starts at 0 */
	KEEL_HOST_REDUCE_MAX,
	KEEL_HOST_REDUCE_MIN,
	KEEL_HOST_ARGMAX,      /* along the one dimension where out's stride is 0; first maximum */
	KEEL_HOST_ARGMAX_LAST, /* the same, last maximum */
	KEEL_HOST_DOT, /* out += a * b along dimensions where out's stride is 0; starts at 0 */
	KEEL_HOST_OP_COUNT
};

/** struct keel_host_view - an operand of a host step
 * @tensor: index in the tensor table, or ~0 when unused
 * @rsv: zero
 * @offset: first element
 * @strides: elements (not bytes) between neighbours along each dimension of the step;
 *	0 broadcasts; may be negative
 *
 * An S8 tensor in a slot is dequantized on reading and quantized (round half
 * even, clamped) on writing; its strides here count elements too.
 */
struct keel_host_view {
	uint32_t tensor;
	uint32_t rsv;
	int64_t offset;
	int64_t strides[KEEL_MODEL_MAX_RANK];
};

/** struct keel_host_step - one float operation over a box
 * @op: enum keel_host_op
 * @fn: UNARY: enum keel_unary
 * @layer: index in the debug table
 * @dims: the box; unused dimensions are 1
 * @alpha: parameters of @fn
 * @beta: parameter of @fn
 * @lo: parameter of @fn
 * @hi: parameter of @fn
 * @before: 1: runs before command @command, 0: after all commands
 * @command: 0 unless the step stands between commands
 */
struct keel_host_step {
	uint16_t op;
	uint16_t fn;
	uint32_t layer;
	uint32_t dims[KEEL_MODEL_MAX_RANK];
	double alpha, beta, lo, hi;
	uint32_t before;
	uint32_t command;
	struct keel_host_view out, a, b;
};

/** struct keel_model_layer - debug table: what a command came from
 * @name: node name
 * @op: operator as the network names it
 * @sources: ONNX nodes folded into it, joined by '+'
 * @rsv: zero
 * @macs: multiply-accumulates
 * @cycles: estimate for the target
 * @weight_bytes: blocked weights as stored
 * @encoded_bytes: entropy coded, 0 when stored raw
 * @scale: of the output
 * @zero_point: of the output
 * @rank: of the output
 * @dims: of the output, in the network's order
 * @strides: bytes in the slot, for each dimension of @dims
 */
struct keel_model_layer {
	uint32_t name, op, sources, rsv;
	uint64_t macs, cycles, weight_bytes, encoded_bytes;
	double scale;
	int32_t zero_point;
	uint32_t rank;
	uint32_t dims[KEEL_MODEL_MAX_RANK];
	uint32_t strides[KEEL_MODEL_MAX_RANK];
};

/** struct keel_model - view of a model file
 * @target: the NPU it was compiled for
 * @info: what the validator said of @commands (reader only)
 * @inputs: network inputs, indexes into @tensors
 * @outputs: network outputs, indexes into @tensors
 * @scratch_bytes: size of KEEL_SLOT_SCRATCH
 * @options: JSON text: compiler version and options
 * @preprocess: preprocess text, empty when none was given
 * @labels: one label a line, empty when none
 * @graph: the quantized network as an ONNX model whose weights refer to the constants; see
 *	compiler/emit/qdq.h. Opaque here: executors don't look at it, and it may be empty
 *
 * The rest are arrays with their counts.
 */
struct keel_model {
	struct keel_target target;
	struct keel_program_info info;
	const struct keel_model_tensor *tensors;
	const uint32_t *inputs, *outputs;
	const union keel_command *commands;
	const void *constants;
	const struct keel_model_layer *layers;
	const struct keel_host_step *steps;
	const void *host_data, *graph;
	const char *strings, *options, *preprocess, *labels;
	uint32_t nr_tensors, nr_inputs, nr_outputs, nr_commands, nr_layers, nr_steps;
	uint64_t constants_bytes, host_data_bytes, graph_bytes, strings_bytes, scratch_bytes;
	void *mapping; /* reader only */
	size_t mapping_bytes;
};

/** keel_model_read() - map and check a file; nothing in it is trusted
 *
 * Return: 0; -EINVAL with a sentence for a damaged or foreign file; -errno of open or mmap.
 */
int keel_model_read(const char *path, struct keel_model *m, struct keel_error *e);

/** keel_model_view() - the same on memory that stays mapped and unchanged; 64-byte aligned */
int keel_model_view(const void *data, size_t bytes, struct keel_model *m, struct keel_error *e);

/** keel_model_close() - unmap */
void keel_model_close(struct keel_model *m);

/** keel_model_serialize() - the file's bytes in memory obtained from malloc
 *
 * Deterministic. The result is checked with keel_model_view() before it is returned,
 * so the compiler can't write a file that the reader refuses.
 */
int keel_model_serialize(const struct keel_model *m, void **data, size_t *bytes,
			 struct keel_error *e);

/** keel_host_step_command() - how many commands have been executed when step @s runs
 *
 * Steps of a checked model are sorted by it; those of one place run in the order of the file.
 */
static inline uint32_t keel_host_step_command(const struct keel_model *m,
					      const struct keel_host_step *s)
{
	return s->before ? s->command : m->nr_commands;
}

/** keel_model_string() - the string at @offset; "" when out of range */
const char *keel_model_string(const struct keel_model *m, uint32_t offset);

#endif
