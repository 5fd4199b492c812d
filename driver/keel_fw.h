/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_FW_H
#define KEEL_FW_H

#include <linux/types.h>

#include "keel_hw.h"
#include "keel_mem.h"

struct keel_device;

#define KEEL_FIRMWARE "keel/keel-fw.bin"

/* Entries of the rings; powers of two. Credits are far fewer, so the submit ring never fills. */
#define KEEL_SUBMIT_ENTRIES	64
#define KEEL_COMPLETION_ENTRIES 64
#define KEEL_LOG_ENTRIES	256

enum keel_state {
	KEEL_STATE_OFF,	   /* firmware not booted: powered down or not yet up */
	KEEL_STATE_READY,  /* takes jobs */
	KEEL_STATE_RESET,  /* being reset; jobs are collected, not given to it */
	KEEL_STATE_WEDGED, /* can't be made to work again: jobs end with -EIO */
	KEEL_STATE_GONE,   /* removed: jobs end with -ENODEV */
};

/**
 * struct keel_fw - the firmware and the memory it shares with the driver
 * @image: the image, kept for the next boot
 * @shared: the shared block
 * @block: its start
 * @submit: ring in it
 * @completion: ring in it
 * @log: ring in it
 * @produced: index behind the newest submit entry; the driver's own, never read back
 * @consumed: index of the oldest completion not looked at; the driver's own
 * @log_seen: index of the oldest log entry not looked at
 * @version: major << 16 | minor
 * @build: first bytes of the image's checksum
 * @heartbeat_ms: period, from the image's header, made sane
 * @heartbeat: its last value
 * @heartbeat_at: jiffies when it changed
 * @timestamp_hz: rate of KEEL_REG_TIMESTAMP
 * @timestamp: its value at @timestamp_ns
 * @timestamp_ns: CLOCK_MONOTONIC
 *
 * Indexes are protected by keel_device.hw_lock, the rest by reset_lock.
 */
struct keel_fw {
	struct keel_mem image;
	struct keel_mem shared;
	struct keel_hw_shared *block;
	struct keel_hw_submit *submit;
	struct keel_hw_completion *completion;
	struct keel_hw_log *log;
	u32 produced;
	u32 consumed;
	u32 log_seen;
	u32 version;
	u32 build;
	u32 heartbeat_ms;
	u64 heartbeat;
	unsigned long heartbeat_at;
	u32 timestamp_hz;
	u64 timestamp;
	u64 timestamp_ns;
};

int keel_fw_load(struct keel_device *kdev);
int keel_fw_boot(struct keel_device *kdev);
void keel_fw_stop(struct keel_device *kdev, enum keel_state state);
int keel_fw_reset(struct keel_device *kdev, enum keel_reset what);
void keel_fw_drain_log(struct keel_device *kdev);
bool keel_fw_alive(struct keel_device *kdev, unsigned int patience_ms);
bool keel_fw_beats(struct keel_device *kdev, unsigned int patience_ms);
u64 keel_fw_time_ns(struct keel_device *kdev, u64 timestamp);

#endif
