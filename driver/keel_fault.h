/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_FAULT_H
#define KEEL_FAULT_H

#include <linux/types.h>

struct dentry;

/* Failures on request, debugfs fault_inject. */

enum keel_fault_kind {
	KEEL_FAULT_SUBMIT_ALLOC, /* an allocation in SUBMIT fails */
	KEEL_FAULT_INTERRUPT,	 /* an interrupt is lost */
	KEEL_FAULT_DOORBELL,	 /* the doorbell isn't rung: the job hangs */
	KEEL_FAULT_COMPLETION,	 /* a completion has another job's number */
	KEEL_FAULT_RECORD,	 /* a result record's checksum is wrong */
	KEEL_FAULT_BOOT,	 /* the firmware doesn't come up */
	KEEL_FAULT_RESET,	 /* a reset fails */
	KEEL_FAULT_COUNT
};

/* true: fail now. Any context. */
#ifdef CONFIG_FAULT_INJECTION
bool keel_fault(enum keel_fault_kind kind);
#else
static inline bool keel_fault(enum keel_fault_kind kind)
{
	return false;
}
#endif

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
void keel_fault_debugfs(struct dentry *parent);
#else
static inline void keel_fault_debugfs(struct dentry *parent)
{
}
#endif

#endif
