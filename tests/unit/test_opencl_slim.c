// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What is left of POCL's binaries, and of the libraries that it brings. */
#include <check.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/opencl/cache.h"
#include "backends/opencl/opencl.h"

#define CODE  1000
#define FILES 40 /* machine code of a kernel, with its name and length */

/** struct binary - one of POCL's, version 9: two kernels */
struct binary {
	unsigned char bytes[2048];
	size_t n;
};

static void put(struct binary *b, const void *data, size_t bytes)
{
	memcpy(b->bytes + b->n, data, bytes);
	b->n += bytes;
}

static void put32(struct binary *b, uint32_t v)
{
	put(b, &v, 4);
}

static void put64(struct binary *b, uint64_t v)
{
	put(b, &v, 8);
}

static void put_kernel(struct binary *b, unsigned char fill, uint64_t files)
{
	unsigned char rest[FILES + 10];

	memset(rest, fill, sizeof(rest));
	put64(b, 16 + sizeof(rest));
	put64(b, files);
	put(b, rest, sizeof(rest));
}

static struct binary make(uint32_t version, const char *name, uint64_t files)
{
	unsigned char code[CODE] = {0};
	struct binary b = {.n = 0};

	put(&b, "poclbin", 8);
	put64(&b, 1234);
	put32(&b, version);
	put32(&b, 2);
	put64(&b, 0);
	put32(&b, 1);
	put(&b, "AB/CDEFGHIJKLMNOPABCDEFGHIJKLMNOPABCDEFG", 41);
	put64(&b, 4 + strlen(name) + 4 + CODE);
	put32(&b, (uint32_t)strlen(name));
	put(&b, name, strlen(name));
	put32(&b, CODE);
	put(&b, code, CODE);
	put_kernel(&b, 1, FILES);
	put_kernel(&b, 2, files);
	return b;
}

START_TEST(code_goes_and_kernels_stay)
{
	struct binary b = make(9, "/program.bc", FILES), before = b;
	uint64_t files;

	ck_assert_uint_eq(keel_cl_slim(b.bytes, b.n), b.n - CODE);
	/* Another folder, and a file in it that says that there is no code. */
	ck_assert_mem_eq(b.bytes, before.bytes, 36 + 39);
	ck_assert_int_ne(b.bytes[36 + 39], before.bytes[36 + 39]);
	memcpy(&files, b.bytes + 77, 8);
	ck_assert_uint_eq(files, 4 + 11 + 4);
	ck_assert_mem_eq(b.bytes + 89, "/no_program\0\0\0\0", 15);
	ck_assert_mem_eq(b.bytes + 104, before.bytes + 104 + CODE, b.n - CODE - 104);
	ck_assert_uint_eq(keel_cl_slim(b.bytes, b.n - CODE), b.n - CODE);
}
END_TEST

static void check_kept(struct binary b, size_t n)
{
	struct binary before = b;

	ck_assert_uint_eq(keel_cl_slim(b.bytes, n), n);
	ck_assert_mem_eq(b.bytes, before.bytes, sizeof(b.bytes));
}

START_TEST(what_is_not_known_is_kept)
{
	struct binary b = make(9, "/program.bc", FILES);
	size_t n;

	check_kept(make(8, "/program.bc", FILES), b.n);
	check_kept(make(11, "/program.bc", FILES), b.n);
	check_kept(make(9, "/programXbc", FILES), b.n);
	/* A kernel without machine code would have to be compiled. */
	check_kept(make(9, "/program.bc", 0), b.n);
	check_kept(make(9, "/program.bc", UINT64_MAX), b.n);
	for (n = 0; n < b.n; n++)
		check_kept(b, n);
}
END_TEST

static void put_file(struct binary *b, const char *name, const char *content)
{
	put32(b, (uint32_t)strlen(name));
	put(b, name, strlen(name));
	put32(b, (uint32_t)strlen(content));
	put(b, content, strlen(content));
}

/* Of one kernel with one file, without its code. */
static size_t make_slim(struct binary *b, const char *name, const char *content)
{
	const uint32_t one = 1;
	uint64_t files;
	size_t at;

	*b = make(9, "/program.bc", FILES);
	memcpy(b->bytes + 20, &one, 4);
	b->n = 104 + CODE;
	at = b->n;
	put64(b, 0);
	put64(b, 0);
	put(b, "what POCL knows of it", 21);
	files = b->n;
	put_file(b, name, content);
	files = b->n - files;
	memcpy(b->bytes + at + 8, &files, 8);
	files = b->n - at;
	memcpy(b->bytes + at, &files, 8);
	return keel_cl_slim(b->bytes, b->n);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert(!fclose(f));
}

START_TEST(damaged_machine_code_is_removed)
{
	static const char *const texts[] = {"", "machine cod", "machine codf", "machine codes"};
	char folder[] = "/tmp/keel-slim-XXXXXX", path[128], command[128];
	struct binary b;
	size_t n = make_slim(&b, "/run/run.so", "machine code"), i;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(command, sizeof(command), "mkdir -p %s/%.40s/run", folder, (char *)b.bytes + 36);
	ck_assert(!system(command));
	snprintf(path, sizeof(path), "%s/%.40s/run/run.so", folder, (char *)b.bytes + 36);
	write_text(path, "machine code");
	keel_cl_mend(b.bytes, n, folder);
	ck_assert(!access(path, F_OK));
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		write_text(path, texts[i]);
		keel_cl_mend(b.bytes, n, folder);
		ck_assert(access(path, F_OK));
	}
	/* Nothing outside the folder, and nothing that a binary only half names. */
	write_text(path, "");
	keel_cl_mend(b.bytes, n - 1, folder);
	n = make_slim(&b, "/../run/run.so", "machine code");
	keel_cl_mend(b.bytes, n, folder);
	ck_assert(!access(path, F_OK));
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert(!system(command));
}
END_TEST

/** struct segment - a large one of a library that can't be written to */
struct segment {
	uint8_t *first;
	size_t bytes;
};

static int find_segment(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct segment *s = ctx;
	unsigned int i;

	for (i = 0; i < info->dlpi_phnum && !s->first; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && p->p_offset == 0 &&
		    p->p_filesz >= 16u << 20)
			*s = (struct segment){(uint8_t *)info->dlpi_addr + p->p_vaddr, p->p_filesz};
	}
	return 0;
}

static long file_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssFile: %ld", &kib) == 1)
			break;
	ck_assert_ptr_nonnull(f);
	fclose(f);
	return kib;
}

static unsigned int sum_of(const struct segment *s)
{
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < s->bytes; i += 1024)
		sum += s->first[i];
	return sum;
}

START_TEST(pages_go_unless_they_were_written)
{
	struct segment s = {NULL, 0};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned int sum;
	cl_uint platforms;
	long before;

	/* It brings LLVM along, where it is POCL's. */
	if (clGetPlatformIDs(0, NULL, &platforms))
		return;
	dl_iterate_phdr(find_segment, &s);
	if (!s.first)
		return;
	/* Bytes of the file's head that say nothing. */
	ck_assert(!mprotect(s.first, page, PROT_READ | PROT_WRITE));
	s.first[15] = 77;
	ck_assert(!mprotect(s.first, page, PROT_READ | PROT_EXEC));
	sum = sum_of(&s);
	before = file_kib();
	keel_cl_trim();
	ck_assert_int_lt(file_kib(), before - 12 * 1024);
	ck_assert_int_eq(s.first[15], 77);
	ck_assert_uint_eq(sum_of(&s), sum);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opencl: slim");
	TCase *t = tcase_create("slim");
	SRunner *runner;
	int failed;

	tcase_add_test(t, code_goes_and_kernels_stay);
	tcase_add_test(t, what_is_not_known_is_kept);
	tcase_add_test(t, damaged_machine_code_is_removed);
	tcase_add_test(t, pages_go_unless_they_were_written);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
