# SPDX-License-Identifier: GPL-2.0 OR MIT
# Every way to be refused by an ioctl: one defect each.
for program in "$KEEL_OUT"/tests/uapi/test_refuse_*; do
	case $program in *.o | *.d) continue ;; esac
	ktap_program "$program"
done
