/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_BUS_H
#define KEEL_BUS_H

#include <linux/types.h>

struct keel_device;

/* Between the device and what it is connected by. */

/**
 * struct keel_bus_ops - what only the bus's front end can do; any may be NULL
 * @power_on: clocks, resets, power domains; may sleep
 * @power_off: the reverse
 * @set_clock: kHz; NULL: KEEL_REG_CLOCK
 * @is_gone: true when the device was pulled and registers must not be touched
 */
struct keel_bus_ops {
	int (*power_on)(struct keel_device *kdev);
	void (*power_off)(struct keel_device *kdev);
	int (*set_clock)(struct keel_device *kdev, u32 khz);
	bool (*is_gone)(struct keel_device *kdev);
};

int keel_pci_register(void);
void keel_pci_unregister(void);

int keel_platform_register(void);
void keel_platform_unregister(void);

#endif
