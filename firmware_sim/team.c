// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "team.h"

/* Ignored unless somebody handles it: one that comes late does no harm. */
#define INTERRUPT SIGURG

/** struct sim_team
 * @abort: leave
 * @lock: protects what follows up to @stop
 * @go: a new round, or @stop
 * @idle: @working fell to 0
 * @round: number of the work being shared
 * @working: helpers that haven't finished it
 * @caller: the thread that calls sim_team_run()
 * @has_caller: it has called
 * @next: first piece that nobody has taken
 * @pieces: with @work and @context: written before the round begins
 */
struct sim_team {
	const atomic_bool *abort;
	pthread_mutex_t lock;
	pthread_cond_t go, idle;
	uint64_t round;
	unsigned int working;
	pthread_t caller;
	bool has_caller, stop;
	atomic_uint_least64_t next;
	uint32_t pieces;
	void (*work)(void *context, uint32_t piece);
	void *context;
	unsigned int threads, helpers;
	pthread_t helper[];
};

/** struct escape - how a thread gets out of its work
 * @abort: of its team
 * @open: it is at work
 * @to: where to go
 */
struct escape {
	const atomic_bool *abort;
	volatile sig_atomic_t open;
	sigjmp_buf to;
};

static _Thread_local struct escape escape;

static void on_interrupt(int signal)
{
	if (!escape.open || !*escape.abort)
		return;
	escape.open = 0;
	siglongjmp(escape.to, 1);
}

static void catch_interrupt(void)
{
	/* The mask isn't saved and restored with each piece: so the handler must not change it. */
	struct sigaction catch = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART | SA_NODEFER};

	sigaction(INTERRUPT, &catch, NULL);
}

/* From the moment the escape is open, the signal or the look at the flag gets us out. */
static void do_piece(struct sim_team *t, uint32_t piece)
{
	escape.abort = t->abort;
	if (sigsetjmp(escape.to, 0))
		return;
	escape.open = 1;
	if (!*t->abort)
		t->work(t->context, piece);
	escape.open = 0;
}

static void do_pieces(struct sim_team *t)
{
	uint64_t i;

	while (!*t->abort && (i = atomic_fetch_add(&t->next, 1)) < t->pieces)
		do_piece(t, (uint32_t)i);
}

static void *help(void *arg)
{
	struct sim_team *t = arg;
	uint64_t seen = 0;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->round == seen && !t->stop)
			pthread_cond_wait(&t->go, &t->lock);
		if (t->stop)
			break;
		seen = t->round;
		pthread_mutex_unlock(&t->lock);
		do_pieces(t);
		pthread_mutex_lock(&t->lock);
		if (!--t->working)
			pthread_cond_signal(&t->idle);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int sim_team_new(unsigned int threads, const atomic_bool *abort, struct sim_team **team,
		 struct keel_error *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sim_team *t = calloc(1, sizeof(*t) + threads * sizeof(*t->helper));
	int r = 0;

	if (!t)
		return keel_error_set(e, -ENOMEM, "no memory for %u threads", threads);
	pthread_once(&once, catch_interrupt);
	t->threads = threads;
	t->abort = abort;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->go, NULL);
	pthread_cond_init(&t->idle, NULL);
	while (!r && t->helpers + 1 < threads) {
		r = pthread_create(&t->helper[t->helpers], NULL, help, t);
		t->helpers += !r;
	}
	if (r) {
		sim_team_del(t);
		return keel_error_set(e, -r, "can't start %u threads: %s", threads, strerror(r));
	}
	*team = t;
	return 0;
}

void sim_team_del(struct sim_team *team)
{
	unsigned int i;

	if (!team)
		return;
	pthread_mutex_lock(&team->lock);
	team->stop = true;
	pthread_cond_broadcast(&team->go);
	pthread_mutex_unlock(&team->lock);
	for (i = 0; i < team->helpers; i++)
		pthread_join(team->helper[i], NULL);
	pthread_cond_destroy(&team->go);
	pthread_cond_destroy(&team->idle);
	pthread_mutex_destroy(&team->lock);
	free(team);
}

unsigned int sim_team_threads(const struct sim_team *team)
{
	return team->threads;
}

static void call_helpers(struct sim_team *t)
{
	pthread_mutex_lock(&t->lock);
	t->working = t->helpers;
	t->round++;
	pthread_cond_broadcast(&t->go);
	pthread_mutex_unlock(&t->lock);
}

static void wait_for_helpers(struct sim_team *t)
{
	pthread_mutex_lock(&t->lock);
	while (t->working)
		pthread_cond_wait(&t->idle, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static void learn_caller(struct sim_team *t)
{
	pthread_mutex_lock(&t->lock);
	t->caller = pthread_self();
	t->has_caller = true;
	pthread_mutex_unlock(&t->lock);
}

int sim_team_run(struct sim_team *team, uint32_t pieces,
		 void (*work)(void *context, uint32_t piece), void *context)
{
	bool share = pieces > 1 && team->helpers;

	if (!team->has_caller)
		learn_caller(team);
	team->pieces = pieces;
	team->work = work;
	team->context = context;
	atomic_store(&team->next, 0);
	if (share)
		call_helpers(team);
	do_pieces(team);
	if (share)
		wait_for_helpers(team);
	return *team->abort ? -EINTR : 0;
}

/* ThreadSanitizer holds signals back until the work is over, which is no use. */
#if defined(__SANITIZE_THREAD__)
#define SIGNALS_ARRIVE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_ARRIVE 0
#endif
#endif
#ifndef SIGNALS_ARRIVE
#define SIGNALS_ARRIVE 1
#endif

void sim_team_interrupt(struct sim_team *team)
{
	unsigned int i;

	if (!SIGNALS_ARRIVE)
		return;
	pthread_mutex_lock(&team->lock);
	if (team->has_caller)
		pthread_kill(team->caller, INTERRUPT);
	for (i = 0; i < team->helpers; i++)
		pthread_kill(team->helper[i], INTERRUPT);
	pthread_mutex_unlock(&team->lock);
}
