/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DRV_H
#define KEEL_DRV_H

struct drm_driver;

/* The driver as DRM and the buses know it. */

#define KEEL_DRIVER_NAME "keel"

extern const struct drm_driver keel_driver;

#endif
