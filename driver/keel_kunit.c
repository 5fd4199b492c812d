// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_file.h"
#include "keel_fw.h"
#include "keel_job.h"
#include "keel_kunit.h"
#include "keel_queue.h"
#include "keel_record.h"
#include "keel_reset.h"
#include "keel_ring.h"
#include "keel_sched.h"

/*
 * Unit tests that need no NPU: what the firmware says is made up here, in ordinary memory, on a
 * device without registers.
 */

#define COMMANDS 10

/**
 * struct unit - a device, a client and a job that the NPU has
 * @kdev: device
 * @kfile: client
 * @queue: of it
 * @cmd: COMMANDS commands
 * @job: job in flight, number 7
 * @fence: its hardware fence; our reference
 * @record: its record; our reference
 */
struct unit {
	struct keel_device *kdev;
	struct keel_file *kfile;
	struct keel_queue queue;
	struct keel_cmd cmd;
	struct keel_job job;
	struct dma_fence *fence;
	struct keel_record *record;
};

static const char *unit_name(struct dma_fence *fence)
{
	return "unit";
}

static const struct dma_fence_ops unit_fence_ops = {
	.get_driver_name = unit_name,
	.get_timeline_name = unit_name,
};

static void unit_recover(struct work_struct *work)
{
}

static struct keel_fence *unit_fence_new(struct kunit *test)
{
	struct keel_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &unit_fence_ops, &fence->lock, 1, 1);
	return fence;
}

static struct keel_device *unit_device(struct kunit *test)
{
	struct keel_device *kdev = kunit_kzalloc(test, sizeof(*kdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, kdev);
	kdev->dev = kunit_device_register(test, "keel-unit");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kdev->dev);
	kdev->wq = alloc_ordered_workqueue("keel-unit", 0);
	KUNIT_ASSERT_NOT_NULL(test, kdev->wq);
	mutex_init(&kdev->reset_lock);
	spin_lock_init(&kdev->hw_lock);
	INIT_LIST_HEAD(&kdev->in_flight);
	INIT_WORK(&kdev->recover, unit_recover);
	init_waitqueue_head(&kdev->idle);
	kdev->hang_ms = KEEL_HANG_MS;
	kdev->state = KEEL_STATE_READY;
	kdev->fw.timestamp_hz = NSEC_PER_SEC;
	return kdev;
}

static void *unit_zalloc(struct kunit *test, size_t bytes)
{
	void *memory = kunit_kzalloc(test, bytes, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, memory);
	return memory;
}

static void unit_share(struct kunit *test, struct keel_fw *fw)
{
	fw->block = unit_zalloc(test, sizeof(*fw->block));
	fw->submit = unit_zalloc(test, KEEL_SUBMIT_ENTRIES * sizeof(*fw->submit));
	fw->completion = unit_zalloc(test, KEEL_COMPLETION_ENTRIES * sizeof(*fw->completion));
	fw->log = unit_zalloc(test, KEEL_LOG_ENTRIES * sizeof(*fw->log));
}

/* Freed by the last reference, as a client of a program is. */
static struct keel_file *unit_client(struct kunit *test, struct keel_device *kdev)
{
	struct keel_file *kfile = kzalloc(sizeof(*kfile), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, kfile);
	kref_init(&kfile->ref);
	kfile->kdev = kdev;
	spin_lock_init(&kfile->lock);
	hash_init(kfile->records);
	INIT_LIST_HEAD(&kfile->over);
	init_waitqueue_head(&kfile->wait);
	return kfile;
}

static void unit_fly(struct kunit *test, struct unit *u)
{
	struct keel_job *job = &u->job;

	job->kdev = u->kdev;
	job->kfile = u->kfile;
	job->queue = &u->queue;
	job->cmd = &u->cmd;
	job->context = -1;
	job->seq = 7;
	job->count = COMMANDS;
	job->result = unit_zalloc(test, sizeof(*job->result));
	job->record = keel_record_new(u->kfile);
	KUNIT_ASSERT_NOT_NULL(test, job->record);
	job->fence = unit_fence_new(test);
	u->record = job->record;
	u->fence = dma_fence_get(&job->fence->base);
	list_add_tail(&job->node, &u->kdev->in_flight);
}

static int unit_init(struct kunit *test)
{
	struct unit *u = unit_zalloc(test, sizeof(*u));

	test->priv = u;
	u->kdev = unit_device(test);
	unit_share(test, &u->kdev->fw);
	u->kfile = unit_client(test, u->kdev);
	u->queue.kfile = u->kfile;
	u->cmd.nr_commands = COMMANDS;
	unit_fly(test, u);
	return 0;
}

static void unit_exit(struct kunit *test)
{
	struct unit *u = test->priv;

	if (!u || !u->kfile)
		return;
	/* A flight has a reference of its own. */
	if (!list_empty(&u->kdev->in_flight))
		dma_fence_put(u->fence);
	dma_fence_put(u->fence);
	keel_record_put(u->record);
	keel_file_put(u->kfile);
	destroy_workqueue(u->kdev->wq);
}

/* What the firmware writes for a job that went well. */
static struct keel_hw_completion *unit_complete(struct unit *u, u32 index)
{
	struct keel_fw *fw = &u->kdev->fw;
	struct keel_hw_completion *c = &fw->completion[index & (KEEL_COMPLETION_ENTRIES - 1)];

	*u->job.result = (struct keel_hw_result){
		.seq = cpu_to_le32(u->job.seq),
		.start = cpu_to_le64(1000),
		.end = cpu_to_le64(5000),
		.cycles = cpu_to_le64(400),
		.busy = { cpu_to_le64(100), cpu_to_le64(200), cpu_to_le64(50) },
	};
	*c = (struct keel_hw_completion){
		.seq = cpu_to_le32(u->job.seq),
		.status = cpu_to_le32(KEEL_HW_DONE),
		.fault_command = cpu_to_le32(DRM_KEEL_NO_COMMAND),
		.commands = cpu_to_le32(COMMANDS),
		.result_crc32 = cpu_to_le32(keel_crc32(0, u->job.result, sizeof(*u->job.result))),
	};
	fw->consumed = index;
	fw->block->completion.produced = cpu_to_le32(index + 1);
	return c;
}

/* What a full reset and the boot after it do to a job that isn't run again. */
static void unit_reset(struct unit *u)
{
	LIST_HEAD(done);

	mutex_lock(&u->kdev->reset_lock);
	keel_fw_stop(u->kdev, KEEL_STATE_RESET);
	spin_lock_irq(&u->kdev->hw_lock);
	keel_ring_refill(u->kdev, &done);
	spin_unlock_irq(&u->kdev->hw_lock);
	mutex_unlock(&u->kdev->reset_lock);
	keel_ring_signal(u->kdev, &done);
}

static s64 unit_counted(struct unit *u, enum keel_hw_counter counter)
{
	return atomic64_read(&u->kdev->counters[counter]);
}

static void completion_ends_the_job(struct kunit *test)
{
	struct unit *u = test->priv;
	const struct drm_keel_result *r = &u->record->result;

	unit_complete(u, 0);
	KUNIT_EXPECT_EQ(test, keel_ring_poll(u->kdev), 1);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(u->fence));
	KUNIT_EXPECT_EQ(test, u->fence->error, 0);
	KUNIT_EXPECT_EQ(test, r->status, 0);
	KUNIT_EXPECT_EQ(test, r->commands, COMMANDS);
	KUNIT_EXPECT_EQ(test, r->cycles, 400);
	KUNIT_EXPECT_EQ(test, r->busy_cycles[1], 200);
	KUNIT_EXPECT_TRUE(test, list_empty(&u->kdev->in_flight));
	KUNIT_EXPECT_FALSE(test, u->kdev->broken);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(u->kdev->fw.block->completion.consumed), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&u->kfile->counters[KEEL_HW_COUNTER_CYCLES]), 400);
	KUNIT_EXPECT_EQ(test, keel_ring_poll(u->kdev), 0);
}

static void ring_indexes_wrap(struct kunit *test)
{
	struct unit *u = test->priv;

	unit_complete(u, U32_MAX);
	KUNIT_EXPECT_EQ(test, keel_ring_poll(u->kdev), 1);
	KUNIT_EXPECT_EQ(test, u->record->result.status, 0);
	KUNIT_EXPECT_EQ(test, u->kdev->fw.consumed, 0);
}

static void cancelled_job_says_so(struct kunit *test)
{
	struct unit *u = test->priv;

	unit_complete(u, 3)->status = cpu_to_le32(KEEL_HW_CANCELLED);
	KUNIT_EXPECT_EQ(test, keel_ring_poll(u->kdev), 1);
	KUNIT_EXPECT_EQ(test, u->record->result.status, -ECANCELED);
	KUNIT_EXPECT_EQ(test, u->fence->error, -ECANCELED);
}

static void nothing_is_taken_of_a_device_that_is_not_ready(struct kunit *test)
{
	struct unit *u = test->priv;

	unit_complete(u, 0);
	u->kdev->state = KEEL_STATE_RESET;
	KUNIT_EXPECT_EQ(test, keel_ring_poll(u->kdev), 0);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(u->fence));
}

/* A completion with one defect; the job must not look as if it had worked. */
struct bad_completion {
	const char *name;
	void (*spoil)(struct unit *u, struct keel_hw_completion *c);
};

static void bad_seq(struct unit *u, struct keel_hw_completion *c)
{
	c->seq = cpu_to_le32(8);
}

static void bad_status(struct unit *u, struct keel_hw_completion *c)
{
	c->status = cpu_to_le32(KEEL_HW_STATUS_COUNT);
}

static void bad_command(struct unit *u, struct keel_hw_completion *c)
{
	c->fault_command = cpu_to_le32(COMMANDS);
}

static void bad_count(struct unit *u, struct keel_hw_completion *c)
{
	c->commands = cpu_to_le32(COMMANDS + 1);
}

static void bad_success(struct unit *u, struct keel_hw_completion *c)
{
	c->commands = cpu_to_le32(COMMANDS - 1);
}

static void bad_crc(struct unit *u, struct keel_hw_completion *c)
{
	c->result_crc32 = ~c->result_crc32;
}

static void bad_record(struct unit *u, struct keel_hw_completion *c)
{
	u->job.result->cycles = cpu_to_le64(1);
}

static void bad_record_seq(struct unit *u, struct keel_hw_completion *c)
{
	u->job.result->seq = cpu_to_le32(6);
	c->result_crc32 = cpu_to_le32(keel_crc32(0, u->job.result, sizeof(*u->job.result)));
}

static const struct bad_completion bad_completions[] = {
	{ "another job's number", bad_seq },
	{ "unknown status", bad_status },
	{ "fault behind the last command", bad_command },
	{ "more commands than there are", bad_count },
	{ "done before the last command", bad_success },
	{ "wrong checksum", bad_crc },
	{ "damaged record", bad_record },
	{ "another job's record", bad_record_seq },
};

static void describe_bad_completion(const struct bad_completion *bad, char *text)
{
	strscpy(text, bad->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_completion, bad_completions, describe_bad_completion);

static void nonsense_is_not_believed(struct kunit *test)
{
	const struct bad_completion *bad = test->param_value;
	struct unit *u = test->priv;

	bad->spoil(u, unit_complete(u, 0));
	keel_ring_poll(u->kdev);
	KUNIT_EXPECT_TRUE(test, u->kdev->broken);
	KUNIT_EXPECT_EQ(test, unit_counted(u, KEEL_HW_COUNTER_BAD_RECORDS), 1);
	/* It may still run, and write to its buffers, until the NPU is reset. */
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(u->fence));
	unit_reset(u);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(u->fence));
	KUNIT_EXPECT_EQ(test, u->record->result.status, -EIO);
	KUNIT_EXPECT_EQ(test, u->fence->error, -EIO);
	KUNIT_EXPECT_EQ(test, atomic64_read(&u->kfile->counters[KEEL_HW_COUNTER_CYCLES]), 0);
}

static void a_ring_that_jumps_is_not_believed(struct kunit *test)
{
	struct unit *u = test->priv;

	unit_complete(u, 0);
	u->kdev->fw.block->completion.produced = cpu_to_le32(KEEL_COMPLETION_ENTRIES + 1);
	KUNIT_EXPECT_EQ(test, keel_ring_poll(u->kdev), 0);
	KUNIT_EXPECT_TRUE(test, u->kdev->broken);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(u->fence));
	unit_reset(u);
	KUNIT_EXPECT_EQ(test, u->fence->error, -EIO);
}

static void an_ending_nobody_asked_for_is_not_believed(struct kunit *test)
{
	struct unit *u = test->priv;

	unit_complete(u, 0)->status = cpu_to_le32(KEEL_HW_ABORTED);
	KUNIT_EXPECT_EQ(test, keel_ring_poll(u->kdev), 0);
	KUNIT_EXPECT_TRUE(test, u->kdev->broken);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(u->fence));
}

static void dropped_jobs_fail(struct kunit *test)
{
	struct unit *u = test->priv;

	keel_ring_drop_all(u->kdev, -ENODEV);
	KUNIT_EXPECT_EQ(test, u->record->result.status, -ENODEV);
	KUNIT_EXPECT_EQ(test, u->fence->error, -ENODEV);
	KUNIT_EXPECT_TRUE(test, list_empty(&u->kdev->in_flight));
}

/* It was completed after the last look and before the reset. */
static void what_is_over_is_not_replayed(struct kunit *test)
{
	struct unit *u = test->priv;

	u->kdev->state = KEEL_STATE_RESET;
	unit_complete(u, 0);
	keel_ring_settle(u->kdev);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(u->fence));
	KUNIT_EXPECT_EQ(test, u->record->result.status, 0);
	KUNIT_EXPECT_EQ(test, u->record->result.replays, 0);
	KUNIT_EXPECT_EQ(test, u->kdev->state, KEEL_STATE_RESET);
}

static void replays_have_an_end(struct kunit *test)
{
	struct unit *u = test->priv;

	u->record->result.replays = DRM_KEEL_MAX_REPLAYS;
	unit_reset(u);
	KUNIT_EXPECT_EQ(test, u->record->result.status, -EIO);
	KUNIT_EXPECT_EQ(test, u->record->result.replays, DRM_KEEL_MAX_REPLAYS);
}

/* A reset takes contexts away from jobs, which have none to give back. */
static void a_reset_leaves_no_context_in_use(struct kunit *test)
{
	struct unit *u = test->priv;

	u->job.context = 1;
	u->kdev->contexts[1].users = 1;
	u->record->cancel = true;
	unit_reset(u);
	KUNIT_EXPECT_EQ(test, u->kdev->contexts[1].users, 0);
	KUNIT_EXPECT_EQ(test, u->record->result.status, -ECANCELED);
}

static void a_drop_leaves_no_context_in_use(struct kunit *test)
{
	struct unit *u = test->priv;

	u->job.context = 1;
	u->kdev->contexts[1].users = 1;
	mutex_lock(&u->kdev->reset_lock);
	keel_fw_stop(u->kdev, KEEL_STATE_WEDGED);
	mutex_unlock(&u->kdev->reset_lock);
	keel_ring_drop_all(u->kdev, -EIO);
	KUNIT_EXPECT_EQ(test, u->kdev->contexts[1].users, 0);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(completion_ends_the_job),
	KUNIT_CASE(ring_indexes_wrap),
	KUNIT_CASE(cancelled_job_says_so),
	KUNIT_CASE(nothing_is_taken_of_a_device_that_is_not_ready),
	KUNIT_CASE_PARAM(nonsense_is_not_believed, bad_completion_gen_params),
	KUNIT_CASE(a_ring_that_jumps_is_not_believed),
	KUNIT_CASE(an_ending_nobody_asked_for_is_not_believed),
	KUNIT_CASE(dropped_jobs_fail),
	KUNIT_CASE(what_is_over_is_not_replayed),
	KUNIT_CASE(replays_have_an_end),
	KUNIT_CASE(a_reset_leaves_no_context_in_use),
	KUNIT_CASE(a_drop_leaves_no_context_in_use),
	{}
};

/* An ending that the scheduler tells: what the NPU has said about it, and what it becomes. */
struct ending {
	const char *name;
	bool filled;
	int filled_status;
	int fence_error;
	int status;
	enum keel_hw_counter counter;
};

static const struct ending endings[] = {
	{ "done", true, 0, 0, 0, KEEL_HW_COUNTER_JOBS_DONE },
	{ "hung", true, -ETIME, -ETIME, -ETIME, KEEL_HW_COUNTER_JOBS_FAILED },
	{ "cancelled by the NPU", true, -ECANCELED, -ECANCELED, -ECANCELED,
	  KEEL_HW_COUNTER_JOBS_CANCELLED },
	{ "never began", false, 0, -ENODEV, -ENODEV, KEEL_HW_COUNTER_JOBS_FAILED },
	{ "queue destroyed", false, 0, -ESRCH, -ECANCELED, KEEL_HW_COUNTER_JOBS_CANCELLED },
	{ "nobody knows", false, 0, 0, -EIO, KEEL_HW_COUNTER_JOBS_FAILED },
};

static void describe_ending(const struct ending *ending, char *text)
{
	strscpy(text, ending->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(ending, endings, describe_ending);

static void unit_finish(struct kunit *test, struct unit *u, struct keel_record *record, int error)
{
	struct keel_fence *finished = unit_fence_new(test);

	atomic_inc(&u->kfile->in_flight);
	keel_record_publish(record, &finished->base);
	KUNIT_EXPECT_FALSE(test, record->over);
	if (error)
		dma_fence_set_error(&finished->base, error);
	dma_fence_signal(&finished->base);
	dma_fence_put(&finished->base);
}

static void records_end_as_they_should(struct kunit *test)
{
	const struct ending *ending = test->param_value;
	struct drm_keel_result result = { .status = ending->filled_status, .cycles = 9 };
	struct unit *u = test->priv;
	u64 id = u->record->result.id;

	if (ending->filled)
		keel_record_fill(u->record, &result);
	unit_finish(test, u, u->record, ending->fence_error);
	KUNIT_EXPECT_TRUE(test, u->record->over);
	KUNIT_EXPECT_EQ(test, u->record->result.status, ending->status);
	KUNIT_EXPECT_EQ(test, u->record->result.id, id);
	KUNIT_EXPECT_EQ(test, unit_counted(u, ending->counter), 1);
	KUNIT_EXPECT_EQ(test, unit_counted(u, KEEL_HW_COUNTER_JOBS_QUEUED), 1);
	KUNIT_EXPECT_EQ(test, unit_counted(u, KEEL_HW_COUNTER_JOBS_IN_FLIGHT), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->kfile->in_flight), 0);

	/* What is over doesn't change any more. */
	result.status = 1;
	keel_record_fill(u->record, &result);
	KUNIT_EXPECT_EQ(test, u->record->result.status, ending->status);
	keel_record_forget_all(u->kfile);
}

static void only_the_newest_results_are_kept(struct kunit *test)
{
	struct unit *u = test->priv;
	struct keel_record *record;
	unsigned int i;

	for (i = 0; i < DRM_KEEL_MAX_RESULTS + 3; i++) {
		record = keel_record_new(u->kfile);
		KUNIT_ASSERT_NOT_NULL(test, record);
		unit_finish(test, u, record, -EIO);
		keel_record_put(record);
	}
	KUNIT_EXPECT_EQ(test, u->kfile->nr_over, DRM_KEEL_MAX_RESULTS);
	record = list_first_entry(&u->kfile->over, struct keel_record, over_node);
	/* The rig's own is number 1. */
	KUNIT_EXPECT_EQ(test, record->result.id, 5);
	keel_record_forget_all(u->kfile);
	KUNIT_EXPECT_EQ(test, kref_read(&u->kfile->ref), 2);
}

static struct kunit_case record_cases[] = { KUNIT_CASE_PARAM(records_end_as_they_should,
							     ending_gen_params),
					    KUNIT_CASE(only_the_newest_results_are_kept),
					    {} };

static bool unit_hangs(struct unit *u, unsigned int ms_without_progress)
{
	u->kdev->progress_at = jiffies - msecs_to_jiffies(ms_without_progress);
	return keel_recover_front_hangs(u->kdev);
}

static void patience_has_an_end(struct kunit *test)
{
	struct unit *u = test->priv;

	KUNIT_EXPECT_FALSE(test, unit_hangs(u, 0));
	KUNIT_EXPECT_FALSE(test, unit_hangs(u, KEEL_HANG_MS / 2));
	KUNIT_EXPECT_TRUE(test, unit_hangs(u, KEEL_HANG_MS + 100));
}

static void long_jobs_get_more_patience(struct kunit *test)
{
	struct unit *u = test->priv;

	u->job.allowance = msecs_to_jiffies(5000);
	KUNIT_EXPECT_FALSE(test, unit_hangs(u, KEEL_HANG_MS + 100));
	KUNIT_EXPECT_TRUE(test, unit_hangs(u, KEEL_HANG_MS + 5100));
}

static void progress_starts_it_again(struct kunit *test)
{
	struct unit *u = test->priv;

	u->kdev->fw.block->progress = cpu_to_le64(1);
	KUNIT_EXPECT_FALSE(test, unit_hangs(u, KEEL_HANG_MS + 100));
	KUNIT_EXPECT_EQ(test, u->kdev->progress, 1);
	KUNIT_EXPECT_TRUE(test, unit_hangs(u, KEEL_HANG_MS + 100));
}

/* It stops at its next command, or it never will. */
static void it_excuses_nobody_who_was_told_to_stop(struct kunit *test)
{
	struct unit *u = test->priv;

	u->job.stopping = true;
	u->kdev->fw.block->progress = cpu_to_le64(1);
	KUNIT_EXPECT_FALSE(test, unit_hangs(u, KEEL_HANG_MS / 2));
	u->kdev->fw.block->progress = cpu_to_le64(2);
	KUNIT_EXPECT_TRUE(test, unit_hangs(u, KEEL_HANG_MS + 100));
	KUNIT_EXPECT_EQ(test, u->kdev->progress, 2);
}

static void nothing_hangs_without_jobs(struct kunit *test)
{
	struct unit *u = test->priv;

	keel_ring_drop_all(u->kdev, -EIO);
	KUNIT_EXPECT_FALSE(test, unit_hangs(u, 10 * KEEL_HANG_MS));
}

static struct kunit_case recovery_cases[] = {
	KUNIT_CASE(patience_has_an_end),	KUNIT_CASE(long_jobs_get_more_patience),
	KUNIT_CASE(progress_starts_it_again),	KUNIT_CASE(it_excuses_nobody_who_was_told_to_stop),
	KUNIT_CASE(nothing_hangs_without_jobs), {}
};

static struct kunit_suite unit_suites[] = {
	{ .name = "keel_ring", .init = unit_init, .exit = unit_exit, .test_cases = ring_cases },
	{ .name = "keel_record", .init = unit_init, .exit = unit_exit, .test_cases = record_cases },
	{ .name = "keel_recovery",
	  .init = unit_init,
	  .exit = unit_exit,
	  .test_cases = recovery_cases },
};

kunit_test_suites(&unit_suites[0], &unit_suites[1], &unit_suites[2]);
