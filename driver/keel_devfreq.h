/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DEVFREQ_H
#define KEEL_DEVFREQ_H

struct keel_device;

/* For keel_pm.c: around the time without power; without reset_lock. */
void keel_devfreq_suspend(struct keel_device *kdev);
void keel_devfreq_resume(struct keel_device *kdev);

/* For debugfs: utilisation of the last period, per cent. */
unsigned int keel_devfreq_busy_percent(struct keel_device *kdev);

#endif
