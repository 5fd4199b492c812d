// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Every fault of the simulator, under load from four processes with different priorities, which are
 * innocent: their jobs succeed with right bytes, whatever happens to others. The script
 * (tests/vm/suites/faults.faults) strikes a client each, and clients are numbered as files are
 * opened: one that looks at the gauges, the four, then one for each row of the table.
 */
#include <errno.h>
#include <unistd.h>

#include "load.h"
#include "refuse.h"

#define NONE	 DRM_KEEL_NO_COMMAND
#define INNOCENT 4

/** struct fault - what becomes of the job that a fault strikes
 * @name: for results
 * @status: of the job
 * @command: fault_command of its result
 * @ban: of its queue
 */
static const struct fault {
	const char *name;
	int status;
	uint32_t command;
	bool ban;
} faults[] = {
	/* The resets and boots that follow are what the script counts. */
	{"crash, and the full reset fails", -EIO, 1, true},
	{"crash, and the full reset never ends", -EIO, 1, true},
	{"crash, and the image is refused at the next boot", -EIO, 1, true},
	{"crash, and the next boot gets lost", -EIO, 1, true},
	{"crash that is announced", -EIO, 5, true},
	{"crash that is not announced", -EIO, 0, true},
	{"hang", -ETIME, 3, true},
	{"hang, and the reset of the engines fails", -ETIME, 3, true},
	{"hang, and the reset of the engines never ends", -ETIME, 3, true},
	{"hang at the first command", -ETIME, 0, true},
	{"memory that doesn't answer", -EFAULT, 6, true},
	{"damaged result record", -EIO, NONE, false},
	{"damaged checksum", -EIO, NONE, false},
	{"completion without a job", -EIO, NONE, false},
	{"stuck ring", 0, NONE, false},
	{"lost interrupt", 0, NONE, false},
	{"spurious interrupts", 0, NONE, false},
	{"slow memory", 0, NONE, false},
	/* Nobody can notice but who compares, so this proves that the comparisons below do. */
	{"wrong result", -EPROTO, NONE, false},
};

static struct load_process innocent[INNOCENT];

static void judge(struct load_client *guilty, const struct fault *f)
{
	struct drm_keel_result result;
	int behind = f->ban ? -ECANCELED : 0;

	rig_equal(f->name, "status of the job", load_finish(guilty, 0, &result), f->status);
	rig_equal(f->name, "faulting command", result.fault_command, f->command);
	if (guilty->ids[1])
		rig_equal(f->name, "status of the job behind it", load_finish(guilty, 1, &result),
			  behind);
	rig_equal(f->name, "status of a job in another queue", load_finish(guilty, 2, &result), 0);
	rig_equal(f->name, "SUBMIT to the queue", load_submit(guilty, guilty->queue, 1), behind);
	if (!behind)
		rig_equal(f->name, "its job", load_finish(guilty, 1, &result), 0);
}

/* All four get on. */
static bool go_on(void)
{
	unsigned long seen[INNOCENT];
	uint64_t end = rig_now() + LOAD_MS * 1000000ull;
	unsigned int i;

	for (i = 0; i < INNOCENT; i++)
		seen[i] = innocent[i].counts->good;
	for (i = 0; i < INNOCENT; i++)
		while (innocent[i].counts->good < seen[i] + LOAD_DEPTH) {
			if (rig_now() > end)
				return false;
			usleep(5000);
		}
	return true;
}

/* They count while they are looked at, so sums needn't agree. */
static bool all_innocent(void)
{
	unsigned int i, bad = 0;

	for (i = 0; i < INNOCENT; i++) {
		const struct load_counts *n = innocent[i].counts;

		bad += n->failed || n->cancelled || n->wrong || n->lost;
	}
	return !bad;
}

static void strike(const struct fault *f)
{
	struct refuse_gauges before;
	struct load_client guilty;
	uint64_t start = rig_now();
	uint32_t other_queue;
	int ret;

	refuse_look(&before);
	if (load_open(&guilty, DRM_KEEL_PRIORITY_NORMAL) ||
	    rig_queue_new(guilty.fd, DRM_KEEL_PRIORITY_NORMAL, &other_queue)) {
		rig_result(false, "%s: a client", f->name);
		return;
	}
	rig_equal(f->name, "SUBMIT", load_submit(&guilty, guilty.queue, 0), 0);
	/* The queue may be banned already. */
	ret = load_submit(&guilty, guilty.queue, 1);
	rig_result(!ret || (f->ban && ret == -ECANCELED), "%s: SUBMIT behind it", f->name);
	rig_equal(f->name, "SUBMIT to another queue", load_submit(&guilty, other_queue, 2), 0);
	judge(&guilty, f);
	load_close(&guilty);
	rig_result(go_on(), "%s: the others get on", f->name);
	rig_result(all_innocent(), "%s: the others' jobs are good", f->name);
	rig_result(refuse_unchanged(&before), "%s: nothing is left", f->name);
	rig_note("%s: %llu ms", f->name, (long long)((rig_now() - start) / 1000000));
}

static void stop_innocent(void)
{
	static const char *const names[INNOCENT] = {"low", "normal", "high", "another normal"};
	unsigned int i;

	for (i = 0; i < INNOCENT; i++) {
		const struct load_counts *n = innocent[i].counts;

		RIG_EQUAL(load_stop(&innocent[i]), 0);
		rig_result(n->jobs == n->good && !n->lost && !n->refused,
			   "%s priority: all jobs are good", names[i]);
		rig_note("%s priority: %lu jobs, %lu good, %lu wrong, %lu lost, %lu replays, last "
			 "error %d",
			 names[i], n->jobs, n->good, n->wrong, n->lost, n->replays, n->last_error);
	}
}

int main(void)
{
	static const uint32_t priorities[INNOCENT] = {
		DRM_KEEL_PRIORITY_LOW, DRM_KEEL_PRIORITY_NORMAL, DRM_KEEL_PRIORITY_HIGH,
		DRM_KEEL_PRIORITY_NORMAL};
	struct refuse_gauges before;
	unsigned int i;

	refuse_ignore_jobs();
	if (refuse_init())
		return rig_finish();
	refuse_look(&before);
	for (i = 0; i < INNOCENT; i++)
		RIG_EQUAL(load_start(&innocent[i], priorities[i], 0), 0);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		strike(&faults[i]);
	stop_innocent();
	RIG_CHECK(refuse_unchanged(&before));
	return rig_finish();
}
