/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ISA_STORM_DAMAGE_H
#define ISA_STORM_DAMAGE_H

#include "keel_random.h"
#include "keel_validate.h"

/** struct isa_pool - valid commands of every kind, made once */
struct isa_pool;

struct isa_pool *isa_pool_new(struct keel_random *r);
void isa_pool_free(struct isa_pool *p);

/** isa_pool_pick() - one of them */
const union keel_command *isa_pool_pick(const struct isa_pool *p, struct keel_random *r);

/** isa_damage() - change a few bytes: to limits of fields, to what others have, to anything */
void isa_damage(const struct isa_pool *p, struct keel_random *r, union keel_command *c);

/** isa_damage_lightly() - mostly not at all */
void isa_damage_lightly(const struct isa_pool *p, struct keel_random *r, union keel_command *c);

#endif
