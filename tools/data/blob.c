// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob.h"

static int check_regular(const char *path, const struct stat *st, struct keel_error *e)
{
	if (S_ISDIR(st->st_mode))
		return keel_error_set(e, -EISDIR, "%s: is a directory, a file is wanted here",
				      path);
	if (!S_ISREG(st->st_mode))
		return keel_error_set(
			e, -EINVAL, "%s: is no regular file; save the data to a file first", path);
	return 0;
}

static int open_regular(const char *path, struct stat *st, struct keel_error *e)
{
	int fd, err;

	/* O_NONBLOCK: opening a FIFO that nobody writes to must not hang */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return keel_error_set(e, -errno, "%s: can't be opened: %s", path, strerror(errno));
	if (fstat(fd, st)) {
		err = keel_error_set(e, -errno, "%s: %s", path, strerror(errno));
		goto err_close;
	}
	err = check_regular(path, st, e);
	if (err)
		goto err_close;
	return fd;

err_close:
	close(fd);
	return err;
}

/* Returns bytes read: less than @size only at the end of the file. */
static ssize_t read_fully(int fd, uint8_t *data, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = read(fd, data + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static int read_blob(int fd, const char *path, struct keel_blob *b, struct keel_error *e)
{
	ssize_t n;

	n = read_fully(fd, b->data, b->size);
	if (n < 0)
		return keel_error_set(e, n, "%s: can't be read: %s", path, strerror(-n));
	if ((size_t)n != b->size)
		return keel_error_set(e, -EIO, "%s: shrank from %zu to %zd bytes while it was read",
				      path, b->size, n);
	b->data[n] = 0;
	return 0;
}

int keel_blob_read(const char *path, size_t limit, struct keel_blob *b, struct keel_error *e)
{
	struct stat st;
	int fd, err;

	b->data = NULL;
	b->size = 0;
	fd = open_regular(path, &st, e);
	if (fd < 0)
		return fd;
	err = -EFBIG;
	if ((uint64_t)st.st_size > limit) {
		keel_error_set(e, err, "%s: has %lld bytes, the limit here is %zu", path,
			       (long long)st.st_size, limit);
		goto out;
	}
	err = -ENOMEM;
	b->size = st.st_size;
	b->data = malloc(b->size + 1);
	if (!b->data) {
		keel_error_set(e, err, "%s: no memory for its %zu bytes", path, b->size);
		goto out;
	}
	err = read_blob(fd, path, b, e);
out:
	if (err)
		keel_blob_free(b);
	close(fd);
	return err;
}

int keel_blob_head(const char *path, void *buffer, size_t size, struct keel_error *e)
{
	struct stat st;
	ssize_t n;
	int fd;

	fd = open_regular(path, &st, e);
	if (fd < 0)
		return fd;
	n = read_fully(fd, buffer, size);
	close(fd);
	if (n < 0)
		return keel_error_set(e, n, "%s: can't be read: %s", path, strerror(-n));
	return n;
}

char *keel_blob_text(const struct keel_blob *b)
{
	char *text = (char *)b->data;

	return strncmp(text, "\xef\xbb\xbf", 3) ? text : text + 3;
}

void keel_blob_free(struct keel_blob *b)
{
	free(b->data);
	b->data = NULL;
	b->size = 0;
}
