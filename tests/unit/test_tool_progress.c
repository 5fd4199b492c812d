// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "progress.h"

static const struct {
	size_t done, total;
	double elapsed;
	unsigned int columns;
	const char *line;
} lines[] = {
	{50, 100, 10, 80,
	 "work [###################...................]   50 %  50/100  5.00/s  0:10 left"},
	{0, 100, 0, 80,
	 "work [........................................]    0 %  0/100  0.00/s  - left"},
	{100, 100, 4, 80,
	 "work [#######################################]  100 %  100/100  25/s  0:00 left"},
	{1, 7201, 1, 60, "work [...............]    0 %  1/7201  1.00/s  2:00:00 left"},
	{5, 10, 1, 20, "work  50 %  5/10  5"},
	{12, 0, 2, 80, "work 12  6.00/s"},
	{11, 10, 1, 60, "work [########################]  110 %  11/10  11/s  - left"},
};

START_TEST(line_drawn)
{
	char line[256];

	keel_progress_format(line, sizeof(line), "work", lines[_i].done, lines[_i].total,
			     lines[_i].elapsed, lines[_i].columns);
	ck_assert_uint_lt(strlen(line), lines[_i].columns);
	ck_assert_msg(!strcmp(line, lines[_i].line), "\n%s\n%s", line, lines[_i].line);
}
END_TEST

START_TEST(width_kept)
{
	char line[256];
	unsigned int columns;

	for (columns = 1; columns < 250; columns++) {
		keel_progress_format(line, sizeof(line), "a longer label than usual", 123456,
				     1234567, 100, columns);
		ck_assert_uint_lt(strlen(line), columns);
	}
}
END_TEST

/* Standard error becomes @fd while a bar that is a second old runs. */
static void run_bar(int fd, bool quiet)
{
	struct keel_progress p;
	int saved = dup(2);

	dup2(fd, 2);
	keel_progress_begin(&p, "work", 4, quiet);
	p.start -= 1;
	p.next -= 1;
	keel_progress_add(&p, 1);
	p.next += 60; /* however slow the machine is, it isn't time yet */
	keel_progress_add(&p, 2);
	keel_progress_end(&p);
	dup2(saved, 2);
	close(saved);
}

static int open_terminal(int *other)
{
	struct winsize size = {.ws_row = 24, .ws_col = 60};
	int fd = posix_openpt(O_RDWR | O_NOCTTY);

	if (fd < 0 || grantpt(fd) || unlockpt(fd))
		return -1;
	*other = open(ptsname(fd), O_RDWR | O_NOCTTY);
	if (*other >= 0)
		ioctl(*other, TIOCSWINSZ, &size);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return *other < 0 ? -1 : fd;
}

/* What was written to @other until now; a terminal delivers late and in pieces. */
static void read_terminal(int fd, int other, char *text, size_t size)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};
	size_t n = 0;
	ssize_t got;

	ck_assert_int_eq(write(other, "#", 1), 1);
	do {
		ck_assert_int_eq(poll(&in, 1, 60000), 1);
		got = read(fd, text + n, size - n);
		ck_assert_int_gt(got, 0);
		n += (size_t)got;
		ck_assert_uint_lt(n, size);
	} while (text[n - 1] != '#');
	text[n - 1] = '\0';
}

START_TEST(terminal)
{
	char text[512];
	int other, fd = open_terminal(&other);

	if (fd < 0) {
		printf("terminal skipped: no pseudo terminals here\n");
		return;
	}
	setenv("TERM", "xterm", 1);
	run_bar(other, true);
	read_terminal(fd, other, text, sizeof(text));
	ck_assert_str_eq(text, "");
	run_bar(other, false);
	read_terminal(fd, other, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, " 25 %  1/4"));
	ck_assert_ptr_null(strstr(text, "3/4"));
	ck_assert_str_eq(strrchr(text, '\r'), "\r\033[K");
	setenv("TERM", "dumb", 1);
	run_bar(other, false);
	read_terminal(fd, other, text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(waiting)
{
	struct pollfd in = {.events = POLLIN};
	struct keel_waiting w;
	char text[512];
	int other, saved = dup(2);

	in.fd = open_terminal(&other);
	if (in.fd < 0)
		return;
	setenv("TERM", "xterm", 1);
	dup2(other, 2);
	keel_waiting_begin(&w, "working for longer than a narrow terminal has room for it");
	ck_assert_int_eq(poll(&in, 1, 60000), 1);
	keel_waiting_end(&w);
	read_terminal(in.fd, other, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text,
				     "\rworking for longer than a narrow terminal has room for "
				     "it .\033[K"));
	ck_assert_str_eq(strrchr(text, '\r'), "\r\033[K");
	keel_waiting_begin(&w, "work");
	ck_assert(w.shown);
	keel_waiting_end(&w);
	setenv("TERM", "dumb", 1);
	keel_waiting_begin(&w, "work");
	ck_assert(!w.shown);
	keel_waiting_end(&w);
	dup2(saved, 2);
	read_terminal(in.fd, other, text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

/* Work that is done within half a second leaves no trace. */
START_TEST(short_work)
{
	struct keel_progress p;
	int fd[2], saved = dup(2);
	char c;

	ck_assert_int_eq(pipe(fd), 0);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	dup2(fd[1], 2);
	keel_progress_begin(&p, "work", 1, false);
	p.shown = true;
	p.next += 60;
	keel_progress_add(&p, 1);
	keel_progress_end(&p);
	dup2(saved, 2);
	ck_assert_int_lt(read(fd[0], &c, 1), 0);
}
END_TEST

START_TEST(pipe_stays_silent)
{
	char text[16];
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	setenv("TERM", "xterm", 1);
	run_bar(fd[1], false);
	ck_assert_int_lt(read(fd[0], text, sizeof(text)), 0);
}
END_TEST

static void *count(void *arg)
{
	int i;

	for (i = 0; i < 10000; i++)
		keel_progress_add(arg, 1);
	return NULL;
}

START_TEST(threads)
{
	struct keel_progress p;
	pthread_t t[4];
	int i;

	keel_progress_begin(&p, "work", 40000, false);
	p.shown = true;
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, count, &p), 0);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(atomic_load(&p.done), 40000);
	keel_progress_end(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("progress");
	TCase *tc = tcase_create("progress");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, line_drawn, 0, sizeof(lines) / sizeof(lines[0]));
	tcase_add_test(tc, width_kept);
	tcase_add_test(tc, terminal);
	tcase_add_test(tc, waiting);
	tcase_add_test(tc, short_work);
	tcase_add_test(tc, pipe_stays_silent);
	tcase_add_test(tc, threads);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
