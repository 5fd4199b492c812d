/* SPDX-License-Identifier: MIT */
#ifndef KEEL_ERROR_H
#define KEEL_ERROR_H

/*
 * Errors are sentences. Every user-space function that can fail for a reason
 * a person should read takes a struct keel_error, returns a negative errno and
 * leaves one sentence: what was wrong, where, which limit, what to do.
 */

/* The same struct is in libkeel's public header, which stands alone. */
#ifndef KEEL_ERROR_STRUCT
#define KEEL_ERROR_STRUCT
/** struct keel_error - the sentence behind a negative errno
 * @text: one sentence without a trailing newline; empty when nothing failed
 */
struct keel_error {
	char text[512];
};
#endif

/**
 * keel_error_set() - write the sentence and pass the errno on
 * @e: where to write; may be NULL
 * @err: negative errno, returned unchanged
 * @fmt: printf format of the sentence
 *
 * Control characters that come from untrusted names are replaced by '?'.
 * The usual form is ``return keel_error_set(e, -EINVAL, "...", ...);``.
 */
int keel_error_set(struct keel_error *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
