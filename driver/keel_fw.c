// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/firmware.h>
#include <linux/iopoll.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "keel_devfreq.h"
#include "keel_device.h"
#include "keel_fault.h"
#include "keel_fw.h"
#include "keel_mem.h"
#include "keel_mmu.h"
#include "keel_perf.h"
#include "keel_regs.h"
#include "keel_ring.h"
#include "keel_rules.h"
#include "keel_trace.h"

/*
 * The firmware: its image, how it is booted, reset and stopped, its log and its heartbeat. Whoever
 * calls holds reset_lock, has the NPU powered and may touch registers.
 */

#define KEEL_FW_MAX_BYTES SZ_4M
#define KEEL_BOOT_MS	  5000
#define KEEL_RESET_MS	  2000

#define POLL_US 500

static const char *const boot_errors[] = {
	[KEEL_BOOT_OK] = "no reason given",
	[KEEL_BOOT_BAD_MAGIC] = "the file is not a firmware image",
	[KEEL_BOOT_BAD_LENGTH] = "lengths in the image don't fit together",
	[KEEL_BOOT_BAD_CHECKSUM] = "the image is damaged",
	[KEEL_BOOT_BAD_HARDWARE] = "the image is made for another design",
	[KEEL_BOOT_BAD_ABI] = "the image speaks another version of the ABI than this driver",
	[KEEL_BOOT_BAD_ISA] = "the image is made for another command set",
	[KEEL_BOOT_BAD_SHARED] = "the shared block makes no sense to it",
	[KEEL_BOOT_BAD_MEMORY] = "it can't reach the memory that it was given",
};

/* What would be refused later or by somebody else with fewer words. */
static int check_image(struct keel_device *kdev, const struct firmware *file)
{
	const struct keel_fw_header *header = (const void *)file->data;

	if (file->size < sizeof(*header) || file->size > KEEL_FW_MAX_BYTES ||
	    le32_to_cpu(header->magic) != KEEL_HW_MAGIC ||
	    le32_to_cpu(header->image_bytes) != file->size) {
		dev_err(kdev->dev,
			"%s is not a firmware image, or not all of it: install the firmware that belongs to this driver\n",
			KEEL_FIRMWARE);
		return -ENOEXEC;
	}
	if (le32_to_cpu(header->abi_version) != KEEL_HW_ABI_VERSION) {
		dev_err(kdev->dev,
			"%s speaks version %u of the firmware ABI, this driver version %u: install the firmware that belongs to this driver\n",
			KEEL_FIRMWARE, le32_to_cpu(header->abi_version), KEEL_HW_ABI_VERSION);
		return -EPROTO;
	}
	if (le32_to_cpu(header->hw_id) != kdev->info.hw_id) {
		dev_err(kdev->dev,
			"%s is made for design %#x, this NPU is %#x: install its own firmware\n",
			KEEL_FIRMWARE, le32_to_cpu(header->hw_id), kdev->info.hw_id);
		return -EPROTO;
	}
	return 0;
}

static int take_image(struct keel_device *kdev, const struct firmware *file)
{
	const struct keel_fw_header *header = (const void *)file->data;
	struct keel_fw *fw = &kdev->fw;
	int ret = keel_mem_alloc(kdev, &fw->image, file->size);

	if (ret)
		return ret;
	memcpy(fw->image.cpu, file->data, file->size);
	fw->build = le32_to_cpu(header->crc32);
	fw->heartbeat_ms = clamp(le32_to_cpu(header->heartbeat_ms), 1u, 1000u);
	return 0;
}

#define SUBMIT_OFFSET	  ALIGN(sizeof(struct keel_hw_shared), 64)
#define SUBMIT_BYTES	  (KEEL_SUBMIT_ENTRIES * sizeof(struct keel_hw_submit))
#define COMPLETION_OFFSET (SUBMIT_OFFSET + SUBMIT_BYTES)
#define COMPLETION_BYTES  (KEEL_COMPLETION_ENTRIES * sizeof(struct keel_hw_completion))
#define LOG_OFFSET	  (COMPLETION_OFFSET + COMPLETION_BYTES)
#define SHARED_BYTES	  (LOG_OFFSET + KEEL_LOG_ENTRIES * sizeof(struct keel_hw_log))

static int make_shared(struct keel_device *kdev)
{
	struct keel_fw *fw = &kdev->fw;
	int ret = keel_mem_alloc(kdev, &fw->shared, SHARED_BYTES);

	if (ret)
		return ret;
	fw->block = fw->shared.cpu;
	fw->submit = fw->shared.cpu + SUBMIT_OFFSET;
	fw->completion = fw->shared.cpu + COMPLETION_OFFSET;
	fw->log = fw->shared.cpu + LOG_OFFSET;
	return 0;
}

/**
 * keel_fw_load() - get the image and the memory that is shared with it
 * @kdev: device, known by keel_query_init()
 *
 * Freed by keel_mem_release_all().
 *
 * Return: 0 or negative errno after a message
 */
int keel_fw_load(struct keel_device *kdev)
{
	const struct firmware *file;
	int ret = firmware_request_nowarn(&file, KEEL_FIRMWARE, kdev->dev);

	if (ret) {
		dev_err(kdev->dev,
			"can't load the firmware %s (%d): install it where the kernel looks for firmware\n",
			KEEL_FIRMWARE, ret);
		return ret;
	}
	ret = check_image(kdev, file);
	if (!ret)
		ret = take_image(kdev, file);
	release_firmware(file);
	if (!ret)
		ret = make_shared(kdev);
	return ret;
}

static void init_ring(struct keel_hw_ring *ring, u32 offset, u32 entries)
{
	ring->offset = cpu_to_le32(offset);
	ring->entries = cpu_to_le32(entries);
}

static void init_shared(struct keel_device *kdev)
{
	struct keel_fw *fw = &kdev->fw;
	unsigned long flags;

	spin_lock_irqsave(&kdev->hw_lock, flags);
	memset(fw->block, 0, SHARED_BYTES);
	fw->block->magic = cpu_to_le32(KEEL_HW_MAGIC);
	fw->block->abi_version = cpu_to_le32(KEEL_HW_ABI_VERSION);
	fw->block->bytes = cpu_to_le32(SHARED_BYTES);
	init_ring(&fw->block->submit, SUBMIT_OFFSET, KEEL_SUBMIT_ENTRIES);
	init_ring(&fw->block->completion, COMPLETION_OFFSET, KEEL_COMPLETION_ENTRIES);
	init_ring(&fw->block->log, LOG_OFFSET, KEEL_LOG_ENTRIES);
	fw->produced = 0;
	fw->consumed = 0;
	fw->log_seen = 0;
	fw->heartbeat = 0;
	fw->heartbeat_at = jiffies;
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
}

static int refused(struct keel_device *kdev)
{
	u32 error = keel_read(kdev, KEEL_REG_BOOT_ERROR);
	const char *why = error < ARRAY_SIZE(boot_errors) ? boot_errors[error] : "unknown reason";

	dev_err(kdev->dev, "the NPU refuses %s: %s (%u)\n", KEEL_FIRMWARE, why, error);
	return -EPROTO;
}

static int wait_ready(struct keel_device *kdev)
{
	u32 status;

	if (read_poll_timeout(keel_read, status, status >= KEEL_BOOT_READY, POLL_US,
			      KEEL_BOOT_MS * USEC_PER_MSEC, false, kdev, KEEL_REG_BOOT_STATUS)) {
		dev_err(kdev->dev, "the firmware doesn't come up: boot status %u after %u ms\n",
			status, KEEL_BOOT_MS);
		return -ETIMEDOUT;
	}
	if (status == KEEL_BOOT_REFUSED)
		return refused(kdev);
	if (status != KEEL_BOOT_READY) {
		dev_err(kdev->dev, "the firmware stops while it boots: boot status %u\n", status);
		return -EIO;
	}
	return 0;
}

static int check_running(struct keel_device *kdev)
{
	u32 abi = keel_read(kdev, KEEL_REG_FW_ABI_VERSION);

	if (abi != KEEL_HW_ABI_VERSION) {
		dev_err(kdev->dev,
			"the running firmware speaks version %u of the ABI, this driver version %u: install the firmware that belongs to this driver\n",
			abi, KEEL_HW_ABI_VERSION);
		return -EPROTO;
	}
	kdev->fw.version = keel_read(kdev, KEEL_REG_FW_VERSION);
	kdev->info.fw_version = kdev->fw.version;
	kdev->info.fw_build = kdev->fw.build;
	return 0;
}

/* So that the NPU's timestamps can be told as CLOCK_MONOTONIC. */
static void compare_clocks(struct keel_device *kdev)
{
	struct keel_fw *fw = &kdev->fw;
	u64 before = ktime_get_ns();

	fw->timestamp = keel_read64(kdev, KEEL_REG_TIMESTAMP);
	fw->timestamp_ns = before + (ktime_get_ns() - before) / 2;
	fw->timestamp_hz = max(keel_read(kdev, KEEL_REG_TIMESTAMP_HZ), 1u);
}

/**
 * keel_fw_time_ns() - a timestamp of the NPU as CLOCK_MONOTONIC
 * @kdev: device
 * @timestamp: of KEEL_REG_TIMESTAMP's clock, not trusted
 *
 * Return: nanoseconds; something harmless for a timestamp that can't be
 */
u64 keel_fw_time_ns(struct keel_device *kdev, u64 timestamp)
{
	const struct keel_fw *fw = &kdev->fw;
	u64 ticks = timestamp - fw->timestamp;

	if (timestamp < fw->timestamp)
		return fw->timestamp_ns;
	return keel_add_sat(fw->timestamp_ns, keel_scale(ticks, NSEC_PER_SEC, fw->timestamp_hz));
}

static int start(struct keel_device *kdev)
{
	struct keel_fw *fw = &kdev->fw;
	int ret;

	if (keel_fault(KEEL_FAULT_BOOT))
		return -EIO;
	keel_write64(kdev, KEEL_REG_BOOT_IMAGE, fw->image.dma);
	keel_write(kdev, KEEL_REG_BOOT_BYTES, fw->image.bytes);
	keel_write64(kdev, KEEL_REG_BOOT_SHARED, fw->shared.dma);
	keel_write(kdev, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_ALL);
	keel_write(kdev, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	ret = wait_ready(kdev);
	if (!ret)
		ret = check_running(kdev);
	return ret;
}

static void become_ready(struct keel_device *kdev)
{
	unsigned long flags;
	LIST_HEAD(done);

	keel_write(kdev, KEEL_REG_IRQ_ENABLE, KEEL_IRQ_ALL);
	spin_lock_irqsave(&kdev->hw_lock, flags);
	kdev->broken = false;
	kdev->progress = 0;
	keel_ring_refill(kdev, &done);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	keel_ring_signal(kdev, &done);
}

/**
 * keel_fw_boot() - boot the firmware and give it the jobs in flight
 * @kdev: device, powered, the NPU as after power-on
 *
 * Return: 0 or negative errno after a message
 */
int keel_fw_boot(struct keel_device *kdev)
{
	int ret;

	lockdep_assert_held(&kdev->reset_lock);
	trace_keel_boot_start(kdev->dev);
	init_shared(kdev);
	ret = start(kdev);
	if (!ret) {
		compare_clocks(kdev);
		keel_count(kdev, NULL, KEEL_HW_COUNTER_BOOTS, 1);
		keel_devfreq_restore(kdev);
		become_ready(kdev);
	}
	trace_keel_boot_done(kdev->dev, ret);
	return ret;
}

/**
 * keel_fw_stop() - take no more completions and forget what is lost with the firmware
 * @kdev: device
 * @state: what it is in now; one that was removed stays so
 *
 * The firmware itself goes on until it is reset or loses power.
 */
void keel_fw_stop(struct keel_device *kdev, enum keel_state state)
{
	unsigned long flags;

	lockdep_assert_held(&kdev->reset_lock);
	keel_perf_fold(kdev);
	spin_lock_irqsave(&kdev->hw_lock, flags);
	if (kdev->state != KEEL_STATE_GONE)
		kdev->state = state;
	keel_contexts_lost(kdev);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
}

/**
 * keel_fw_reset() - reset the engines or everything
 * @kdev: device
 * @what: enum keel_reset
 *
 * Return: 0, -EIO or -ETIMEDOUT
 */
int keel_fw_reset(struct keel_device *kdev, enum keel_reset what)
{
	u32 status;

	lockdep_assert_held(&kdev->reset_lock);
	keel_count(kdev, NULL,
		   what == KEEL_RESET_FULL ? KEEL_HW_COUNTER_FULL_RESETS
					   : KEEL_HW_COUNTER_ENGINE_RESETS,
		   1);
	if (keel_fault(KEEL_FAULT_RESET))
		return -EIO;
	keel_write(kdev, KEEL_REG_RESET, what);
	if (read_poll_timeout(keel_read, status, status != KEEL_RESET_BUSY, POLL_US,
			      KEEL_RESET_MS * USEC_PER_MSEC, false, kdev, KEEL_REG_RESET_STATUS))
		return -ETIMEDOUT;
	return status == KEEL_RESET_DONE ? 0 : -EIO;
}

static unsigned int heart_patience(const struct keel_fw *fw, unsigned int ms)
{
	return max(8 * fw->heartbeat_ms, ms);
}

/**
 * keel_fw_alive() - has the heart beaten lately?
 * @kdev: device, ready
 * @patience_ms: how long it may be silent; a few periods in any case
 *
 * Return: false when it has stopped
 */
bool keel_fw_alive(struct keel_device *kdev, unsigned int patience_ms)
{
	struct keel_fw *fw = &kdev->fw;
	u64 now = le64_to_cpu(READ_ONCE(fw->block->heartbeat));

	patience_ms = heart_patience(fw, patience_ms);
	lockdep_assert_held(&kdev->reset_lock);
	if (now != fw->heartbeat) {
		fw->heartbeat = now;
		fw->heartbeat_at = jiffies;
	}
	return time_before(jiffies, fw->heartbeat_at + msecs_to_jiffies(patience_ms));
}

/**
 * keel_fw_beats() - wait until the heart beats again
 * @kdev: device, ready
 * @patience_ms: how long to wait; a few periods in any case
 *
 * Return: false when it doesn't
 */
bool keel_fw_beats(struct keel_device *kdev, unsigned int patience_ms)
{
	const struct keel_fw *fw = &kdev->fw;
	unsigned long until = jiffies + msecs_to_jiffies(heart_patience(fw, patience_ms));
	__le64 before = READ_ONCE(fw->block->heartbeat);

	while (READ_ONCE(fw->block->heartbeat) == before) {
		if (time_after(jiffies, until))
			return false;
		usleep_range(1000, 2000);
	}
	return true;
}

static void tell(struct keel_device *kdev, const struct keel_hw_log *entry)
{
	char text[sizeof(entry->text) + 1];
	char *c;

	if (le32_to_cpu(READ_ONCE(entry->level)) != KEEL_LOG_ERROR)
		return;
	memcpy(text, entry->text, sizeof(entry->text));
	text[sizeof(entry->text)] = 0;
	for (c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	dev_err_ratelimited(kdev->dev, "firmware: %s\n", text);
}

/**
 * keel_fw_drain_log() - repeat the firmware's errors in the kernel's log
 * @kdev: device
 */
void keel_fw_drain_log(struct keel_device *kdev)
{
	struct keel_fw *fw = &kdev->fw;
	u32 produced = le32_to_cpu(READ_ONCE(fw->block->log.produced));

	lockdep_assert_held(&kdev->reset_lock);
	dma_rmb();
	if (produced - fw->log_seen > KEEL_LOG_ENTRIES)
		fw->log_seen = produced - KEEL_LOG_ENTRIES;
	for (; fw->log_seen != produced; fw->log_seen++)
		tell(kdev, &fw->log[fw->log_seen & (KEEL_LOG_ENTRIES - 1)]);
	WRITE_ONCE(fw->block->log.consumed, cpu_to_le32(produced));
}
