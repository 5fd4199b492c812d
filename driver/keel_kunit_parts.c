// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "keel_bus.h"
#include "keel_device.h"
#include "keel_fw.h"
#include "keel_kunit.h"
#include "keel_log.h"
#include "keel_perf.h"
#include "keel_pm.h"
#include "keel_validate.h"

/* Unit tests of parts that need no device at all. */

static union keel_command *sealed(struct kunit *test)
{
	union keel_command *end = kunit_kzalloc(test, sizeof(*end), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, end);
	end->h.opcode = KEEL_CMD_END;
	end->end.count = 1;
	return end;
}

/* The validator as the kernel compiles it: the same answers as in user space. */
static void validator_accepts_and_refuses(struct kunit *test)
{
	union keel_command *end = sealed(test);
	struct keel_program_info *info = kunit_kzalloc(test, sizeof(*info), GFP_KERNEL);
	struct keel_refusal refusal;

	KUNIT_ASSERT_NOT_NULL(test, info);
	KUNIT_EXPECT_EQ(test, keel_validate(end, sizeof(*end), SZ_256K, info, &refusal), 0);
	KUNIT_EXPECT_EQ(test, info->written, 0);

	KUNIT_EXPECT_EQ(test, keel_validate(end, sizeof(*end) - 1, SZ_256K, info, &refusal),
			-EINVAL);
	end->end.checksum = 1;
	KUNIT_EXPECT_EQ(test, keel_validate(end, sizeof(*end), SZ_256K, info, &refusal), -EINVAL);
	KUNIT_EXPECT_STREQ(test, refusal.field, "checksum");
	end->end.checksum = 0;
	end->end.count = 2;
	KUNIT_EXPECT_EQ(test, keel_validate(end, sizeof(*end), SZ_256K, info, &refusal), -EINVAL);
	KUNIT_EXPECT_STREQ(test, refusal.field, "count");
}

static void checksum_is_that_of_zlib(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, keel_crc32(0, "123456789", 9), 0xcbf43926);
}

static void counters_only_grow(struct kunit *test)
{
	u64 last = 0;

	KUNIT_EXPECT_EQ(test, keel_perf_add(&last, 10), 10);
	KUNIT_EXPECT_EQ(test, keel_perf_add(&last, 10), 0);
	KUNIT_EXPECT_EQ(test, keel_perf_add(&last, 25), 15);
	/* One that went back counts nothing, and goes on from there. */
	KUNIT_EXPECT_EQ(test, keel_perf_add(&last, 5), 0);
	KUNIT_EXPECT_EQ(test, keel_perf_add(&last, 7), 2);
}

/* Commands of a buffer, the bad one, and which are saved. */
struct window {
	u32 commands, bad, first, count;
};

static const struct window windows[] = {
	{ 1, DRM_KEEL_NO_COMMAND, 0, 1 },
	{ 256, 255, 0, 256 },
	{ 257, DRM_KEEL_NO_COMMAND, 1, 256 },
	{ 1000, 0, 0, 256 },
	{ 1000, 10, 0, 256 },
	{ 1000, 500, 308, 256 },
	{ 1000, 999, 744, 256 },
	{ 1000, 1000, 744, 256 },
};

static void describe_window(const struct window *w, char *text)
{
	snprintf(text, KUNIT_PARAM_DESC_SIZE, "%u of %u", w->bad, w->commands);
}

KUNIT_ARRAY_PARAM(window, windows, describe_window);

static void dumps_show_the_bad_command(struct kunit *test)
{
	const struct window *w = test->param_value;
	u32 first = ~0u;

	KUNIT_EXPECT_EQ(test, keel_core_window(w->commands, w->bad, &first), w->count);
	KUNIT_EXPECT_EQ(test, first, w->first);
	if (w->bad < w->commands)
		KUNIT_EXPECT_TRUE(test, w->bad >= first && w->bad < first + w->count);
}

static struct keel_fw *log_of(struct kunit *test, u32 produced)
{
	struct keel_fw *fw = kunit_kzalloc(test, sizeof(*fw), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, fw);
	fw->block = kunit_kzalloc(test, sizeof(*fw->block), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fw->block);
	fw->log = kunit_kcalloc(test, KEEL_LOG_ENTRIES, sizeof(*fw->log), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fw->log);
	for (i = 0; i < produced; i++)
		fw->log[i % KEEL_LOG_ENTRIES].seq = cpu_to_le32(i);
	fw->block->log.produced = cpu_to_le32(produced);
	return fw;
}

static struct keel_hw_log *log_room(struct kunit *test)
{
	struct keel_hw_log *room = kunit_kcalloc(test, KEEL_LOG_ENTRIES, sizeof(*room), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, room);
	return room;
}

static void logs_begin_with_the_oldest(struct kunit *test)
{
	struct keel_hw_log *copy = log_room(test);

	KUNIT_EXPECT_EQ(test, keel_log_copy(log_of(test, 0), copy), 0);
	KUNIT_EXPECT_EQ(test, keel_log_copy(log_of(test, 3), copy), 3);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(copy[2].seq), 2);
	KUNIT_EXPECT_EQ(test, keel_log_copy(log_of(test, KEEL_LOG_ENTRIES + 5), copy),
			KEEL_LOG_ENTRIES);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(copy[0].seq), 5);
}

static void texts_of_the_firmware_are_made_harmless(struct kunit *test)
{
	struct keel_hw_log *copy = log_room(test);
	struct keel_fw *fw = log_of(test, 1);

	memset(fw->log[0].text, 'x', sizeof(fw->log[0].text));
	memcpy(fw->log[0].text, "a\033[2J\n\xff", 7);
	keel_log_copy(fw, copy);
	KUNIT_EXPECT_EQ(test, strlen(copy[0].text), sizeof(copy[0].text) - 1);
	KUNIT_EXPECT_EQ(test, memcmp(copy[0].text, "a?[2J??x", 8), 0);
}

/* Timestamps of the firmware, whose clock has this rate; none may break the arithmetic. */
static void wild_timestamps_do_no_harm(struct kunit *test)
{
	struct keel_device *kdev = kunit_kzalloc(test, sizeof(*kdev), GFP_KERNEL);
	const u64 began = 5 * NSEC_PER_SEC;

	KUNIT_ASSERT_NOT_NULL(test, kdev);
	kdev->fw.timestamp = 1000;
	kdev->fw.timestamp_ns = began;
	kdev->fw.timestamp_hz = 1000000;
	KUNIT_EXPECT_EQ(test, keel_fw_time_ns(kdev, 0), began);
	KUNIT_EXPECT_EQ(test, keel_fw_time_ns(kdev, 3500000), began + 3499 * NSEC_PER_MSEC);
	KUNIT_EXPECT_GT(test, keel_fw_time_ns(kdev, U64_MAX), began);
	kdev->fw.timestamp_hz = 1;
	KUNIT_EXPECT_GT(test, keel_fw_time_ns(kdev, U64_MAX), began);
	kdev->fw.timestamp_hz = U32_MAX;
	KUNIT_EXPECT_GT(test, keel_fw_time_ns(kdev, U64_MAX), began);
}

static void cycles_become_time(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, keel_scale(1000000, USEC_PER_SEC, 500000), 2000000);
	KUNIT_EXPECT_EQ(test, keel_scale(7, USEC_PER_SEC, 3), 2333333);
	KUNIT_EXPECT_EQ(test, keel_scale(U64_MAX, 1, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, keel_scale(U64_MAX, USEC_PER_SEC, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, keel_scale(U64_MAX, U32_MAX, U32_MAX), U64_MAX);
}

static unsigned int powered_off;

static bool gone(struct keel_device *kdev)
{
	return true;
}

static int power_on(struct keel_device *kdev)
{
	return -EIO;
}

static void power_off(struct keel_device *kdev)
{
	powered_off++;
}

/* What has no power is not asked to give it up: registers can't be reached, counts are wrong. */
static void power_is_taken_away_once(struct kunit *test)
{
	static const struct keel_bus_ops bus = {
		.power_on = power_on,
		.power_off = power_off,
		.is_gone = gone,
	};
	struct keel_device *kdev = kunit_kzalloc(test, sizeof(*kdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, kdev);
	kdev->bus = &bus;
	powered_off = 0;
	keel_pm_power_off(kdev);
	KUNIT_EXPECT_EQ(test, powered_off, 0);
	KUNIT_EXPECT_EQ(test, keel_pm_power_on(kdev), -EIO);
	keel_pm_power_off(kdev);
	KUNIT_EXPECT_EQ(test, powered_off, 0);
}

static struct kunit_case part_cases[] = { KUNIT_CASE(validator_accepts_and_refuses),
					  KUNIT_CASE(checksum_is_that_of_zlib),
					  KUNIT_CASE(counters_only_grow),
					  KUNIT_CASE_PARAM(dumps_show_the_bad_command,
							   window_gen_params),
					  KUNIT_CASE(logs_begin_with_the_oldest),
					  KUNIT_CASE(texts_of_the_firmware_are_made_harmless),
					  KUNIT_CASE(wild_timestamps_do_no_harm),
					  KUNIT_CASE(cycles_become_time),
					  KUNIT_CASE(power_is_taken_away_once),
					  {} };

static struct kunit_suite part_suite = {
	.name = "keel_parts",
	.test_cases = part_cases,
};

kunit_test_suite(part_suite);
