// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Random faults: test_storm JOBS, together, of four processes with different priorities. Every job
 * ends, those that succeed have right bytes, and in the end the device works and has nothing left.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"
#include "refuse.h"

#define PROCESSES 4

static struct load_process processes[PROCESSES];

static void add_up(unsigned long jobs)
{
	unsigned long all = 0, good = 0, failed = 0, cancelled = 0, wrong = 0, lost = 0,
		      replays = 0;
	unsigned int i;

	for (i = 0; i < PROCESSES; i++) {
		const struct load_counts *n = processes[i].counts;

		all += n->jobs;
		good += n->good;
		failed += n->failed;
		cancelled += n->cancelled;
		wrong += n->wrong;
		lost += n->lost;
		replays += n->replays;
		if (n->lost)
			rig_note("process %u: last error %d", i, n->last_error);
	}
	RIG_EQUAL(all, jobs);
	RIG_EQUAL(lost, 0);
	RIG_EQUAL(wrong, 0);
	RIG_EQUAL(good + failed + cancelled, jobs);
	/* Else there were no faults, or nothing but. */
	RIG_CHECK(failed > 0 && good > jobs / 2);
	rig_note("storm: %lu jobs, %lu good, %lu failed, %lu cancelled, %lu replays", all, good,
		 failed, cancelled, replays);
}

static void works(void)
{
	struct drm_keel_result result;
	unsigned int tries;
	struct load_client c;
	int ret = -1;

	RIG_EQUAL(load_open(&c, DRM_KEEL_PRIORITY_LOW), 0);
	/* Faults go on, and may strike this one too. */
	for (tries = 0; ret && tries < 10; tries++) {
		load_submit(&c, c.queue, 0);
		ret = load_finish(&c, 0, &result);
		rig_queue_del(c.fd, c.queue);
		rig_queue_new(c.fd, DRM_KEEL_PRIORITY_LOW, &c.queue);
	}
	RIG_EQUAL(ret, 0);
	load_close(&c);
}

int main(int argc, char **argv)
{
	unsigned long jobs = (argc > 1 ? strtoul(argv[1], NULL, 0) : 2000) / PROCESSES;
	struct refuse_gauges before;
	uint64_t start = rig_now();
	unsigned int i;

	if (refuse_init())
		return rig_finish();
	refuse_look(&before);
	for (i = 0; i < PROCESSES; i++)
		RIG_EQUAL(load_start(&processes[i], i % 3, jobs), 0);
	for (i = 0; i < PROCESSES; i++)
		RIG_EQUAL(load_join(&processes[i]), 0);
	add_up(jobs * PROCESSES);
	rig_note("storm: %llu s", (unsigned long long)((rig_now() - start) / 1000000000));
	works();
	RIG_CHECK(refuse_unchanged(&before));
	return rig_finish();
}
