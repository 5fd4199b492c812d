/* SPDX-License-Identifier: GPL-2.0 OR MIT */

/*
 * The schedule of userlib/backends/opencl/kernels/run.cl for spin: all orders in which
 * work-groups may take tickets, wait for commands and leave. One launch behind another, so that
 * counters must be zero again. Checked by tests/scripts/schedule.sh.
 *
 * GROUPS work-groups are launched; the device runs ROOM of them at a time, in any order, each to
 * its end. STOP: the host may cancel the first launch. Interleaving is that of whole accesses: the
 * kernel's fences order what a ticket wrote before the counter that says so.
 *
 * Each of these is a mistake that must be found: SELFISH, to take no tickets of others; EARLY, to
 * count a ticket before it is done; LAZY, to leave counters as they are.
 */
#ifndef GROUPS
#define GROUPS 2
#endif
#ifndef ROOM
#define ROOM GROUPS
#endif

#ifndef LAUNCHES
#define LAUNCHES 2
#endif
#define COMMANDS 3
#define MOST 3 /* tickets of a command */

/* The second and the third command read what the first one wrote; the third the second's, too. */
#define TICKETS(c) ((c) == 1 -> 2 : 3)
#define AFTER(c) (c)

/* As keel_command_tickets() cuts them. */
#define FIRST(c, owner) (TICKETS(c) * (owner) / GROUPS)
#define COUNT(c, owner) (FIRST(c, (owner) + 1) - FIRST(c, owner))

typedef per_group { byte by[GROUPS] };

per_group taken[COMMANDS], done[COMMANDS];
byte left, running, finished;
bool stop;

/* What the checks need: how often each ticket was executed in this launch. */
typedef per_ticket { byte times[MOST] };
per_ticket executed[COMMANDS];

#if GROUPS > 2
#define SUM_OF(counter) (counter.by[0] + counter.by[1] + counter.by[2])
#else
#define SUM_OF(counter) (counter.by[0] + counter.by[1])
#endif

#define ALL_DONE(c) \
	(executed[c].times[0] == 1 && executed[c].times[1] == 1 && \
	 (TICKETS(c) < 3 || executed[c].times[2] == 1))

inline await(until) {
	do
	:: complete >= until -> break
	:: else ->
		/* Counters are read one by one, and only grow. */
		sum = 0;
		i = 0;
		do
		:: i < GROUPS -> sum = sum + done[complete].by[i]; i++
		:: else -> break
		od;
		if
		:: sum >= TICKETS(complete) -> complete++
		:: else -> (SUM_OF(done[complete]) != sum) /* again, once there is something to see */
		fi
	od
}

inline execute(number) {
	assert(c < 1 || ALL_DONE(0));
	assert(c < 2 || ALL_DONE(1));
	assert(executed[c].times[number] == 0);
	executed[c].times[number]++
}

#ifdef SELFISH
#define OWNERS 1
#else
#define OWNERS GROUPS
#endif

inline command() {
	k = 0;
	do
	:: k < OWNERS ->
		owner = (me + k) % GROUPS;
		do
		:: taken[c].by[owner] >= COUNT(c, owner) -> break
		:: else ->
			atomic { t = taken[c].by[owner]; taken[c].by[owner]++ };
			if
			:: t >= COUNT(c, owner) -> break
			:: else
			fi;
			await(AFTER(c));
#ifdef EARLY
			done[c].by[me]++;
#endif
			execute(FIRST(c, owner) + t);
#ifndef EARLY
			done[c].by[me]++
#endif
		od;
		k++
	:: else -> break
	od
}

inline leave() {
	atomic { final = (left == GROUPS - 1); left++ };
	if
	:: final ->
		c = 0;
		do
		:: c < COMMANDS ->
			i = 0;
			do
#ifndef LAZY
			:: i < GROUPS -> taken[c].by[i] = 0; done[c].by[i] = 0; i++
			:: else -> break
#else
			:: break
#endif
			od;
			c++
		:: else -> break
		od;
		left = 0
	:: else
	fi
}

proctype group(byte me) {
	byte c, k, owner, t, i, sum, complete;
	bool final;

	atomic { running < ROOM -> running++ };
	c = 0;
	do
	:: c < COMMANDS && !stop -> command(); c++
	:: else -> break
	od;
	leave();
	atomic { running--; finished++ }
}

inline launch() {
	finished = 0;
	atomic {
		run group(0);
		run group(1);
#if GROUPS > 2
		run group(2);
#endif
	}
	finished == GROUPS
}

/* Between launches: everything was executed once, or the host stopped it; counters are back. */
inline check() {
	d_step {
		assert(stop || (ALL_DONE(0) && ALL_DONE(1) && ALL_DONE(2)));
		assert(left == 0);
		n = 0;
		do
		:: n < COMMANDS * GROUPS ->
			assert(taken[n / GROUPS].by[n % GROUPS] == 0);
			assert(done[n / GROUPS].by[n % GROUPS] == 0);
			n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < COMMANDS * MOST -> executed[n / MOST].times[n % MOST] = 0; n++
		:: else -> break
		od;
		stop = false
	}
}

#ifdef STOP
active proctype host() {
	stop = true
}
#endif

init {
	byte n, launched;

	do
	:: launched < LAUNCHES -> launch(); check(); launched++
	:: else -> break
	od
}
