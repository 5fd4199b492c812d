# SPDX-License-Identifier: GPL-2.0 OR MIT
# The NPU as a part of a SoC: device tree, clocks, resets, SRAM, operating points, cooling.
# variants: um um-debug
# module: manual
# also: glue
# tree: glue/npu.dts
glue=/sys/kernel/debug/keel_glue
load() { "$KEEL_OUT/tests/uapi/test_load" "$@"; }
board() { cat "$glue/$1"; }
asleep() { grep -q suspended "$(keel_sysfs)/power/runtime_status"; }

check "there is a board" insmod "$KEEL_OUT/vm/$KEEL_VARIANT/glue/keel_glue.ko"
check "its NPU is in reset" test "$(board resets_asserted)" = 0x00000003
keel_load
s=$(keel_sysfs)
f=/sys/class/devfreq/$(basename "$s")
check "the platform driver has it" test "$(basename "$(readlink -f "$s/driver")")" = keel
check "it is the one of the device tree" test "$(cat "$s/of_node/compatible" | tr -d '\0')" = keel,npu
check "jobs run" load 0.1

load 3 1024 >/tmp/load &
busy=$!
awake() { [ "$(board core_enabled)" = 1 ] && [ "$(board bus_enabled)" = 1 ] && [ "$(board resets_asserted)" = 0x00000000 ]; }
check "clocks are on and resets off while it works" wait_for 3 awake
wait $busy
resting() { [ "$(board core_enabled)" = 0 ] && [ "$(board bus_enabled)" = 0 ] && [ "$(board resets_asserted)" = 0x00000003 ]; }
check "and the other way round while it sleeps" wait_for 10 resting

check "operating points are those of the device tree" \
	test "$(cat "$f/available_frequencies")" = "200000000 500000000 1000000000"
check "a clock can be chosen" eval 'echo userspace >"$f/governor" && echo 500000000 >"$f/userspace/set_freq"; load 0.1; wait_for 5 test "$(board core_hz)" = 500000000'
echo simple_ondemand >"$f/governor"

# The zone is polled each 500 ms. At 90 degrees the lower operating points remain.
cooling() { grep -l "devfreq" /sys/class/thermal/cooling_device*/type | sed 's|/type$||' | sed -n 1p; }
zone=$(grep -l "npu-thermal" /sys/class/thermal/thermal_zone*/type | sed 's|/type$||' | sed -n 1p)
cool_state() { cat "$(cooling)/cur_state"; }
check "it is a cooling device" test -n "$(cooling)"
check "with three states" test "$(cat "$(cooling)/max_state")" = 2
check "nothing is cooled at 40 degrees" test "$(cool_state)" = 0
echo 90000 >$glue/millicelsius
check "the zone sees the heat" wait_for 5 test "$(cat "$zone/temp")" = 90000
check "heat slows it down" wait_for 10 eval '[ "$(cool_state)" -gt 0 ]'
throttled() { load 0.5 1024 >/tmp/load; [ "$(cat "$f/cur_freq")" -lt 1000000000 ]; }
check "the clock obeys, under load" throttled
echo 40000 >$glue/millicelsius
check "and cold lets it go" wait_for 20 eval '[ "$(cool_state)" = 0 ]'
note "core clock changed $(board core_changes) times"

unbind_and_bind() {
	echo "$(basename "$s")" >"$s/driver/unbind" || return 1
	resting || return 1
	echo "$(basename "$s")" >/sys/bus/platform/drivers/keel/bind
}
for i in 1 2 3; do
	check "unbind and bind, round $i" unbind_and_bind
	check "jobs run after round $i" load 0.05
done
keel_unload
check "the board is at rest without driver" resting
check "the board goes" rmmod keel_glue

check "there is another board" insmod "$KEEL_OUT/vm/$KEEL_VARIANT/glue/keel_glue.ko" registers=128
check "the module loads" insert_module
refuse "an NPU with too few registers isn't taken" keel_node
check "it says why" eval 'dmesg | grep -q "keel .* has no room for the registers"'
keel_unload
