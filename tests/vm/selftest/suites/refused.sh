# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What a suite itself finds wrong.
# variants: um
# module: manual
# expect: not ok [0-9]+ this fails \(exit 1\)
# expect: not ok [0-9]+ this should have failed
# expect: exit status 3
# expect: 4 of 4 checks
check "this fails" false
refuse "this should have failed" true
refuse "so should this, but not by a signal" bash -c 'kill -9 $$'
exit 3
