/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_CONFORMANCE_H
#define KEEL_CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph.h"

struct Onnx__GraphProto;
struct Onnx__ModelProto;

#define CONFORMANCE_DIRECTORY "/usr/share/libonnx-testdata/data"

/** conformance_exclusion() - why a case of supported operators fails; NULL if it must pass */
const char *conformance_exclusion(const char *name);

/** conformance_int() - element @i of a constant that is not float */
int64_t conformance_int(const struct keel_tensor *t, int64_t i);

/** conformance_read() - a whole file, from malloc(); NULL when it can't be read */
void *conformance_read(const char *path, size_t *size);

/** conformance_path() - @folder/@kind_@i.pb; returns @path */
char *conformance_path(const char *folder, const char *kind, size_t i, char path[4096]);

/** conformance_case() - the folder that a model lies in; returns @name */
const char *conformance_case(const char *model, char name[256]);

/** conformance_input() - which vector feeds the input @name; negative when none does */
ptrdiff_t conformance_input(const struct Onnx__GraphProto *g, const char *name);

/** conformance_with_constants() - the model with the values of a vector as initializers
 * @first: of the inputs that become constants
 */
void *conformance_with_constants(struct Onnx__ModelProto *m, const char *folder, size_t first,
				 size_t *size);

/** conformance_values() - a vector: float, or int64 for every other type; NULL on failure */
void *conformance_values(const char *path, struct keel_tensor *like, struct keel_error *e);

/** conformance_same_shape() - shapes, and both float or neither */
bool conformance_same_shape(const struct keel_tensor *a, const struct keel_tensor *b);

#endif
