/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DEBUGFS_H
#define KEEL_DEBUGFS_H

struct keel_device;
struct seq_file;

void keel_debugfs_init(struct keel_device *kdev);

/* keel_debugfs_hw.c: files about hardware and firmware */
int keel_debugfs_fw_log(struct seq_file *m, void *data);
int keel_debugfs_fw_info(struct seq_file *m, void *data);
int keel_debugfs_regs(struct seq_file *m, void *data);
int keel_debugfs_clock(struct seq_file *m, void *data);

#endif
