/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_SUBMIT_H
#define KEEL_SUBMIT_H

struct drm_device;
struct drm_file;

int keel_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif
