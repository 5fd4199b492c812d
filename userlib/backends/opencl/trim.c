// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "opencl.h"

/*
 * Loading LLVM, which POCL brings, reads most of it once: to relocate it, and to initialize what
 * compiling would need. What was read stays in the process, tens of megabytes, and unless something
 * is compiled nobody looks at it again.
 */

#define LARGE ((size_t)8 << 20)
#define PIECE 2048 /* pages */

/* Of an entry of /proc/self/pagemap. */
#define PRESENT	  (1ull << 63)
#define SWAPPED	  (1ull << 62)
#define FROM_FILE (1ull << 61)

/* Not what the file holds: somebody has written to it, a debugger for example. */
static bool is_own(uint64_t entry)
{
	return entry & SWAPPED || (entry & PRESENT && !(entry & FROM_FILE));
}

static void trim_piece(uint8_t *first, const uint64_t *entries, size_t pages, size_t page)
{
	size_t i, end;

	for (i = 0; i < pages; i = end + 1) {
		for (end = i; end < pages && !is_own(entries[end]);)
			end++;
		if (end > i)
			madvise(first + i * page, (end - i) * page, MADV_DONTNEED);
	}
}

static void trim_segment(int pagemap, uint8_t *first, size_t pages, size_t page)
{
	uint64_t entries[PIECE];
	size_t n;

	for (; pages; pages -= n, first += n * page) {
		n = pages < PIECE ? pages : PIECE;
		if (pread(pagemap, entries, n * sizeof(*entries),
			  (off_t)((uintptr_t)first / page * sizeof(*entries))) !=
		    (ssize_t)(n * sizeof(*entries)))
			return;
		trim_piece(first, entries, n, page);
	}
}

/* Of others, an application's own among them, nobody knows who looks at them. */
static bool is_compiler(const char *path)
{
	return strstr(path, "/libLLVM") || strstr(path, "/libclang");
}

static int trim_object(struct dl_phdr_info *info, size_t size, void *pagemap)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned int i;

	if (!is_compiler(info->dlpi_name))
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + p->p_vaddr, first = begin / page * page;

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && p->p_filesz >= LARGE)
			trim_segment(*(int *)pagemap, (uint8_t *)first,
				     (begin + p->p_filesz - first) / page, page);
	}
	return 0;
}

void keel_cl_trim(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (pagemap < 0)
		return;
	dl_iterate_phdr(trim_object, &pagemap);
	close(pagemap);
}
