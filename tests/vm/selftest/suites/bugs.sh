# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Every checker sees the bug that is meant for it. lockdep goes first: it is silent
# after any other report.
# variants: um-debug x86
# module: manual
# expect: possible circular locking dependency
# expect: sleeping function called from invalid context|scheduling while atomic
# expect: shift-out-of-bounds
# expect: device driver frees DMA memory with different size|WARNING: .*dma/debug
# expect: KASAN: slab-use-after-free
# expect: KASAN: slab-out-of-bounds
# expect: KASAN: vmalloc-out-of-bounds
# expect: WARNING: .*keel_bugs
# expect: [0-9]+ leaks
for bug in lock_order sleep_in_atomic shift dma_mismatch use_after_free slab_overrun \
	vmalloc_overrun warn leak; do
	check "$bug" insmod "$KEEL_MODULE" "bug=$bug"
	rmmod keel_bugs
done
