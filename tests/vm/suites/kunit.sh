# SPDX-License-Identifier: GPL-2.0 OR MIT
# The module's own unit tests, which ran when it was loaded.
# variants: um um-debug x86
kunit_results
