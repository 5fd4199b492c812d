// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures on request, for tests: attributes of the kernel's fault injection in the folder
 * fault_inject of debugfs (Documentation/fault-injection). All devices share them.
 */
#include <linux/debugfs.h>
#include <linux/fault-inject.h>

#include "keel_fault.h"

static struct {
	const char *name;
	struct fault_attr attr;
} faults[KEEL_FAULT_COUNT] = {
	[KEEL_FAULT_SUBMIT_ALLOC] = { "submit_alloc", FAULT_ATTR_INITIALIZER },
	[KEEL_FAULT_INTERRUPT] = { "interrupt", FAULT_ATTR_INITIALIZER },
	[KEEL_FAULT_DOORBELL] = { "doorbell", FAULT_ATTR_INITIALIZER },
	[KEEL_FAULT_COMPLETION] = { "completion", FAULT_ATTR_INITIALIZER },
	[KEEL_FAULT_RECORD] = { "record", FAULT_ATTR_INITIALIZER },
	[KEEL_FAULT_BOOT] = { "boot", FAULT_ATTR_INITIALIZER },
	[KEEL_FAULT_RESET] = { "reset", FAULT_ATTR_INITIALIZER },
};

/**
 * keel_fault() - shall this fail now?
 * @kind: what could fail
 *
 * Return: true when somebody asked for it.
 */
bool keel_fault(enum keel_fault_kind kind)
{
	return should_fail(&faults[kind].attr, 1);
}

/**
 * keel_fault_debugfs() - the folder fault_inject
 * @parent: the device's folder
 */
void keel_fault_debugfs(struct dentry *parent)
{
	struct dentry *folder = debugfs_create_dir("fault_inject", parent);
	unsigned int i;

	for (i = 0; i < KEEL_FAULT_COUNT; i++)
		fault_create_debugfs_attr(faults[i].name, folder, &faults[i].attr);
}
