# SPDX-License-Identifier: GPL-2.0 OR MIT
# Several clients at the same time: priorities, cancelling, closing, sharing, signals.
# simulator: --real-time
ktap_program "$KEEL_OUT/tests/uapi/test_clients"
# With one processor it is sure which of two threads finds the pages, and which waits for it.
if [ "$(nproc)" = 1 ]; then
	ktap_program "$KEEL_OUT/tests/uapi/test_signals"
else
	skip "signals" "with several processors the thread that is watched may find the pages itself"
fi
