/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_LOG_H
#define KEEL_SIM_LOG_H

#include "keel_error.h"

/*
 * What happened, one line each with the seconds since the log was opened. Any thread. All functions
 * take NULL for "no log".
 */

struct sim_log;

/** sim_log_open() - write to a file, which is begun anew, or to the standard error ("-") */
int sim_log_open(const char *path, struct sim_log **log, struct keel_error *e);
void sim_log_close(struct sim_log *log);

/** sim_log() - an event; control characters become '?' */
void sim_log(struct sim_log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sim_log_guest() - the guest did something that it shouldn't
 *
 * A guest may do so forever: of 1000 lines of this kind the rest is counted only.
 */
void sim_log_guest(struct sim_log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sim_log_guest_errors() - how often sim_log_guest() was called */
unsigned long sim_log_guest_errors(const struct sim_log *log);

#endif
