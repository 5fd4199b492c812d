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

/**
 * keel_cl_slim() - take out of a program's binary what is needed only to compile it again
 *
 * Return: the bytes that are left; all of them where the binary isn't one that is known.
 */
size_t keel_cl_slim(unsigned char *data, size_t bytes);

/**
 * keel_cl_mend() - remove machine code in POCL's cache that isn't what a slim binary holds
 * @folder: POCL's
 *
 * POCL writes files that are missing, but executes those that are there, whatever is in them.
 */
void keel_cl_mend(const unsigned char *data, size_t bytes, const char *folder);

#endif
