/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_IRQ_H
#define KEEL_IRQ_H

struct keel_device;

int keel_irq_init(struct keel_device *kdev);
void keel_irq_fini(struct keel_device *kdev);

#endif
