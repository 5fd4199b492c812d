/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_RESET_H
#define KEEL_RESET_H

struct keel_device;
struct work_struct;

/* What is done when something goes wrong. */

#define KEEL_HANG_MS	   1000	 /* without progress, beyond what the cycle bound explains */
#define KEEL_HANG_MAX_MS   60000 /* the most that a cycle bound can ask for */
#define KEEL_RESET_RETRIES 3

void keel_recover(struct keel_device *kdev);
void keel_recover_work(struct work_struct *work);

#endif
