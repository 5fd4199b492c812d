/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DEBUGFS_H
#define KEEL_DEBUGFS_H

struct dentry;
struct keel_fw;
struct keel_hw_log;
struct seq_file;

/* For those who show what there is to see. */

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
void keel_fault_debugfs(struct dentry *parent);
#else
static inline void keel_fault_debugfs(struct dentry *parent)
{
}
#endif

/* keel_debugfs_hw.c: files about hardware and firmware */
int keel_debugfs_fw_log(struct seq_file *m, void *data);
int keel_debugfs_fw_info(struct seq_file *m, void *data);
int keel_debugfs_regs(struct seq_file *m, void *data);
int keel_debugfs_clock(struct seq_file *m, void *data);

/* keel_log.c */
unsigned int keel_log_copy(const struct keel_fw *fw, struct keel_hw_log *out);

#endif
