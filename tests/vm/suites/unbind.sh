# SPDX-License-Identifier: GPL-2.0 OR MIT
# The driver is unbound while programs open, allocate, import and close; fences outlive the device.
# variants: um um-debug x86
# simulator: --mmu 16
# timeout: 400
device=$(basename "$(keel_sysfs)")
ktap_program "$KEEL_OUT/tests/uapi/test_unbind" /sys/bus/pci/drivers/keel "$device"
ktap_program "$KEEL_OUT/tests/uapi/test_jobs"
