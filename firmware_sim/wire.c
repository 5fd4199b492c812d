// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire.h"

#define PATIENCE_MS 10000

static int unix_address(const char *path, struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (!path[0] || strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, strlen(path));
	return 0;
}

int sim_wire_connect(const char *path)
{
	struct sockaddr_un a;
	int s, err = unix_address(path, &a);

	if (err)
		return err;
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return -errno;
	if (!connect(s, (struct sockaddr *)&a, sizeof(a)))
		return s;
	err = -errno;
	close(s);
	return err;
}

/* A connection would be served as a guest; one of the wrong type only tells whether it could be. */
static bool is_served(const struct sockaddr_un *a)
{
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool served =
		s >= 0 && connect(s, (const struct sockaddr *)a, sizeof(*a)) && errno == EPROTOTYPE;

	if (s >= 0)
		close(s);
	return served;
}

/* Only a socket that nobody listens at is taken away. */
static int remove_dead_socket(const char *path, const struct sockaddr_un *a, struct keel_error *e)
{
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return keel_error_set(e, -EEXIST, "'%s' exists and is no socket; name another path",
				      path);
	if (is_served(a))
		return keel_error_set(
			e, -EADDRINUSE,
			"another process listens at '%s'; end it or name another path", path);
	unlink(path);
	return 0;
}

int sim_wire_listen(const char *path, struct keel_error *e)
{
	struct sockaddr_un a;
	int s, err;

	if (unix_address(path, &a))
		return keel_error_set(
			e, -ENAMETOOLONG,
			"the socket's path '%s' has %zu characters; 1 to %zu are possible", path,
			strlen(path), sizeof(a.sun_path) - 1);
	err = remove_dead_socket(path, &a, e);
	if (err)
		return err;
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s >= 0 && !bind(s, (struct sockaddr *)&a, sizeof(a)) && !listen(s, 4))
		return s;
	err = -errno;
	if (s >= 0)
		close(s);
	return keel_error_set(e, err, "can't listen at '%s': %s", path, strerror(-err));
}

static int wait_for(int fd, short events, int stop, int ms)
{
	struct pollfd p[2] = {{fd, events, 0}, {stop, POLLIN, 0}};
	int n;

	do
		n = poll(p, 2, ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (p[1].revents)
		return -ECANCELED;
	return n ? 0 : -ETIMEDOUT;
}

int sim_wire_accept(int listener, int stop)
{
	int s, err;

	do {
		err = wait_for(listener, POLLIN, stop, -1);
		if (err)
			return err;
		s = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (s < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED));
	return s < 0 ? -errno : s;
}

static int keep_files(const struct cmsghdr *c, struct sim_files *files)
{
	unsigned int i, n = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	int fd, err = 0;

	for (i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		if (files && files->count < SIM_WIRE_FILES) {
			files->fd[files->count++] = fd;
		} else {
			close(fd);
			err = -EMFILE;
		}
	}
	return err;
}

static ssize_t recv_some(int s, void *data, size_t bytes, struct sim_files *files)
{
	/* One more than we take, so that more than that are noticed. */
	union {
		char room[CMSG_SPACE((SIM_WIRE_FILES + 1) * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec piece = {data, bytes};
	struct msghdr m = {.msg_iov = &piece,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	int err = 0;
	ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    keep_files(c, files))
			err = -EMFILE;
	/* This process has as many open as it may. */
	if (m.msg_flags & MSG_CTRUNC)
		err = -EMFILE;
	return err ? err : n;
}

int sim_wire_recv(const struct sim_wire *w, void *data, size_t bytes, struct sim_files *files)
{
	size_t got = 0;
	ssize_t n;
	int err;

	while (got < bytes) {
		n = recv_some(w->fd, (uint8_t *)data + got, bytes - got, files);
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (!n || n == -ECONNRESET)
			return got ? -ECONNRESET : -ENOTCONN;
		if (n == -EINTR)
			continue;
		if (n != -EAGAIN)
			return (int)n;
		err = wait_for(w->fd, POLLIN, w->stop, -1);
		if (err)
			return err;
	}
	return 0;
}

int sim_wire_send(const struct sim_wire *w, const void *data, size_t bytes)
{
	size_t sent = 0;
	ssize_t n;
	int err;

	while (sent < bytes) {
		n = send(w->fd, (const uint8_t *)data + sent, bytes - sent, MSG_NOSIGNAL);
		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		err = wait_for(w->fd, POLLOUT, w->stop, PATIENCE_MS);
		if (err)
			return err;
	}
	return 0;
}

int sim_files_take(struct sim_files *files, unsigned int i)
{
	int fd;

	if (i >= files->count)
		return -1;
	fd = files->fd[i];
	files->fd[i] = -1;
	return fd;
}

void sim_files_close(struct sim_files *files)
{
	unsigned int i;

	for (i = 0; i < files->count; i++)
		if (files->fd[i] >= 0)
			close(files->fd[i]);
	files->count = 0;
}
