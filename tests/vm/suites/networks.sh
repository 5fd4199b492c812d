# SPDX-License-Identifier: GPL-2.0 OR MIT
# Whole networks through the driver: every tensor of every layer equals the reference's.
# variants: um-debug um x86
# simulator: --config medium
# memory: 2G
# timeout: 900
# The bytes that OpenCL gives for the same files are compared with the reference's by the tests of
# the tool, so all three are equal.

verify() {
	"$KEEL" verify "$1" --backend drm --against reference --random 1
}

for net in "$KEEL_OUT"/vm/networks/*.keel; do
	check "$(basename "$net" .keel)" verify "$net"
done
note "fashion: $("$KEEL" bench "$KEEL_OUT/vm/networks/fashion.keel" --backend drm --iterations 50 | grep "^latency")"
