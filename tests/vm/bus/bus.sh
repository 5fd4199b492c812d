# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The simulator's bus without the driver: registers, interrupts, DMA, power; and their speed.
# variants: um um-debug x86 x86-kcsan
# kicks: inband evfd
# module: manual
results() { dmesg | sed -n "s/.*keel_bus: $1 //p"; }

check "the module loads" insmod "$KEEL_MODULE"
while read -r name; do ktap_result ok "$name"; done < <(results ok)
while read -r name; do ktap_result "not ok" "$name"; done < <(results "not ok")
while read -r text; do note "$text"; done < <(results note)
check "all was tested" test "$(dmesg | grep -c 'keel_bus: \(not \)\?ok')" -eq 20
check "the module unloads" rmmod keel_bus
