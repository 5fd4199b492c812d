#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The comparison with other quantizers: its statistics, limits and cache, without any of them.
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	echo "python3 3.11 isn't here, the comparison isn't tested"
	exit 77
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "$0")/../bench/peers/test_peers.py"
