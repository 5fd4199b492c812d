// SPDX-License-Identifier: GPL-2.0-only
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string_choices.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>

#include "keel_debugfs.h"
#include "keel_devfreq.h"
#include "keel_device.h"
#include "keel_fw.h"
#include "keel_log.h"
#include "keel_regs.h"

/* debugfs: fw_log, fw_info, regs, clock. Nothing here wakes an NPU that sleeps. */

static const struct {
	const char *name;
	u32 offset;
	u32 words;
	bool readable;
} registers[] = {
#define KEEL_ROW(NAME, offset, access, words, text) { #NAME, offset, words, access[0] == 'r' },
	KEEL_REGISTERS(KEEL_ROW)
#undef KEEL_ROW
};

static const char *const states[] = {
	[KEEL_STATE_OFF] = "off",	[KEEL_STATE_READY] = "ready", [KEEL_STATE_RESET] = "reset",
	[KEEL_STATE_WEDGED] = "wedged", [KEEL_STATE_GONE] = "gone",
};

static struct keel_device *shown_device(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return to_keel_device(entry->dev);
}

static void show_log(struct seq_file *m, const struct keel_hw_log *entry)
{
	static const char *const levels[] = {
		[KEEL_LOG_ERROR] = "error",
		[KEEL_LOG_WARNING] = "warning",
		[KEEL_LOG_INFO] = "info",
		[KEEL_LOG_DEBUG] = "debug",
	};
	u32 level = le32_to_cpu(entry->level);

	seq_printf(m, "%llu %s seq=%u %s\n", le64_to_cpu(entry->timestamp),
		   level < ARRAY_SIZE(levels) ? levels[level] : "?", le32_to_cpu(entry->seq),
		   entry->text);
}

/**
 * keel_debugfs_fw_log() - the firmware's last messages: timestamp, level, job, text
 * @m: where to
 * @data: unused
 *
 * Return: 0 or -ENOMEM
 */
int keel_debugfs_fw_log(struct seq_file *m, void *data)
{
	struct keel_device *kdev = shown_device(m);
	struct keel_hw_log *copy;
	unsigned int i, n = 0;
	int idx;

	copy = kvmalloc_array(KEEL_LOG_ENTRIES, sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	if (drm_dev_enter(&kdev->drm, &idx)) {
		mutex_lock(&kdev->reset_lock);
		if (kdev->fw.shared.cpu)
			n = keel_log_copy(&kdev->fw, copy);
		mutex_unlock(&kdev->reset_lock);
		drm_dev_exit(idx);
	}
	for (i = 0; i < n; i++)
		show_log(m, &copy[i]);
	kvfree(copy);
	return 0;
}

static void show_ring(struct seq_file *m, const char *name, const struct keel_hw_ring *ring)
{
	seq_printf(m, "%s ring: entries %u produced %u consumed %u\n", name,
		   le32_to_cpu(ring->entries), le32_to_cpu(READ_ONCE(ring->produced)),
		   le32_to_cpu(READ_ONCE(ring->consumed)));
}

static void show_block(struct seq_file *m, const struct keel_hw_shared *block)
{
	seq_printf(m, "heartbeat: %llu\n", le64_to_cpu(READ_ONCE(block->heartbeat)));
	seq_printf(m, "progress: %llu\n", le64_to_cpu(READ_ONCE(block->progress)));
	seq_printf(m, "uptime: %llu\n", le64_to_cpu(READ_ONCE(block->uptime)));
	show_ring(m, "submit", &block->submit);
	show_ring(m, "completion", &block->completion);
	show_ring(m, "log", &block->log);
}

/**
 * keel_debugfs_fw_info() - what runs, and whether it is alive
 * @m: where to
 * @data: unused
 *
 * Return: 0
 */
int keel_debugfs_fw_info(struct seq_file *m, void *data)
{
	struct keel_device *kdev = shown_device(m);
	const struct keel_fw *fw = &kdev->fw;
	bool present;
	int idx;

	present = drm_dev_enter(&kdev->drm, &idx);
	mutex_lock(&kdev->reset_lock);
	seq_printf(m, "state: %s\n", states[kdev->state]);
	seq_printf(m, "firmware: %s\n", KEEL_FIRMWARE);
	seq_printf(m, "version: %u.%u\n", fw->version >> 16, fw->version & 0xffff);
	seq_printf(m, "build: %08x\n", fw->build);
	seq_printf(m, "abi: %u\n", KEEL_HW_ABI_VERSION);
	seq_printf(m, "boots: %llu\n", (u64)atomic64_read(&kdev->counters[KEEL_HW_COUNTER_BOOTS]));
	seq_printf(m, "heartbeat period: %u ms\n", fw->heartbeat_ms);
	seq_printf(m, "timestamps: %u Hz\n", fw->timestamp_hz);
	if (present && fw->shared.cpu)
		show_block(m, fw->block);
	mutex_unlock(&kdev->reset_lock);
	if (present)
		drm_dev_exit(idx);
	return 0;
}

static void show_registers(struct seq_file *m, struct keel_device *kdev)
{
	unsigned int i, word;

	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		if (!registers[i].readable)
			continue;
		seq_printf(m, "%03x %s", registers[i].offset, registers[i].name);
		for (word = 0; word < registers[i].words; word++)
			seq_printf(m, " %08x", keel_read(kdev, registers[i].offset + 4 * word));
		seq_puts(m, "\n");
	}
}

/**
 * keel_debugfs_regs() - all registers that can be read: offset, name, words
 * @m: where to
 * @data: unused
 *
 * Return: 0
 */
int keel_debugfs_regs(struct seq_file *m, void *data)
{
	struct keel_device *kdev = shown_device(m);
	int idx;

	if (!drm_dev_enter(&kdev->drm, &idx))
		return 0;
	mutex_lock(&kdev->reset_lock);
	if (kdev->powered)
		show_registers(m, kdev);
	else
		seq_puts(m, "no power\n");
	mutex_unlock(&kdev->reset_lock);
	drm_dev_exit(idx);
	return 0;
}

/**
 * keel_debugfs_clock() - clocks, load
 * @m: where to
 * @data: unused
 *
 * Return: 0
 */
int keel_debugfs_clock(struct seq_file *m, void *data)
{
	struct keel_device *kdev = shown_device(m);
	const struct drm_keel_device_info *info = &kdev->info;

	seq_printf(m, "now: %u kHz\n", READ_ONCE(info->clock_now_khz));
	seq_printf(m, "min: %u kHz\n", info->clock_min_khz);
	seq_printf(m, "max: %u kHz\n", info->clock_max_khz);
	seq_printf(m, "follows load: %s\n", str_yes_no(info->capabilities & DRM_KEEL_CAP_DEVFREQ));
	seq_printf(m, "load: %u%%\n", keel_devfreq_busy_percent(kdev));
	return 0;
}
