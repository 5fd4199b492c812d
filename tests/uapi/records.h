/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef UAPI_RECORDS_H
#define UAPI_RECORDS_H

#include "keel_hw_counters.h"
#include "rig.h"

/*
 * What result records add up to, by the ids of the counters. A suite compares the lines that
 * records_print() prints with debugfs: records_agree in tests/vm/guest/common.sh.
 */

/** struct records - sums */
struct records {
	uint64_t sums[KEEL_HW_COUNTER_COUNT];
};

/** records_add() - a job that was queued and is over */
void records_add(struct records *all, const struct drm_keel_result *r);

/** records_compare() - one result for each counter that records speak of */
void records_compare(const struct records *all, const char *whose, const uint64_t *values);

/** records_print() - a line "# record NAME SUM" for each of them */
void records_print(const struct records *all);

#endif
