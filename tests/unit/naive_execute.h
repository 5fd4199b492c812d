/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef NAIVE_EXECUTE_H
#define NAIVE_EXECUTE_H

#include "keel_execute.h"

/**
 * naive_execute() - the second opinion: keel_execute.h turned into loops, one element at a time
 *
 * Nothing here is fast or shared with the executor but keel_numerics.h.
 */
void naive_execute(const union keel_command *c, const struct keel_memory *slots);

#endif
