/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_FDINFO_H
#define KEEL_FDINFO_H

struct drm_file;
struct drm_printer;

void keel_fdinfo_show(struct drm_printer *p, struct drm_file *file);

#endif
