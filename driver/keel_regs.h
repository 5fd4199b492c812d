/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_REGS_H
#define KEEL_REGS_H

#include "keel_compat.h"
#include "keel_device.h"
#include "keel_hw.h"

/* Access to registers; while they may be touched, see keel_device.h. */

static inline u32 keel_read(struct keel_device *kdev, u32 reg)
{
	return keel_readl(kdev->mmio + reg);
}

static inline void keel_write(struct keel_device *kdev, u32 reg, u32 value)
{
	keel_writel(value, kdev->mmio + reg);
}

/* Low word first, which latches the other one. */
static inline u64 keel_read64(struct keel_device *kdev, u32 reg)
{
	u32 low = keel_read(kdev, reg);

	return low | (u64)keel_read(kdev, reg + 4) << 32;
}

static inline void keel_write64(struct keel_device *kdev, u32 reg, u64 value)
{
	keel_write(kdev, reg, lower_32_bits(value));
	keel_write(kdev, reg + 4, upper_32_bits(value));
}

#endif
