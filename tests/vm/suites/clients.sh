# SPDX-License-Identifier: GPL-2.0 OR MIT
# Several clients at the same time: priorities, cancelling, closing, sharing, signals.
# simulator: --real-time
ktap_program "$KEEL_OUT/tests/uapi/test_clients"
ktap_program "$KEEL_OUT/tests/uapi/test_signals"
