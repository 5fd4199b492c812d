/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DEVFREQ_H
#define KEEL_DEVFREQ_H

struct keel_device;

/* The clock follows the load. */

int keel_devfreq_init(struct keel_device *kdev);
void keel_devfreq_fini(struct keel_device *kdev);

/* By reset_lock, after a boot. */
void keel_devfreq_restore(struct keel_device *kdev);

/* By hw_lock, with the jobs that the NPU has. */
void keel_devfreq_begin(struct keel_device *kdev);
void keel_devfreq_end(struct keel_device *kdev);

/* Around the time without power; without reset_lock. */
void keel_devfreq_suspend(struct keel_device *kdev);
void keel_devfreq_resume(struct keel_device *kdev);

/* For debugfs: utilisation of the last period, per cent. */
unsigned int keel_devfreq_busy_percent(struct keel_device *kdev);

#endif
