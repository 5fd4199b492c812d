/* SPDX-License-Identifier: MIT */
#ifndef KEEL_ROOF_H
#define KEEL_ROOF_H

#include <stdint.h>

#include "keel_error.h"

struct keel_device;

/**
 * struct keel_roof - what a device does at best, as measured
 * @dot: what MACs are made of, for people: instructions of the tier
 * @worker_macs: multiply-accumulates a second of one worker alone
 * @macs: of all workers of the device at the same time
 * @bandwidth: bytes a second that all of them read from as much memory as asked for
 * @workers: 0 where they aren't told apart
 *
 * No network gets above the lesser of @macs and @bandwidth times its MACs for each byte (S.
 * Williams et al., "Roofline", Communications of the ACM, 2009), but for bytes that a cache nearer
 * than that for the whole network still holds.
 */
struct keel_roof {
	const char *dot;
	double worker_macs, macs, bandwidth;
	uint32_t workers;
};

/**
 * keel_device_roof() - measure it, some tens of milliseconds long, by what the kernels use
 * @bytes: memory to stream through, as a network would: constants and scratch
 *
 * Not exported: the figures are for tools, and take the device for themselves.
 *
 * Return: 0; -EOPNOTSUPP where the backend can't tell.
 */
int keel_device_roof(struct keel_device *device, uint64_t bytes, struct keel_roof *roof,
		     struct keel_error *error);

#endif
