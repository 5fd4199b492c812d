/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ISA_STORM_H
#define ISA_STORM_H

#include "keel_types.h"

/*
 * Very many damaged commands for the validator, as fast as it takes them. Streams lie between
 * pages that cannot be touched. Some verdicts are compared with the slow checker.
 */

/** struct isa_storm_count - what happened
 * @commands: damaged commands that the validator came to
 * @all: commands that it came to
 * @streams: calls
 * @accepted: streams that it accepted
 * @compared: verdicts that were compared
 * @reasons: different fields and reasons of refusals
 */
struct isa_storm_count {
	keel_u64 commands, all, streams, accepted, compared;
	unsigned int reasons;
};

/**
 * isa_storm() - damage and validate
 * @seed: the same seed gives the same streams
 * @commands: damaged commands at least
 * @compare_each: compare one verdict of so many
 * @count: filled
 *
 * Return: 0, or 1 after a wrong verdict, which stderr tells.
 */
int isa_storm(keel_u64 seed, keel_u64 commands, unsigned int compare_each,
	      struct isa_storm_count *count);

#endif
