# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Nothing tested is nothing passed.
# variants: um
# module: manual
# expect: no results
true
