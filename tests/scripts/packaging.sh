#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# What is installed, and that all of it goes away again; for which kernels DKMS builds the driver.
here=$PWD
o=$(dirname "${KEEL:-build/keel}")
inside=$(realpath "$o")/root
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX
. "$(dirname "$0")/rig"

# make_in TARGET ARGUMENT ...
make_in() { ok make -C "$here" --no-print-directory -s O="$o" "$@"; }
left() { find "$work/root" -mindepth 1 -printf '%P\n' | sort; }

for prefix in /usr /opt/npu; do
	rm -rf root
	make_in install DESTDIR="$work/root" PREFIX=$prefix
	for program in "root$prefix"/bin/*; do
		is "page of $program" 1 "$(find "root$prefix/share/man/man1" -name "$(basename "$program").1" | wc -l)"
	done
	for page in "$here"/docs/man/*; do
		is "$page" 1 "$(find "root$prefix/share/man" -name "$(basename "$page")" | wc -l)"
	done
	for file in bin/keel bin/keel-fwsim bin/keel-fwimage include/keel.h share/doc/keel/driver.md; do
		is "$prefix/$file" there "$([ -s "root$prefix/$file" ] && echo there)"
	done
	is firmware there "$([ -s root/lib/firmware/keel/keel-fw.bin ] && echo there)"
	make_in uninstall DESTDIR="$work/root" PREFIX=$prefix
	is "left of $prefix" "" "$(left)"
done

# What is somebody else's stays, and what is gone already is no error.
make_in install DESTDIR="$work/root"
touch root/usr/bin/other root/usr/share/doc/keel/notes
rm root/usr/bin/keel
make_in uninstall DESTDIR="$work/root"
is "files of others" "usr/bin/other usr/share/doc/keel/notes" \
	"$(find root -type f -printf '%P\n' | sort | paste -sd' ')"

# A relative folder, even below the build's.
rm -rf "$inside"
make_in install DESTDIR="$o/root"
make_in uninstall DESTDIR="$o/root"
is "left below the build's folder" "" "$(find "$inside" -mindepth 1)"
rm -rf "$inside"

rm -rf root
make_in install-dkms DESTDIR="$work/root"
source=$(echo root/usr/src/keel-*)
# The objects that Kbuild names, each with its source.
objects=$(sed -e :a -e '/\\$/N; s/\\\n//; ta' "$source"/driver/Kbuild | sed -n 's/.*driver-objs.*= //p')
is "there are objects" yes "$([ -n "$objects" ] && echo yes)"
for object in $objects; do
	is "source of $object" there "$([ -s "$source/driver/${object%.o}.c" ] && echo there)"
done
# takes KERNEL: as DKMS decides
takes() {
	local kernel_source_dir=x dkms_tree=x BUILD_EXCLUSIVE_KERNEL

	. "$source/dkms.conf"
	[[ $1 =~ $BUILD_EXCLUSIVE_KERNEL ]] && echo yes || echo no
}
for kernel in 6.12.115+deb12-amd64 6.12.0 6.12-rc1; do
	is "$kernel is taken" yes "$(takes $kernel)"
done
for kernel in 6.1.0-56-amd64 6.1.120 6.2.0 6.11.9 5.15.0 4.19.0 6.9.12 6.13.1 6.120.1 6.20.0 7.0.1 16.12.1; do
	is "$kernel is taken" no "$(takes $kernel)"
done
# refused VERSION PATCHLEVEL HEADERS: what Kbuild says to who compiles for it anyway
refused() {
	make -f "$source/Kbuild" KBUILD_EXTMOD=x CONFIG_MODULES=y CONFIG_DRM_ACCEL=y VERSION=$1 \
		PATCHLEVEL=$2 KERNELVERSION=$1.$2.3 src="$source" srctree="$3" 2>&1 |
		sed -n 's/^.*\*\*\* \(keel .*\)\.  Stop\.$/\1/p'
}
mkdir -p old/include/drm new/include/drm
echo 'int drm_sched_init(struct drm_gpu_scheduler *sched,' >old/include/drm/gpu_scheduler.h
echo 'struct drm_sched_init_args {' >new/include/drm/gpu_scheduler.h
is "what 6.11 is told" "keel needs Linux 6.12, and this is 6.11.3" "$(refused 6 11 new)"
is "what 6.13 is told" "keel needs Linux 6.12, and this is 6.13.3" "$(refused 6 13 new)"
is "what 7.0 is told" "keel needs Linux 6.12, and this is 7.0.3" "$(refused 7 0 new)"
is "what 6.12 is told" "" "$(refused 6 12 new)"
is "what the first 6.12 is told" \
	"keel needs drm_sched_init_args, which the DRM scheduler of this 6.12.3 lacks" \
	"$(refused 6 12 old)"
make_in uninstall-dkms DESTDIR="$work/root"
is "left of the driver's source" "" "$(find root -type f)"
finish
