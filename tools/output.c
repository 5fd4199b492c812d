// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

/*
 * Temporary files that a signal must remove. The handler can't lock or
 * allocate, so they are kept in a fixed table. A slot is TAKEN while its path
 * is being written and LIVE while the path may exist; the handler looks at
 * LIVE ones only. A path is LIVE before its file is made and until after it
 * has been renamed or removed: unlinking what isn't there does no harm.
 */
enum { FREE, TAKEN, LIVE };

static struct slot {
	atomic_int state;
	char path[PATH_MAX];
} slots[KEEL_OUTFILE_MAX];

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

/** struct keel_outfile - a file being written
 * @stream: where it goes
 * @name: as the caller knows it, for sentences
 * @target: final path, links resolved
 * @slot: of the temporary path; NULL when written to directly
 * @borrowed: @stream is the standard output
 */
struct keel_outfile {
	FILE *stream;
	char *name, *target;
	struct slot *slot;
	bool borrowed;
};

static pid_t owner;

/* Files that are read. A fixed number will do: these come from the command line one by one. */
static struct spared {
	dev_t dev;
	ino_t ino;
} spared[128];
static unsigned int nr_spared;

/* A child that ends must not take its parent's files along. */
void keel_outfile_abandon(void)
{
	int i;

	if (getpid() != owner)
		return;
	for (i = 0; i < KEEL_OUTFILE_MAX; i++)
		if (atomic_load(&slots[i].state) == LIVE)
			unlink(slots[i].path);
}

static void remove_and_die(int signal)
{
	keel_outfile_abandon();
	/* SA_RESETHAND has put the default back: die of the same signal */
	raise(signal);
}

/* A program that ignores a signal (nohup) or handles it keeps its ways. */
static void install_handlers(void)
{
	struct sigaction old, new = {.sa_handler = remove_and_die, .sa_flags = SA_RESETHAND};
	size_t i;

	owner = getpid();
	atexit(keel_outfile_abandon);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(signals[i], &new, NULL);
}

static struct slot *take_slot(void)
{
	int i, expected;

	for (i = 0; i < KEEL_OUTFILE_MAX; i++) {
		expected = FREE;
		if (atomic_compare_exchange_strong(&slots[i].state, &expected, TAKEN))
			return &slots[i];
	}
	return NULL;
}

static void give_slot(struct slot *s)
{
	atomic_store(&s->state, FREE);
}

static int failed(const char *path, const char *what, int err, struct keel_error *e)
{
	const char *hint = "";

	if (err == ENOSPC || err == EDQUOT || err == EFBIG)
		hint = "; nothing was left behind, make room and try again";
	return keel_error_set(e, -err, "%.300s: can't be %s: %s%s", path, what, strerror(err),
			      hint);
}

/* A name in the same folder, so that rename() stays within one file system. */
static int make_temporary(struct keel_outfile *out, mode_t mode, struct keel_error *e)
{
	int fd, length;

	length = snprintf(out->slot->path, PATH_MAX, "%s.tmp.%ld.%d", out->target, (long)getpid(),
			  (int)(out->slot - slots));
	if (length >= PATH_MAX)
		return failed(out->name, "written", ENAMETOOLONG, e);
	atomic_store(&out->slot->state, LIVE);
	fd = open(out->slot->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST && !unlink(out->slot->path))
		/* left by a process of the same number that was killed */
		fd = open(out->slot->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return failed(out->name, "written", errno, e);
	if (mode)
		fchmod(fd, mode & 07777);
	out->stream = fdopen(fd, "w");
	if (out->stream)
		return 0;
	close(fd);
	unlink(out->slot->path);
	return failed(out->name, "written", ENOMEM, e);
}

static int open_temporary(struct keel_outfile *out, mode_t mode, struct keel_error *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	pthread_once(&once, install_handlers);
	out->slot = take_slot();
	if (!out->slot)
		return keel_error_set(e, -EMFILE, "%s: more than %d output files are open",
				      out->name, KEEL_OUTFILE_MAX);
	err = make_temporary(out, mode, e);
	if (err) {
		give_slot(out->slot);
		out->slot = NULL;
	}
	return err;
}

void keel_outfile_spare(const char *path)
{
	struct stat st;

	if (nr_spared < sizeof(spared) / sizeof(spared[0]) && !stat(path, &st) &&
	    S_ISREG(st.st_mode))
		spared[nr_spared++] = (struct spared){st.st_dev, st.st_ino};
}

static bool is_spared(const struct stat *st)
{
	unsigned int i;

	for (i = 0; i < nr_spared; i++)
		if (spared[i].dev == st->st_dev && spared[i].ino == st->st_ino)
			return true;
	return false;
}

/* Temporary names tell what is being written. */
static bool in_progress(const char *target)
{
	size_t n = strlen(target);
	int i;

	for (i = 0; i < KEEL_OUTFILE_MAX; i++)
		if (atomic_load(&slots[i].state) == LIVE && !strncmp(slots[i].path, target, n) &&
		    !strncmp(slots[i].path + n, ".tmp.", 5))
			return true;
	return false;
}

static int open_directly(struct keel_outfile *out, struct keel_error *e)
{
	out->stream = fopen(out->target, "we");
	return out->stream ? 0 : failed(out->name, "written", errno, e);
}

static void release(struct keel_outfile *out)
{
	if (out->slot)
		give_slot(out->slot);
	free(out->name);
	free(out->target);
	free(out);
}

/* Of a file that isn't there yet, the folder can be resolved; NULL without memory. */
static char *resolve(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *whole = realpath(path, NULL), *folder, *real;

	if (whole)
		return whole;
	folder = slash ? strndup(path, slash - path + 1) : strdup(".");
	real = folder ? realpath(folder, NULL) : NULL;
	if (!real || asprintf(&whole, "%s/%s", real, slash ? slash + 1 : path) < 0)
		whole = strdup(path); /* nowhere; opening it will say so */
	free(folder);
	free(real);
	return whole;
}

static int open_target(struct keel_outfile *out, const char *path, struct keel_error *e)
{
	struct stat st = {0};

	out->name = strdup(path);
	out->target = resolve(path);
	if (!out->name || !out->target)
		return failed(path, "written", ENOMEM, e);
	if (stat(out->target, &st) && errno != ENOENT)
		return failed(path, "written", errno, e);
	if (S_ISDIR(st.st_mode))
		return failed(path, "written", EISDIR, e);
	if (st.st_mode && !S_ISREG(st.st_mode))
		return open_directly(out, e);
	if (st.st_mode && access(out->target, W_OK))
		return failed(path, "written", errno, e);
	if (st.st_mode && is_spared(&st))
		return keel_error_set(e, -EINVAL,
				      "%s: is read here and can't be written, too; give the output "
				      "another name",
				      path);
	if (in_progress(out->target))
		return keel_error_set(
			e, -EINVAL, "%s: can't be two outputs in one; give them names that differ",
			path);
	return open_temporary(out, st.st_mode, e);
}

int keel_outfile_open(const char *path, struct keel_outfile **handle, struct keel_error *e)
{
	struct keel_outfile *out = calloc(1, sizeof(*out));
	int err;

	*handle = NULL;
	if (!out)
		return failed(path, "written", ENOMEM, e);
	if (!strcmp(path, "-")) {
		out->stream = stdout;
		out->borrowed = true;
		out->name = strdup("the standard output");
		err = out->name ? 0 : failed(path, "written", ENOMEM, e);
	} else {
		err = open_target(out, path, e);
	}
	if (err) {
		release(out);
		return err;
	}
	*handle = out;
	return 0;
}

int keel_outfile_probe(const char *path, struct keel_error *e)
{
	struct keel_outfile *out = NULL;
	struct stat st;
	int err;

	/* A pipe's reader would take the probe for all there is. */
	if (!path || !strcmp(path, "-") ||
	    (!stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return 0;
	err = keel_outfile_open(path, &out, e);
	if (!err)
		keel_outfile_cancel(out);
	return err;
}

FILE *keel_outfile_stream(struct keel_outfile *out)
{
	return out->stream;
}

int keel_outfile_write(struct keel_outfile *out, const void *data, size_t size,
		       struct keel_error *e)
{
	if (fwrite(data, 1, size, out->stream) == size)
		return 0;
	return failed(out->name, "written", errno ? errno : EIO, e);
}

/* The rename must not reach the disk before the contents, nor be lost after success. */
static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, slash == path ? 1 : slash - path) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(folder);
}

/* EINVAL and ENOTSUP: pipes and terminals can't be synced */
static int flush(struct keel_outfile *out)
{
	errno = 0;
	if (fflush(out->stream) || ferror(out->stream))
		return errno ? errno : EIO;
	if (out->slot && fsync(fileno(out->stream)) && errno != EINVAL && errno != ENOTSUP)
		return errno;
	return 0;
}

int keel_outfile_commit(struct keel_outfile *out, struct keel_error *e)
{
	int err = flush(out);

	if (err) {
		failed(out->name, "written", err, e);
		keel_outfile_cancel(out);
		return -err;
	}
	if (!out->borrowed && fclose(out->stream))
		err = errno;
	if (!err && out->slot && rename(out->slot->path, out->target))
		err = errno;
	if (err && out->slot)
		unlink(out->slot->path);
	if (err)
		failed(out->name, "written", err, e);
	else if (out->slot)
		sync_folder(out->target);
	release(out);
	return -err;
}

void keel_outfile_cancel(struct keel_outfile *out)
{
	if (!out)
		return;
	if (!out->borrowed)
		fclose(out->stream);
	if (out->slot)
		unlink(out->slot->path);
	release(out);
}

int keel_outfile_save(const char *path, const void *data, size_t size, struct keel_error *e)
{
	struct keel_outfile *out;
	int err;

	err = keel_outfile_open(path, &out, e);
	if (err)
		return err;
	err = keel_outfile_write(out, data, size, e);
	if (!err)
		return keel_outfile_commit(out, e);
	keel_outfile_cancel(out);
	return err;
}
