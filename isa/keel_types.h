/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TYPES_H
#define KEEL_TYPES_H

/*
 * Fixed-size types under one name for user space, the kernel and OpenCL C, so
 * that the contract's headers are compiled from the same text everywhere. The C
 * headers that the contract needs come from here only.
 */

#if defined(__OPENCL_VERSION__)
typedef char keel_s8;
typedef uchar keel_u8;
typedef short keel_s16;
typedef ushort keel_u16;
typedef int keel_s32;
typedef uint keel_u32;
typedef long keel_s64;
typedef ulong keel_u64;
#define KEEL_INLINE static inline
#elif defined(__KERNEL__)
#include <linux/build_bug.h>
#include <linux/math64.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
typedef s8 keel_s8;
typedef u8 keel_u8;
typedef s16 keel_s16;
typedef u16 keel_u16;
typedef s32 keel_s32;
typedef u32 keel_u32;
typedef s64 keel_s64;
typedef u64 keel_u64;
#define KEEL_INLINE	   static inline
/* 32-bit kernels have no operator for it. */
#define keel_div_u64(n, d) div_u64(n, d)
#else
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef int8_t keel_s8;
typedef uint8_t keel_u8;
typedef int16_t keel_s16;
typedef uint16_t keel_u16;
typedef int32_t keel_s32;
typedef uint32_t keel_u32;
typedef int64_t keel_s64;
typedef uint64_t keel_u64;
#define KEEL_INLINE	   static inline
#define keel_div_u64(n, d) ((keel_u64)(n) / (keel_u32)(d))
#endif

#endif
