/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_QUERY_H
#define KEEL_QUERY_H

struct drm_device;
struct drm_file;
struct keel_device;

int keel_query_init(struct keel_device *kdev);
int keel_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif
