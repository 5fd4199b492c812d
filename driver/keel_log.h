/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_LOG_H
#define KEEL_LOG_H

struct keel_fw;
struct keel_hw_log;

unsigned int keel_log_copy(const struct keel_fw *fw, struct keel_hw_log *out);

#endif
