/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_COMPILE_PRIVATE_H
#define KEEL_COMPILE_PRIVATE_H

#include "compile.h"

struct keel_lowered;

/** struct keel_stage - adapts progress by sample to named stages */
struct keel_stage {
	const struct keel_compile_options *o;
	const char *name;
};

/** keel_stage_begin() - tell the caller what begins */
void keel_stage_begin(const struct keel_compile_options *o, const char *name);

/** keel_stage_options() - options of a walk over samples that tells its progress as @s */
struct keel_calibrate_options keel_stage_options(struct keel_stage *s);

/**
 * keel_compile_integer() - correct biases on the integer network, and measure it
 *
 * Measured are options->judge, or the samples themselves. Where host steps come
 * before the NPU nothing is done, and c->note says so.
 */
int keel_compile_integer(struct keel_compiled *c, struct keel_lowered *l,
			 const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_error *e);

#endif
