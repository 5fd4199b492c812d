/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_MAIN_H
#define KEEL_SIM_MAIN_H

/* Exit codes, those of the keel command. */
enum {
	SIM_EXIT_DONE = 0,
	SIM_EXIT_FAILED = 1,
	SIM_EXIT_USAGE = 2,
};

/** sim_usage() - wrong usage: one sentence with a hint at --help, SIM_EXIT_USAGE */
void sim_usage(const char *program, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#endif
