# SPDX-License-Identifier: GPL-2.0 OR MIT
# What this rig and the driver cost: a bare MMIO round trip, an empty ioctl, an empty job, jobs a
# second, a network. Figures only, but for the counters, which must equal the result records.
# variants: um um-debug x86
# kicks: inband evfd
# simulator: --config medium
# module: manual
# also: bus/module
# timeout: 600
bus_log() { dmesg | sed -n "s/.*keel_bus: $1 //p"; }

# The round trip is measured by a module of its own, which nothing else shares the device with.
check "the bus's own module loads" insmod "$KEEL_OUT/vm/$KEEL_VARIANT/bus/module/keel_bus.ko"
check "it measures" test -n "$(bus_log note)"
check "nothing is wrong with the bus" test -z "$(bus_log "not ok")"
check "it unloads" rmmod keel_bus
keel_load

net=mobilenet_v2_1.0_224_moderation
[ -e "$KEEL_OUT/vm/networks/$net.keel" ] || net=fashion
ktap_program "$KEEL_OUT/tests/uapi/test_network" "$KEEL_OUT/vm/networks/$net.keel" 10
records_agree "$KEEL_SHARE/ktap"
ktap_program "$KEEL_OUT/tests/uapi/bench_latency"
keel_unload

bus_log note | sed 's/^/# note: /'
sed -n "s/^# figure: \([0-9.]* MMAC\)/# note: $net, \1/p; s/^# figure: empty/# note: empty/p" "$KEEL_SHARE/ktap"
