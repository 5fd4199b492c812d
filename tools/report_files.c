// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "output.h"
#include "page.h"
#include "report_files.h"

static int make_folder(const char *folder, struct keel_error *e)
{
	if (!mkdir(folder, 0777) || errno == EEXIST)
		return 0;
	return keel_error_set(e, -errno, "can't make the report folder '%s': %s", folder,
			      strerror(errno));
}

static int name_file(char path[PATH_MAX], const char *folder, const char *name,
		     struct keel_error *e)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX)
		return 0;
	return keel_error_set(e, -ENAMETOOLONG, "the name of the report folder is too long");
}

static const char *const names[] = {"report.txt", "report.html", "report.json"};

int keel_report_files_probe(const char *folder, struct keel_error *e)
{
	bool is_there = !access(folder, F_OK);
	char path[PATH_MAX];
	unsigned int i;
	int err = make_folder(folder, e);

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && !err; i++) {
		err = name_file(path, folder, names[i], e);
		if (!err)
			err = keel_outfile_probe(path, e);
	}
	if (!is_there)
		rmdir(folder);
	return err;
}

typedef void write_to(FILE *f, const struct keel_compiled *c, const struct keel_compile_options *o,
		      const struct keel_report_figures *figures);

static int write_one(write_to *write, const char *path, const struct keel_compiled *c,
		     const struct keel_compile_options *o, const struct keel_report_figures *f,
		     struct keel_error *e)
{
	struct keel_outfile *out;
	int err = keel_outfile_open(path, &out, e);

	if (err)
		return err;
	write(keel_outfile_stream(out), c, o, f);
	return keel_outfile_commit(out, e);
}

int keel_report_files_write(const char *folder, const struct keel_compiled *c,
			    const struct keel_compile_options *o,
			    const struct keel_report_figures *f, struct keel_error *e)
{
	static write_to *const writers[] = {keel_report_text, keel_page_write, NULL};
	char path[PATH_MAX];
	unsigned int i;
	int err = make_folder(folder, e);

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && !err; i++) {
		err = name_file(path, folder, names[i], e);
		if (!err && writers[i])
			err = write_one(writers[i], path, c, o, f, e);
		else if (!err)
			err = command_json(keel_report_json(c, o, f), path, e);
	}
	return err;
}
