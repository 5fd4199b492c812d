// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * fdexec SOCKET FD COMMAND ... : connect to a Unix socket and run a command that
 * finds the connection as file descriptor FD. QEMU's x-pci-proxy-dev takes its
 * remote process only as an open descriptor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "fdexec: %s is too long for the name of a socket\n", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror(path);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	int fd, wanted;

	if (argc < 4) {
		fprintf(stderr, "usage: fdexec SOCKET FD COMMAND ...\n");
		return 2;
	}
	wanted = atoi(argv[2]);
	fd = connect_to(argv[1]);
	if (fd < 0)
		return 1;
	if (fd != wanted) {
		if (dup2(fd, wanted) < 0) {
			perror("fdexec");
			return 1;
		}
		close(fd);
	}
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 127;
}
