// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "command.h"
#include "data/blob.h"
#include "keel.h"
#include "keel_hw.h"
#include "keel_validate.h"

/* keel doctor: what is there, what is missing, and what to do about it; one line each. */

enum { OPT_ROOT = 256, OPT_JSON };

static const struct argp_option options[] = {
	{"root", OPT_ROOT, "DIR", 0, "look at the system below DIR, a target's image for instance",
	 0},
	{"json", OPT_JSON, NULL, 0, "print JSON", 0},
	{0},
};

/** struct doctor - the patient
 * @root: "" for this system
 */
struct doctor {
	const char *root;
	bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor *d = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		command_init(state);
		return 0;
	case OPT_ROOT:
		d->root = arg;
		return 0;
	case OPT_JSON:
		d->json = true;
		return 0;
	case ARGP_KEY_ARG:
		command_usage(state, "takes no argument, like '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

enum state { STATE_OK, STATE_MISSING, STATE_SKIPPED };

/** struct finding - what a check found
 * @state: STATE_SKIPPED: can't be told, for a reason that another check names
 * @text: what there is, or what is wrong
 * @remedy: what to do; empty when nothing
 */
struct finding {
	enum state state;
	char text[400], remedy[400];
};

static void say(struct finding *f, enum state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct finding *f, enum state state, const char *fmt, ...)
{
	va_list args;

	f->state = state;
	va_start(args, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
}

static void advise(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void advise(struct finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->remedy, sizeof(f->remedy), fmt, args);
	va_end(args);
}

static const char *at(const struct doctor *d, char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static const char *at(const struct doctor *d, char *path, const char *fmt, ...)
{
	char tail[PATH_MAX / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(tail, sizeof(tail), fmt, args);
	va_end(args);
	snprintf(path, PATH_MAX, "%.*s%s", PATH_MAX / 2 - 1, d->root, tail);
	return path;
}

static bool exists(const struct doctor *d, const char *path)
{
	char p[PATH_MAX];

	return !access(at(d, p, "%s", path), F_OK);
}

static void check_versions(const struct doctor *d, struct finding *f)
{
	struct utsname u;

	uname(&u);
	say(f, STATE_OK, "keel %s, commands version %u, firmware ABI %u, Linux %.60s on %.60s",
	    keel_version(), KEEL_ISA_VERSION, KEEL_HW_ABI_VERSION, u.release, u.machine);
}

/* An image of a system has no kernel that runs, so nothing of what one shows. */
static bool sleeps(const struct doctor *d, struct finding *f)
{
	if (!*d->root || exists(d, "/sys/kernel") || exists(d, "/sys/class"))
		return false;
	say(f, STATE_SKIPPED, "can't be told of a system that doesn't run");
	return true;
}

static void check_kernel(const struct doctor *d, struct finding *f)
{
	if (exists(d, "/sys/class/accel")) {
		say(f, STATE_OK, "the kernel has compute accelerators");
		return;
	}
	if (sleeps(d, f))
		return;
	say(f, STATE_MISSING, "the kernel has no compute accelerators (/sys/class/accel)");
	advise(f, "only for an NPU: use Linux 6.12 with CONFIG_DRM_ACCEL=y");
}

/* Modules lie in different folders and may be packed; depmod's lists name them all. */
static bool lists_module(const struct doctor *d, const char *release, const char *list)
{
	struct keel_blob b = {0};
	struct keel_error e;
	char p[PATH_MAX];
	bool found;

	if (keel_blob_read(at(d, p, "/lib/modules/%.60s/%s", release, list), 64 << 20, &b, &e))
		return false;
	found = memmem(b.data, b.size, "/keel.ko", strlen("/keel.ko"));
	keel_blob_free(&b);
	return found;
}

static void name_one_more(char *list, size_t room, const char *release)
{
	size_t n = strlen(list);

	snprintf(list + n, room - n, "%s%.60s", n ? ", " : "", release);
}

/* Which kernel will run there nobody knows; it isn't the one that runs here. */
static void check_modules_there(const struct doctor *d, struct finding *f)
{
	char p[PATH_MAX], with[180] = "", without[180] = "";
	struct dirent **releases;
	int i, n = scandir(at(d, p, "/lib/modules"), &releases, NULL, alphasort);

	for (i = 0; i < n; i++) {
		const char *release = releases[i]->d_name;

		if (release[0] != '.' && (lists_module(d, release, "modules.builtin") ||
					  lists_module(d, release, "modules.dep")))
			name_one_more(with, sizeof(with), release);
		else if (release[0] != '.')
			name_one_more(without, sizeof(without), release);
		free(releases[i]);
	}
	if (n >= 0)
		free(releases);
	if (*with) {
		say(f, STATE_OK, "keel is installed for Linux %s%s%s", with,
		    *without ? ", and not for " : "", without);
		return;
	}
	say(f, STATE_MISSING, "module keel is not installed for %s",
	    *without ? without : "any kernel: none is in /lib/modules");
	advise(f, "only for an NPU: install keel-dkms there, or in Keel's source make -C "
		  "KERNEL M=$PWD INSTALL_MOD_PATH=DIR modules modules_install");
}

static void check_module(const struct doctor *d, struct finding *f)
{
	struct utsname u;

	uname(&u);
	if (exists(d, "/sys/module/keel")) {
		say(f, STATE_OK, "module keel is loaded");
	} else if (*d->root) {
		check_modules_there(d, f);
	} else if (lists_module(d, u.release, "modules.builtin")) {
		say(f, STATE_OK, "keel is part of the kernel");
	} else if (lists_module(d, u.release, "modules.dep")) {
		say(f, STATE_MISSING, "module keel is installed and not loaded");
		advise(f, "modprobe keel; dmesg says why if it doesn't stay");
	} else {
		say(f, STATE_MISSING, "module keel is not installed for this kernel");
		advise(f,
		       "only for an NPU: install keel-dkms, or in Keel's source make -C "
		       "/lib/modules/%.60s/build M=$PWD modules modules_install",
		       u.release);
	}
}

#define FIRMWARE "/lib/firmware/keel/keel-fw.bin"

static void judge_firmware(const struct keel_blob *b, struct finding *f)
{
	const struct keel_fw_header *h = (const void *)b->data;

	if (b->size < sizeof(*h) || h->magic != KEEL_HW_MAGIC || h->image_bytes != b->size ||
	    keel_crc32(0, b->data + sizeof(*h), b->size - sizeof(*h)) != h->crc32)
		say(f, STATE_MISSING, "%s is damaged", FIRMWARE);
	else if (h->abi_version != KEEL_HW_ABI_VERSION || h->isa_version != KEEL_ISA_VERSION)
		say(f, STATE_MISSING,
		    "%s speaks ABI %u and commands version %u, this software %u and %u", FIRMWARE,
		    h->abi_version, h->isa_version, KEEL_HW_ABI_VERSION, KEEL_ISA_VERSION);
	else
		say(f, STATE_OK, "firmware %u.%u, build %08x", h->fw_version >> 16,
		    h->fw_version & 0xffff, h->crc32);
	if (f->state != STATE_OK)
		advise(f, "install the firmware that belongs to this driver");
}

static void check_firmware(const struct doctor *d, struct finding *f)
{
	struct keel_blob b = {0};
	struct keel_error e;
	char p[PATH_MAX];

	if (keel_blob_read(at(d, p, FIRMWARE), 64 << 20, &b, &e)) {
		say(f, STATE_MISSING, "no firmware: %.300s", e.text);
		advise(f, "only for an NPU: install it as " FIRMWARE);
		return;
	}
	judge_firmware(&b, f);
	keel_blob_free(&b);
}

static void check_udev(const struct doctor *d, struct finding *f)
{
	static const char *const places[] = {"/usr/lib/udev/rules.d", "/lib/udev/rules.d",
					     "/etc/udev/rules.d"};
	char p[PATH_MAX];
	unsigned int i;

	for (i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (!access(at(d, p, "%s/60-keel.rules", places[i]), F_OK)) {
			say(f, STATE_OK, "%s/60-keel.rules gives the node to group render",
			    places[i]);
			return;
		}
	say(f, STATE_MISSING, "no udev rule gives the NPU's node to group render");
	advise(f, "only for an NPU: install packaging/udev/60-keel.rules as /etc/udev/rules.d/");
}

static void check_npu(const struct doctor *d, struct finding *f)
{
	struct keel_device_info info;
	struct keel_device *device;
	struct keel_error e;

	if (*d->root) {
		say(f, STATE_SKIPPED, "not looked for: another system is examined");
		return;
	}
	if (keel_device_new("drm", NULL, &device, &e)) {
		say(f, STATE_MISSING, "%.390s", e.text);
		advise(f, "without an NPU this is as it should be; with one, see the lines above "
			  "and dmesg");
		return;
	}
	keel_device_get_info(device, &info);
	say(f, STATE_OK, "%s, %s, driver %s", info.name, info.tier, info.driver);
	keel_device_del(device);
}

static void check_debugfs(const struct doctor *d, struct finding *f)
{
	char p[PATH_MAX];
	DIR *dir = opendir(at(d, p, "/sys/kernel/debug/accel"));

	if (dir) {
		closedir(dir);
		say(f, STATE_OK, "debugfs can be read");
		return;
	}
	say(f, STATE_MISSING, "debugfs can't be read: %s", strerror(errno));
	if (sleeps(d, f))
		return;
	advise(f, "only for keel top: mount -t debugfs none /sys/kernel/debug, and be root");
}

static bool has_icd(const struct doctor *d)
{
	char p[PATH_MAX];
	DIR *dir = opendir(at(d, p, "/etc/OpenCL/vendors"));
	const struct dirent *entry;
	bool found = false;

	while (dir && (entry = readdir(dir)))
		found |= !!strstr(entry->d_name, ".icd");
	if (dir)
		closedir(dir);
	return found;
}

static void check_opencl(const struct doctor *d, struct finding *f)
{
	struct keel_device_info info;
	struct keel_device *device;
	struct keel_error e;

	if (!has_icd(d)) {
		say(f, STATE_MISSING, "no OpenCL platform in /etc/OpenCL/vendors");
		advise(f, "apt install pocl-opencl-icd, or the OpenCL driver of your GPU");
		return;
	}
	if (*d->root) {
		say(f, STATE_OK, "OpenCL platforms are installed");
		return;
	}
	if (keel_device_new("opencl", NULL, &device, &e)) {
		say(f, STATE_MISSING, "%.390s", e.text);
		advise(f, "clinfo tells what the platforms say");
		return;
	}
	keel_device_get_info(device, &info);
	say(f, STATE_OK, "%s, kernels %s, %s", info.name, info.tier, info.driver);
	keel_device_del(device);
}

/** struct check - one line
 * @executes: what it finds can run networks at speed
 */
static const struct check {
	const char *name;
	void (*run)(const struct doctor *d, struct finding *f);
	bool executes;
} checks[] = {
	{"versions", check_versions, false}, {"kernel", check_kernel, false},
	{"module", check_module, false},     {"firmware", check_firmware, false},
	{"udev", check_udev, false},	     {"npu", check_npu, true},
	{"debugfs", check_debugfs, false},   {"opencl", check_opencl, true},
};

#define NR_CHECKS (sizeof(checks) / sizeof(*checks))

static const char *const states[] = {
	[STATE_OK] = "ok", [STATE_MISSING] = "missing", [STATE_SKIPPED] = "skipped"};

static void print_finding(const char *name, const struct finding *f)
{
	printf("%-8s %-9s ", states[f->state], name);
	command_print_name(stdout, f->text);
	if (f->remedy[0])
		printf(" -> %s", f->remedy);
	printf("\n");
}

static json_t *finding_json(const char *name, const struct finding *f)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "check", name, "state", states[f->state], "text",
			 command_json_text(f->text), "remedy",
			 f->remedy[0] ? command_json_text(f->remedy) : json_null());
}

int keel_doctor_main(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		NULL,
		"Say what this system has and lacks for running networks, and what to do about it.",
		NULL,
		NULL,
		NULL,
	};
	struct doctor d = {.root = ""};
	struct finding f;
	struct keel_error e;
	json_t *list = json_array();
	bool usable = false;
	unsigned int i;

	command_parse(&argp, argc, argv, &d);
	for (i = 0; i < NR_CHECKS; i++) {
		f = (struct finding){0};
		checks[i].run(&d, &f);
		usable |= checks[i].executes && f.state == STATE_OK;
		if (d.json)
			json_array_append_new(list, finding_json(checks[i].name, &f));
		else
			print_finding(checks[i].name, &f);
	}
	if (!d.json) {
		json_decref(list);
		printf("%s\n", usable ? "networks can run here"
				      : "networks can only run on the slow reference backend");
		return usable ? KEEL_EXIT_DONE : KEEL_EXIT_NO_DEVICE;
	}
	if (command_json(json_pack("{s:b, s:o}", "usable", usable, "checks", list), "-", &e))
		return command_fail(-EIO, &e);
	return usable ? KEEL_EXIT_DONE : KEEL_EXIT_NO_DEVICE;
}
