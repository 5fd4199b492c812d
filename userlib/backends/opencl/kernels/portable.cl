/* SPDX-License-Identifier: MIT */

/*
 * One kernel for each layout: an NDRange executes one command, each work-item one
 * element at a time. Plain OpenCL C 1.2 for any device; also what KEEL_DEVICE_EXACT runs.
 *
 * Slots are buffers with the offset that the slot is bound at; a slot that a
 * command doesn't use is any buffer. Nothing is done once the stop word is set.
 */
#define KEEL_KERNEL(name, member, element) \
	kernel void name(global const union keel_command *commands, global const uint *stop, \
			 uint index, ulong elements, global const uchar *ifm, ulong ifm_at, global const uchar *ifm2, \
			 ulong ifm2_at, global const uchar *weights, ulong weights_at, \
			 global const uchar *channels, ulong channels_at, \
			 global const uchar *table, ulong table_at, global uchar *ofm, \
			 ulong ofm_at, global uchar *psum, ulong psum_at) \
	{ \
		struct keel_io io = { ifm + ifm_at, ifm2 + ifm2_at, weights + weights_at, \
				      channels + channels_at, table + table_at, ofm + ofm_at, \
				      psum + psum_at }; \
		ulong i; \
\
		if (*stop) \
			return; \
		for (i = get_global_id(0); i < elements; i += get_global_size(0)) \
			element(&commands[index].member, io, i); \
	}

KEEL_KERNEL(keel_copy, copy, keel_copy_element)
KEEL_KERNEL(keel_weights, weights, keel_weights_element)
KEEL_KERNEL(keel_mac, mac, keel_mac_element)
KEEL_KERNEL(keel_pool, pool, keel_pool_element)
KEEL_KERNEL(keel_eltwise, eltwise, keel_eltwise_element)
KEEL_KERNEL(keel_unary, unary, keel_unary_element)
KEEL_KERNEL(keel_softmax, unary, keel_softmax_pixel)
KEEL_KERNEL(keel_resize, resize, keel_resize_element)
KEEL_KERNEL(keel_reduce, reduce, keel_reduce_element)
KEEL_KERNEL(keel_transpose, transpose, keel_transpose_element)
