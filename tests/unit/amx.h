/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef AMX_H
#define AMX_H

/**
 * amx_emulate() - let processors without tile registers execute the instructions that Keel uses
 *
 * ldtilecfg, tilerelease, tileloadd, tilestored and tdpbssd are an invalid opcode there; the
 * handler of that signal executes them, for each thread on registers of its own. Anything else that
 * is invalid, shapes included, ends the process.
 */
void amx_emulate(void);

#endif
