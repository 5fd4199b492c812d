// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output.h"
#include "data_fixture.h"

static void setup(void)
{
	data_fixture_folder();
}

static void check_contents(const char *path, const char *text)
{
	char have[64] = "";
	FILE *f = fopen(path, "r");

	ck_assert_msg(f, "%s: %s", path, strerror(errno));
	have[fread(have, 1, sizeof(have) - 1, f)] = 0;
	fclose(f);
	ck_assert_str_eq(have, text);
}

START_TEST(made_at_commit)
{
	const char *path = data_fixture_path("a");
	struct keel_outfile *out;

	ck_done(keel_outfile_open(path, &out, e));
	ck_done(keel_outfile_write(out, "one", 3, e));
	fprintf(keel_outfile_stream(out), " two");
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_done(keel_outfile_commit(out, e));
	check_contents(path, "one two");
	ck_assert_int_eq(data_fixture_entries(), 1);
}
END_TEST

START_TEST(old_file_stays_until_commit)
{
	const char *path = data_fixture_text("a", "old");
	struct keel_outfile *out;
	struct stat st;

	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_done(keel_outfile_open(path, &out, e));
	ck_done(keel_outfile_write(out, "new", 3, e));
	check_contents(path, "old");
	keel_outfile_cancel(out);
	check_contents(path, "old");
	ck_assert_int_eq(data_fixture_entries(), 1);
	ck_done(keel_outfile_save(path, "new", 3, e));
	check_contents(path, "new");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	keel_outfile_cancel(NULL);
}
END_TEST

START_TEST(link_is_followed)
{
	struct stat st;

	data_fixture_text("d/real", "old");
	ck_assert_int_eq(symlink("d/real", data_fixture_path("link")), 0);
	ck_done(keel_outfile_save(data_fixture_path("link"), "new", 3, e));
	ck_assert_int_eq(lstat(data_fixture_path("link"), &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	check_contents(data_fixture_path("d/real"), "new");
}
END_TEST

START_TEST(refused)
{
	struct keel_outfile *out;

	ck_refused(keel_outfile_open(data_fixture_path("none/a"), &out, e), -ENOENT,
		   "none/a: can't be");
	ck_refused(keel_outfile_open(data_fixture_path("."), &out, e), -EISDIR, "irectory");
	data_fixture_text("file", "");
	ck_refused(keel_outfile_open(data_fixture_path("file/a"), &out, e), -ENOTDIR, "file/a");
	ck_assert_int_eq(data_fixture_entries(), 1);
}
END_TEST

/* A device must not be replaced by a file, least of all when root does it. */
START_TEST(device_is_written_to)
{
	struct keel_outfile *out;
	struct stat st;

	ck_done(keel_outfile_save("/dev/null", "text", 4, e));
	ck_assert_int_eq(stat("/dev/null", &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	if (access("/dev/full", W_OK))
		return;
	ck_done(keel_outfile_open("/dev/full", &out, e));
	ck_done(keel_outfile_write(out, "text", 4, e));
	ck_refused(keel_outfile_commit(out, e), -ENOSPC, "/dev/full: can't be written");
}
END_TEST

/* A limit on the size of files behaves like a full disk. */
static void limit_files(size_t bytes)
{
	struct rlimit limit = {bytes, bytes};

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(disk_full)
{
	static const char text[20000];
	const char *path = data_fixture_text("a", "old");
	struct keel_outfile *out;

	limit_files(8192);
	ck_refused(keel_outfile_save(path, text, sizeof(text), e), -EFBIG,
		   "nothing was left behind");
	check_contents(path, "old");
	ck_assert_int_eq(data_fixture_entries(), 1);
	/* noticed at the end only */
	limit_files(4);
	ck_done(keel_outfile_open(path, &out, e));
	ck_done(keel_outfile_write(out, "12345", 5, e));
	ck_refused(keel_outfile_commit(out, e), -EFBIG, "nothing was left behind");
	check_contents(path, "old");
	ck_assert_int_eq(data_fixture_entries(), 1);
}
END_TEST

/* An early write error isn't forgotten, whatever follows it. */
START_TEST(early_error_is_kept)
{
	static const char text[200000];
	struct keel_outfile *out;
	struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, small = {100, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	ck_done(keel_outfile_open(data_fixture_path("a"), &out, e));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	fwrite(text, 1, sizeof(text), keel_outfile_stream(out));
	fflush(keel_outfile_stream(out));
	if (setrlimit(RLIMIT_FSIZE, &none))
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 30, RLIM_INFINITY});
	{
		struct keel_error e = {""};

		ck_assert_int_lt(keel_outfile_commit(out, &e), 0);
		ck_assert(e.text[0]);
	}
	ck_assert_int_eq(data_fixture_entries(), 0);
}
END_TEST

START_TEST(many_at_once)
{
	struct keel_outfile *out[KEEL_OUTFILE_MAX + 1];
	char name[16];
	int i;

	for (i = 0; i < KEEL_OUTFILE_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_done(keel_outfile_open(data_fixture_path(name), &out[i], e));
	}
	ck_refused(keel_outfile_open(data_fixture_path("g"), &out[i], e), -EMFILE, "more than 32");
	keel_outfile_cancel(out[0]);
	ck_done(keel_outfile_open(data_fixture_path("g"), &out[0], e));
	for (i = 0; i < KEEL_OUTFILE_MAX; i++)
		ck_done(keel_outfile_commit(out[i], e));
	ck_assert_int_eq(data_fixture_entries(), KEEL_OUTFILE_MAX);
}
END_TEST

/* Run @child in another process up to its first word, then send @signal; returns how it ended. */
static int run_child(void (*child)(int ready), int signal)
{
	int ready[2], status;
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		child(ready[1]);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	if (signal)
		kill(pid, signal);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	return status;
}

static void open_two(void)
{
	static struct keel_outfile *out[2]; /* static: no leak, whoever looks for leaks at exit */

	if (keel_outfile_open(data_fixture_path("a"), &out[0], NULL) ||
	    keel_outfile_open(data_fixture_path("b"), &out[1], NULL))
		_exit(9);
}

static void interrupted_child(int ready)
{
	open_two();
	if (data_fixture_entries() == 2)
		(void)!write(ready, "x", 1);
	for (;;)
		pause();
}

START_TEST(interrupted)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	int status;

	signal(signals[_i], SIG_DFL);
	status = run_child(interrupted_child, signals[_i]);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), signals[_i]);
	ck_assert_int_eq(data_fixture_entries(), 0);
}
END_TEST

static void exiting_child(int ready)
{
	open_two();
	(void)!write(ready, "x", 1);
	exit(3);
}

START_TEST(exit_without_commit)
{
	int status = run_child(exiting_child, 0);

	ck_assert_int_eq(WEXITSTATUS(status), 3);
	ck_assert_int_eq(data_fixture_entries(), 0);
}
END_TEST

static void ignoring_child(int ready)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_DFL); /* check has a handler of its own */
	interrupted_child(ready);
}

/* nohup: a hangup that is ignored must stay ignored. */
START_TEST(ignored_signal)
{
	int ready[2], status;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid)
		ignoring_child(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	kill(pid, SIGHUP);
	usleep(50000);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	ck_assert_int_eq(data_fixture_entries(), 2);
	kill(pid, SIGTERM);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(data_fixture_entries(), 0);
}
END_TEST

/* A child process that ends leaves its parent's unfinished files alone. */
START_TEST(child_exits)
{
	struct keel_outfile *out;
	int status;
	pid_t pid;

	ck_done(keel_outfile_open(data_fixture_path("a"), &out, e));
	pid = fork();
	if (!pid)
		exit(0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_done(keel_outfile_write(out, "x", 1, e));
	ck_done(keel_outfile_commit(out, e));
	check_contents(data_fixture_path("a"), "x");
}
END_TEST

START_TEST(standard_output)
{
	struct keel_outfile *out;
	int saved = dup(1), fd = open(data_fixture_path("a"), O_CREAT | O_RDWR, 0600);

	fflush(stdout);
	dup2(fd, 1);
	ck_done(keel_outfile_open("-", &out, e));
	ck_done(keel_outfile_write(out, "x", 1, e));
	ck_done(keel_outfile_commit(out, e));
	dup2(saved, 1);
	check_contents(data_fixture_path("a"), "x");
	printf("still open\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("output");
	TCase *tc = tcase_create("output");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, data_fixture_remove);
	tcase_add_test(tc, made_at_commit);
	tcase_add_test(tc, old_file_stays_until_commit);
	tcase_add_test(tc, link_is_followed);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, device_is_written_to);
	tcase_add_test(tc, disk_full);
	tcase_add_test(tc, early_error_is_kept);
	tcase_add_test(tc, many_at_once);
	tcase_add_loop_test(tc, interrupted, 0, 3);
	tcase_add_test(tc, exit_without_commit);
	tcase_add_test(tc, ignored_signal);
	tcase_add_test(tc, child_exits);
	tcase_add_test(tc, standard_output);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	/* Tests end their process, and set limits that it can't take back. */
	srunner_set_fork_status(sr, CK_FORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
