# SPDX-License-Identifier: GPL-2.0 OR MIT
# How long an empty job takes, next to an empty ioctl and a register read. Figures only.
# variants: um x86
# kicks: inband evfd
ktap_program "$KEEL_OUT/tests/uapi/bench_latency"
sed -n 's/^# figure: /# note: /p' "$KEEL_SHARE/ktap"

# All registers at once, as debugfs shows them; most of that is reading them.
echo on >"$(keel_sysfs)/power/control"
file=$(keel_debugfs)/regs
lines=$(wc -l <"$file")
check "registers are shown" test "$lines" -gt 5
start=$(date +%s%N)
cat "$file" "$file" "$file" "$file" "$file" "$file" "$file" "$file" "$file" "$file" >/dev/null
end=$(date +%s%N)
note "debugfs regs: about $(((end - start) / 10000 / lines)) us a register, cat and text included"
