// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "blob.h"

#define GROW_FIRST 65536u

/** struct unpacker - one decompression
 * @z: zlib's state
 * @name: for sentences
 * @in: compressed bytes that zlib hasn't been given yet
 * @in_left: number of them
 * @out: what has come out, @used of @room bytes
 * @limit: largest @used allowed
 */
struct unpacker {
	z_stream z;
	const char *name;
	const uint8_t *in;
	size_t in_left;
	uint8_t *out;
	size_t used, room, limit;
};

static size_t size_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* One byte more than the limit may be made, to tell "full" from "too long". */
static int make_room(struct unpacker *u, struct keel_error *e)
{
	size_t room = u->room ? u->room * 2 : GROW_FIRST;
	uint8_t *out;

	if (u->used < u->room)
		return 0;
	if (u->used > u->limit)
		return keel_error_set(e, -EFBIG,
				      "%s: decompresses to more than %zu bytes, the limit here",
				      u->name, u->limit);
	room = size_min(room, u->limit + 1);
	out = realloc(u->out, room + 1);
	if (!out)
		return keel_error_set(e, -ENOMEM, "%s: no memory to decompress it", u->name);
	u->out = out;
	u->room = room;
	return 0;
}

static void feed(struct unpacker *u)
{
	if (u->z.avail_in)
		return;
	u->z.next_in = (Bytef *)u->in;
	u->z.avail_in = size_min(u->in_left, UINT_MAX);
	u->in += u->z.avail_in;
	u->in_left -= u->z.avail_in;
}

static int damaged(struct unpacker *u, const char *why, struct keel_error *e)
{
	return keel_error_set(e, -EBADMSG, "%s: the gzip data is damaged: %s", u->name, why);
}

/* Another member follows, or zero bytes as tapes leave them, or the end. */
static int next_member(struct unpacker *u, bool *done, struct keel_error *e)
{
	feed(u);
	*done = !u->z.avail_in || u->z.next_in[0] == 0;
	if (!*done && inflateReset(&u->z) != Z_OK)
		return damaged(u, "zlib can't go on", e);
	return 0;
}

static int inflate_step(struct unpacker *u, bool *done, struct keel_error *e)
{
	size_t piece;
	int ret, err;

	err = make_room(u, e);
	if (err)
		return err;
	feed(u);
	if (!u->z.avail_in)
		return damaged(u, "it ends too soon", e);

	piece = size_min(u->room - u->used, UINT_MAX);
	u->z.next_out = u->out + u->used;
	u->z.avail_out = piece;
	ret = inflate(&u->z, Z_NO_FLUSH);
	u->used += piece - u->z.avail_out;
	if (ret == Z_STREAM_END)
		return next_member(u, done, e);
	if (ret != Z_OK)
		return damaged(u, u->z.msg ? u->z.msg : "no sense in it", e);
	return 0;
}

static int inflate_all(struct unpacker *u, struct keel_error *e)
{
	bool done = false;
	int err = 0;

	while (!done && !err)
		err = inflate_step(u, &done, e);
	if (!err && u->used > u->limit)
		err = make_room(u, e);
	return err;
}

bool keel_blob_is_gzip(const void *data, size_t size)
{
	const uint8_t *p = data;

	return size >= 18 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

int keel_blob_gunzip(struct keel_blob *b, const char *name, size_t limit, struct keel_error *e)
{
	struct unpacker u = {.name = name, .in = b->data, .in_left = b->size, .limit = limit};
	int err;

	if (!keel_blob_is_gzip(b->data, b->size))
		return 0;
	/* 16: expect gzip's own header and checksum */
	if (inflateInit2(&u.z, 16 + MAX_WBITS) != Z_OK)
		return keel_error_set(e, -ENOMEM, "%s: no memory to decompress it", name);
	err = inflate_all(&u, e);
	inflateEnd(&u.z);
	if (err) {
		free(u.out);
		return err;
	}
	u.out[u.used] = 0;
	keel_blob_free(b);
	b->data = u.out;
	b->size = u.used;
	return 0;
}
