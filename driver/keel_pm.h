/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_PM_H
#define KEEL_PM_H

#include <linux/pm.h>

struct keel_device;

/*
 * Power. keel_pm_get() powers up and boots, may sleep. The callbacks of keel_pm_ops call
 * keel_fw_stop() and keel_fw_boot() with reset_lock, system sleep also keel_sched_quiesce().
 */
extern const struct dev_pm_ops keel_pm_ops;
int keel_pm_init(struct keel_device *kdev);
void keel_pm_fini(struct keel_device *kdev);
int keel_pm_get(struct keel_device *kdev);
void keel_pm_put(struct keel_device *kdev);
int keel_pm_power_on(struct keel_device *kdev);
void keel_pm_power_off(struct keel_device *kdev);

#endif
