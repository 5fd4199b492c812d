// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "keel_rules.h"
#include "team.h"

/* Less work than this is done before the others have woken up. */
#define WORTH_SHARING 500000

/* Pieces for each member, so that a slow one doesn't keep the rest waiting. */
#define PIECES 4

/** struct keel_team
 * @lock: protects @round, @working and @stop
 * @go: a new round, or @stop
 * @idle: @working fell to 0
 * @round: number of the command that is being shared
 * @working: helpers that haven't finished the round
 * @next_row: first row that nobody has taken
 * @c: with @slots, @height and @piece: written before the round begins
 */
struct keel_team {
	pthread_mutex_t lock;
	pthread_cond_t go, idle;
	unsigned int threads, helpers, working;
	uint64_t round;
	bool stop;
	atomic_uint next_row;
	const union keel_command *c;
	const struct keel_memory *slots;
	keel_u32 height, piece;
	pthread_t thread[];
};

static void take_rows(struct keel_team *t)
{
	keel_u32 y;

	while ((y = atomic_fetch_add(&t->next_row, t->piece)) < t->height)
		keel_execute_rows(t->c, t->slots, y,
				  t->height - y < t->piece ? t->height : y + t->piece);
}

static void *helper(void *arg)
{
	struct keel_team *t = arg;
	uint64_t seen = 0;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->round == seen && !t->stop)
			pthread_cond_wait(&t->go, &t->lock);
		if (t->stop)
			break;
		seen = t->round;
		pthread_mutex_unlock(&t->lock);
		take_rows(t);
		pthread_mutex_lock(&t->lock);
		if (!--t->working)
			pthread_cond_signal(&t->idle);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int keel_team_new(unsigned int threads, struct keel_team **team, struct keel_error *e)
{
	struct keel_team *t = calloc(1, sizeof(*t) + threads * sizeof(*t->thread));
	int r = 0;

	if (!t)
		return keel_error_set(e, -ENOMEM, "no memory for %u threads", threads);
	t->threads = threads;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->go, NULL);
	pthread_cond_init(&t->idle, NULL);
	while (!r && t->helpers + 1 < threads) {
		r = pthread_create(&t->thread[t->helpers], NULL, helper, t);
		t->helpers += !r;
	}
	if (r) {
		keel_team_del(t);
		return keel_error_set(e, -r, "can't start %u threads: %s", threads, strerror(r));
	}
	*team = t;
	return 0;
}

void keel_team_del(struct keel_team *team)
{
	unsigned int i;

	pthread_mutex_lock(&team->lock);
	team->stop = true;
	pthread_cond_broadcast(&team->go);
	pthread_mutex_unlock(&team->lock);
	for (i = 0; i < team->helpers; i++)
		pthread_join(team->thread[i], NULL);
	pthread_cond_destroy(&team->go);
	pthread_cond_destroy(&team->idle);
	pthread_mutex_destroy(&team->lock);
	free(team);
}

unsigned int keel_team_threads(const struct keel_team *team)
{
	return team->threads;
}

static void start_round(struct keel_team *t, const union keel_command *c,
			const struct keel_memory *slots, keel_u32 height)
{
	keel_u32 pieces = t->threads * PIECES;

	t->c = c;
	t->slots = slots;
	t->height = height;
	t->piece = (height + pieces - 1) / pieces;
	atomic_store(&t->next_row, 0);
	pthread_mutex_lock(&t->lock);
	t->working = t->helpers;
	t->round++;
	pthread_cond_broadcast(&t->go);
	pthread_mutex_unlock(&t->lock);
}

void keel_team_execute(struct keel_team *team, const union keel_command *c,
		       const struct keel_memory *slots)
{
	keel_u32 height = keel_execute_height(c);

	if (!team->helpers || height < 2 || keel_command_macs(c) < WORTH_SHARING) {
		keel_execute(c, slots);
		return;
	}
	start_round(team, c, slots, height);
	take_rows(team);
	pthread_mutex_lock(&team->lock);
	while (team->working)
		pthread_cond_wait(&team->idle, &team->lock);
	pthread_mutex_unlock(&team->lock);
}
