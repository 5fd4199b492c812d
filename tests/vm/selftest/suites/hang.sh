# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# A guest that doesn't end is ended.
# variants: um
# module: manual
# timeout: 8
# expect: time limit of 8 s
check "before" true
sleep 1000
