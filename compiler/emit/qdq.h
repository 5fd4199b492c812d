/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_QDQ_H
#define KEEL_QDQ_H

#include <stddef.h>

#include "keel_error.h"

struct keel_emitted;
struct keel_model;

/*
 * The quantized network as an ONNX model in QDQ form: float operators between
 * QuantizeLinear and DequantizeLinear with the scales and zero points that Keel
 * chose, int8 weights, int32 biases. Other runtimes execute it in int8, and it
 * is what a viewer can show.
 *
 * The model file holds a skeleton of it in the section graph: an ONNX
 * ModelProto in which whatever the file has already is a reference. Such an
 * initializer has no data, but one entry of external_data with a key and a value:
 *
 *	weights	COMMAND		int8 weights of a MAC command, blocked in the constants, or coded
 *				there for the WEIGHTS command before it
 *	bias	COMMAND		int32 biases in its channel records
 *	steps	COMMAND FACTOR	float: multiplier * 2^-shift * FACTOR of its channel records,
 *				the factor as the 16 hexadecimal digits of a double
 *	zeros			nothing but zeros
 *	host	OFFSET		bytes of the host data
 *
 * Initializers of type int8 that have data are levels of activations: zero
 * points, clips, constant operands.
 */

/** enum keel_qdq_type - element type of activations in the exported model
 * @KEEL_QDQ_U8: Keel's levels + 128. The same quantization, and the form in which ONNX
 *	Runtime on x86 has every operator in integers: int8 activations with several
 *	readers keep it from fusing (1.32; MobileNetV2 takes 1.7 times as long)
 * @KEEL_QDQ_S8: Keel's levels
 */
enum keel_qdq_type { KEEL_QDQ_U8, KEEL_QDQ_S8 };

/**
 * keel_qdq_skeleton() - the section graph of a model that is being written
 * @x: lowered, with host tensors and steps emitted
 * @data: from malloc()
 *
 * Return: 0, or a negative errno with a sentence.
 */
int keel_qdq_skeleton(const struct keel_emitted *x, void **data, size_t *bytes,
		      struct keel_error *e);

/**
 * keel_qdq_export() - the complete ONNX model from a model file alone
 * @m: its section graph is not trusted
 * @data: from malloc()
 *
 * Return: 0; -ENODATA for a file without the section; -EINVAL for a damaged one;
 * -EFBIG for more than the 2 GiB that an ONNX file may have; -ENOMEM. All with a sentence.
 */
int keel_qdq_export(const struct keel_model *m, enum keel_qdq_type type, void **data, size_t *bytes,
		    struct keel_error *e);

#endif
