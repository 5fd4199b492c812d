# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What should pass passes, and the host answers requests.
# variants: um um-debug x86 x86-kcsan
# module: manual
# expect: ^ok .*\(5 checks, 1 skipped
check "true" true
refuse "false" false
skip "nothing" "on purpose"
check "the share is writable" touch "$KEEL_SHARE/x"
check "/tmp is writable" touch /tmp/x
check "the host answers" host stop-simulator
host continue-simulator
