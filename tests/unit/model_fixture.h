/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MODEL_FIXTURE_H
#define MODEL_FIXTURE_H

#include "keel_model.h"

/** struct model_fixture - a small sound model that a test may spoil before it is written
 *
 * x (slot 2) goes through a table on the NPU to y (slot 16); the host multiplies y by the
 * constant k, which gives z.
 */
struct model_fixture {
	struct keel_model model;
	struct keel_model_tensor tensors[4];
	uint32_t inputs[2], outputs[2];
	union keel_command commands[2];
	uint8_t constants[256];
	struct keel_model_layer layers[1];
	struct keel_host_step steps[1];
	float host_data[8];
	char strings[32];
};

enum { MODEL_X, MODEL_Y, MODEL_Z, MODEL_K };

/** model_fixture() - fill it in */
void model_fixture(struct model_fixture *f);

/** model_fixture_seal() - give the commands their checksum again */
void model_fixture_seal(struct model_fixture *f);

#endif
