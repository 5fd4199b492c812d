/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_VHOST_COMMANDS_H
#define KEEL_SIM_VHOST_COMMANDS_H

#include <stdint.h>

#include "bus.h"
#include "vring.h"

/*
 * What the rings of PCI over virtio carry. Between sim_memory_hold() and sim_memory_release().
 */

/** sim_vhost_command() - do an access of the guest to the function; bytes written to its buffer */
uint32_t sim_vhost_command(struct sim_bus *bus, const struct sim_chain *chain);

/** sim_vhost_message() - put an interrupt into a buffer of the guest; bytes written */
uint32_t sim_vhost_message(struct sim_bus *bus, const struct sim_chain *chain, uint64_t address,
			   uint32_t data);

#endif
