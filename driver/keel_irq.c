// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/interrupt.h>

#include "keel_device.h"
#include "keel_fault.h"
#include "keel_fw.h"
#include "keel_irq.h"
#include "keel_perf.h"
#include "keel_regs.h"
#include "keel_ring.h"
#include "keel_trace.h"

/* One interrupt, message signalled or level. */

/* A device that never stops asking is left to the tick. */
#define MAX_ROUNDS 16

static void handle(struct keel_device *kdev, u32 status)
{
	trace_keel_irq(kdev->dev, status);
	if (status & KEEL_IRQ_COMPLETION)
		keel_ring_poll(kdev);
	if (status & (KEEL_IRQ_BOOT | KEEL_IRQ_LOG) && READ_ONCE(kdev->state) == KEEL_STATE_READY)
		queue_work(kdev->wq, &kdev->recover);
}

static irqreturn_t irq(int number, void *data)
{
	struct keel_device *kdev = data;
	unsigned int round;
	u32 status;

	/* A device that is being removed still has to be told that it was heard. */
	if (!READ_ONCE(kdev->powered))
		return IRQ_NONE;
	for (round = 0; round < MAX_ROUNDS; round++) {
		/* Also makes sure that the last clearing has arrived. */
		status = keel_read(kdev, KEEL_REG_IRQ_STATUS);
		if (!status || status == ~0u)
			break;
		keel_write(kdev, KEEL_REG_IRQ_CLEAR, status);
		if (keel_fault(KEEL_FAULT_INTERRUPT))
			continue;
		handle(kdev, status & KEEL_IRQ_ALL);
	}
	keel_count(kdev, NULL,
		   round ? KEEL_HW_COUNTER_INTERRUPTS : KEEL_HW_COUNTER_SPURIOUS_INTERRUPTS, 1);
	return round ? IRQ_HANDLED : IRQ_NONE;
}

/**
 * keel_irq_init() - from now on interrupts are handled
 * @kdev: device
 *
 * Return: 0 or negative errno
 */
int keel_irq_init(struct keel_device *kdev)
{
	return request_irq(kdev->irq, irq, 0, dev_name(kdev->dev), kdev);
}

/**
 * keel_irq_fini() - no interrupt is handled any more when this returns
 * @kdev: device
 */
void keel_irq_fini(struct keel_device *kdev)
{
	free_irq(kdev->irq, kdev);
}
