// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "faults.h"
#include "main.h"
#include "npu.h"

/* keel-fwsim: the simulated NPU on a bus. */

#define PROGRAM "keel-fwsim"

const char *argp_program_version = PROGRAM " " KEEL_VERSION;

/** struct args - the command line
 * @uml: socket for User Mode Linux
 * @qemu: socket for QEMU
 * @qtest: QEMU's test socket
 * @event_files: not the in-band kicks
 * @keep: serve one guest after another
 * @config: configuration of the NPU
 * @faults: script
 * @log: file
 * @npu: options that go on to the NPU
 */
struct args {
	const char *uml, *qemu, *qtest;
	bool event_files, keep;
	const char *config, *faults, *log;
	struct sim_npu_options npu;
};

/** struct sim - everything that lives as long as the program */
struct sim {
	struct sim_log *log;
	struct sim_memory *memory;
	struct sim_faults *faults;
	struct sim_npu *npu;
	struct sim_bus bus;
};

enum {
	OPT_UML = 256,
	OPT_QEMU,
	OPT_QTEST,
	OPT_EVFD,
	OPT_KEEP,
	OPT_CONFIG,
	OPT_MMU,
	OPT_THREADS,
	OPT_RACE,
	OPT_REAL_TIME,
	OPT_FAULTS,
	OPT_LOG,
};

static const struct argp_option options[] = {
	{NULL, 0, NULL, 0, "Bus:", 1},
	{"uml", OPT_UML, "SOCKET", 0, "serve User Mode Linux (vhost-user, PCI over virtio)", 1},
	{"evfd", OPT_EVFD, NULL, 0, "with --uml: posted register writes", 1},
	{"qemu", OPT_QEMU, "SOCKET", 0, "serve QEMU's x-pci-proxy-dev", 1},
	{"qtest", OPT_QTEST, "SOCKET", 0, "with --qemu: where QEMU's -qtest listens", 1},
	{"keep", OPT_KEEP, NULL, 0, "when a guest is gone, wait for the next", 1},
	{NULL, 0, NULL, 0, "NPU:", 2},
	{"config", OPT_CONFIG, "NAME", 0, "small (default), medium, large or a file", 2},
	{"mmu", OPT_MMU, "N", 0, "address spaces (default 0: no MMU)", 2},
	{"threads", OPT_THREADS, "N", 0, "that execute commands (default: one a core)", 2},
	{"race", OPT_RACE, "SEED", 0, "start commands in the worst legal order and check waits", 2},
	{"real-time", OPT_REAL_TIME, NULL, 0, "a job takes as long as the timing model says", 2},
	{"faults", OPT_FAULTS, "FILE", 0, "inject the faults of a script", 2},
	{NULL, 0, NULL, 0, "Other:", 3},
	{"log", OPT_LOG, "FILE", 0, "write what happens there; - is the standard error", 3},
	{0},
};

static uint64_t number(const char *text, const char *option, uint64_t lo, uint64_t hi)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || text[0] < '0' || text[0] > '9' || *end || v < lo || v > hi)
		sim_usage(PROGRAM,
			  "--%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'",
			  option, lo, hi, text);
	return v;
}

static void check_args(const struct args *a)
{
	if (!a->uml == !a->qemu)
		sim_usage(PROGRAM, "name one bus: --uml or --qemu");
	if (a->event_files && !a->uml)
		sim_usage(PROGRAM, "--evfd goes with --uml");
	if (!a->qtest != !a->qemu)
		sim_usage(PROGRAM, "--qemu and --qtest go together: interrupts take that way");
}

static error_t parse_bus(int key, char *arg, struct args *a)
{
	switch (key) {
	case OPT_UML:
		a->uml = arg;
		return 0;
	case OPT_EVFD:
		a->event_files = true;
		return 0;
	case OPT_QEMU:
		a->qemu = arg;
		return 0;
	case OPT_QTEST:
		a->qtest = arg;
		return 0;
	case OPT_KEEP:
		a->keep = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_npu(int key, char *arg, struct args *a)
{
	switch (key) {
	case OPT_CONFIG:
		a->config = arg;
		return 0;
	case OPT_MMU:
		a->npu.mmu_contexts = (unsigned int)number(arg, "mmu", 0, 64);
		return 0;
	case OPT_THREADS:
		a->npu.threads = (unsigned int)number(arg, "threads", 1, 256);
		return 0;
	case OPT_RACE:
		a->npu.race_seed = number(arg, "race", 1, UINT64_MAX);
		return 0;
	case OPT_REAL_TIME:
		a->npu.real_time = true;
		return 0;
	case OPT_FAULTS:
		a->faults = arg;
		return 0;
	case OPT_LOG:
		a->log = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->err_stream = NULL;
		return 0;
	case ARGP_KEY_ARG:
		sim_usage(PROGRAM, "'%s' is no option", arg);
	case ARGP_KEY_END:
		check_args(a);
		return 0;
	default:
		return parse_bus(key, arg, a) ? parse_npu(key, arg, a) : 0;
	}
}

static const struct argp argp = {
	options,
	parse,
	NULL,
	"The simulated NPU: hardware and firmware in a process, on the PCI bus of a guest.\v"
	"'man keel-fwsim' tells how to start a guest.",
	NULL,
	NULL,
	NULL,
};

/* For the handler; a socket that is left lying looks like one that is served. */
static const char *socket_path;
static struct sim_bus *served_bus;
static volatile sig_atomic_t caught;

/* Once; the second signal ends the process at once. */
static void on_signal(int sig)
{
	caught = sig;
	unlink(socket_path);
	sim_bus_stop(served_bus);
}

static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction old, new = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(signals[i], &new, NULL);
	/* Whoever doesn't read any more is found out where it is written. */
	signal(SIGPIPE, SIG_IGN);
}

static uint32_t npu_read(void *self, uint64_t offset)
{
	return sim_npu_read(((struct sim *)self)->npu, offset);
}

static void npu_write(void *self, uint64_t offset, uint32_t value)
{
	sim_npu_write(((struct sim *)self)->npu, offset, value);
}

static void npu_reset(void *self)
{
	sim_npu_power_on_reset(((struct sim *)self)->npu);
}

static int set_up(struct sim *sim, struct args *a, struct keel_error *e)
{
	const struct sim_bus_device device = {sim, npu_read, npu_write, npu_reset};
	int err = keel_target_get(a->config, &a->npu.target, e);

	if (!err && a->log)
		err = sim_log_open(a->log, &sim->log, e);
	if (!err && a->faults)
		err = sim_faults_load(a->faults, &sim->faults, e);
	if (err)
		return err;
	sim->memory = sim_memory_new();
	if (!sim->memory)
		return keel_error_set(e, -ENOMEM, "out of memory");
	err = sim_bus_init(&sim->bus, &device, sim->memory, sim->log, e);
	if (err)
		return err;
	a->npu.faults = sim->faults;
	a->npu.irq = sim_bus_irq;
	a->npu.gone = sim_bus_gone;
	a->npu.bus = &sim->bus;
	a->npu.log = sim->log;
	return sim_npu_new(&a->npu, sim->memory, &sim->npu, e);
}

static void tear_down(struct sim *sim)
{
	if (sim->npu)
		sim_npu_del(sim->npu);
	sim_bus_fini(&sim->bus);
	sim_memory_del(sim->memory);
	sim_faults_del(sim->faults);
	sim_log_close(sim->log);
}

static int serve(struct sim *sim, const struct args *a, struct keel_error *e)
{
	const struct sim_vhost_options vhost = {a->event_files};
	const struct sim_qemu_options qemu = {a->qtest};
	const char *path = a->uml ? a->uml : a->qemu;
	int listener, err;

	listener = sim_wire_listen(path, e);
	if (listener < 0)
		return listener;
	socket_path = path;
	served_bus = &sim->bus;
	catch_signals();
	sim_log(sim->log, "%s: %s on %s", PROGRAM " " KEEL_VERSION, a->npu.target.name, path);
	if (a->uml)
		err = sim_bus_serve(&sim->bus, listener, a->keep, sim_vhost_session, &vhost, e);
	else
		err = sim_bus_serve(&sim->bus, listener, a->keep, sim_qemu_session, &qemu, e);
	close(listener);
	unlink(path);
	return err;
}

int main(int argc, char **argv)
{
	struct args a = {.config = "small"};
	struct sim sim = {.bus = {.wake = -1, .stop = -1}};
	static char name[] = PROGRAM;
	struct keel_error e = {""};
	int err;

	/* Sentences begin with the name, not with a path. */
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return SIM_EXIT_USAGE;
	err = set_up(&sim, &a, &e);
	if (!err)
		err = serve(&sim, &a, &e);
	if (err)
		fprintf(stderr, PROGRAM ": %s\n", e.text);
	signal(SIGTERM, SIG_IGN);
	tear_down(&sim);
	if (caught) {
		signal(caught, SIG_DFL);
		raise(caught);
	}
	return err ? SIM_EXIT_FAILED : SIM_EXIT_DONE;
}
