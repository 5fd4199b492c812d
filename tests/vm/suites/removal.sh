# SPDX-License-Identifier: GPL-2.0 OR MIT
# The device is pulled while it is busy.
# variants: um um-debug
# allow: removal
program=$KEEL_OUT/tests/uapi/test_removal

$program >"$KEEL_SHARE/removal.ktap" &
check "it gets busy" wait_for 60 grep -q busy "$KEEL_SHARE/removal.ktap"
check "the simulator is killed" host kill-simulator
check "the program ends well" wait $!
cat "$KEEL_SHARE/removal.ktap"
check "the device file is gone" wait_for 10 eval '! keel_node'
