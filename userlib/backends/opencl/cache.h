/* SPDX-License-Identifier: MIT */
#ifndef KEEL_OPENCL_CACHE_H
#define KEEL_OPENCL_CACHE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Built programs and the verdicts of self-tests, one file each in the cache folder. A
 * file is used only when it belongs to the user, is whole, and states the same key.
 * Nothing that goes wrong here is an error: what can't be cached is built again.
 * Entries that were unused for longest are removed when there are too many.
 */

/** struct keel_cl_key - what an entry depends on
 * @text: device, driver, processor, tier and length of the text, for people too
 * @hash: of @text and the kernels' text
 */
struct keel_cl_key {
	char text[384];
	uint64_t hash;
};

void keel_cl_key_init(struct keel_cl_key *key, const char *device, const char *driver,
		      const char *variant, const char *text, size_t bytes);

/**
 * keel_cl_cache_folder() - folder to use, from malloc; NULL: none
 * @wanted: of struct keel_device_options
 */
char *keel_cl_cache_folder(const char *wanted);

/** keel_cl_cache_load() - 0 and the entry's data from malloc, or -ENOENT; @folder may be NULL */
int keel_cl_cache_load(const char *folder, const struct keel_cl_key *key, unsigned char **data,
		       size_t *bytes);
void keel_cl_cache_store(const char *folder, const struct keel_cl_key *key, const void *data,
			 size_t bytes);

#endif
