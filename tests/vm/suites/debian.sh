# SPDX-License-Identifier: GPL-2.0 OR MIT
# Debian's own kernel with the driver as DKMS builds it: a user's machine.
# variants: x86-debian
# simulator: --config medium
# memory: 1G
# What keel doctor says of the host's folders and groups isn't the guest's, so only what is.

finds() { "$KEEL" doctor | grep -qE "^ok +$1 "; }

note "kernel $(uname -r), $(/sbin/modinfo -F vermagic "$KEEL_MODULE")"
"$KEEL" doctor | sed 's/^/# /'
for what in kernel module npu debugfs; do
	check "doctor: $what" finds $what
done
check "the clock follows the load" grep -q simple_ondemand "$(keel_sysfs)"/devfreq/*/governor
for net in fashion mobilenet_v2_1.0_224_moderation; do
	file=$KEEL_OUT/vm/networks/$net.keel
	[ -e "$file" ] || { skip "$net" "not compiled" && continue; }
	check "$net: every tensor equals the reference's" \
		"$KEEL" verify "$file" --backend drm --against reference --random 1
done
