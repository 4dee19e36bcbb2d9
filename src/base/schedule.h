/* SPDX-License-Identifier: MIT */
/*
** schedule: one strand runs at a time, and a word says which.
**
** An ordinary run is decided by the kernel, and no two are alike.  In a controlled run
** (conrun --schedule) the program's strands, threads and processes alike, hand a **baton**
** to each other: only who has it runs.  States share nothing, so what strands do between
** two operations on shared objects concerns nobody else; at each operation, and where a
** strand begins to wait or ends, it is decided who has the baton next.  The same decisions
** are the same run.  Time is virtual: the clock moves by a little with each step, and by a
** jump when nobody can run before a deadline.
**
**   candidate   a strand that could go on: it stands at a point, or what it sleeps on has
**               changed, or its deadline has come
**   choice      a decision among several candidates.  The first of them is the one that
**               has the baton, if it can go on; then come the others in the order of the
**               table, beginning behind it
**   word        the schedule as text, VERSION-CHECKSUM-DEVIATIONS: at which choices another
**               than the first candidate was taken.  `4b=value:set` says: after four choices
**               that took the first, the third candidate, where the strand with the baton
**               was about to set a shared value.  CHECKSUM is of all operations, 0: of none
**   log         what was decided and done, for who explores
**
** The keeper has no part in it: its forks are waited for by the strand that wants them,
** with the baton in its hand (cr_gate_wait_outside), and its burials happen while the dead
** strand has the baton, which the last step of the burial hands on (cr_schedule_gone).
** Hence a process that is killed with the baton costs its own task, as ever, and a strand
** that waits in vain for long enough looks whether the baton is in the hands of nobody.
**
** Everything here is written by who has the baton, or by who buries that one; the rest
** only looks whether the baton has come.
*/
#ifndef CR_SCHEDULE_H
#define CR_SCHEDULE_H

#include "base/base.h"

#define CR_STEPS 5000     /* steps that the log has room for: the first ones */
#define CR_CANDIDATES 16  /* of one choice: others wait for a later one */
#define CR_WORD_MAX 65536 /* bytes of a schedule */
#define CR_OPERATION_MAX 24
#define CR_STEP_NAME 24
#define CR_SCHEDULE_ROOM (1280 * 1024) /* bytes behind the table of strands */

/* Why a strand stands where it does. */
enum cr_stand {
  CR_STANDS_BEFORE, /* it is about to do an operation */
  CR_STANDS_WAITING,
  CR_STANDS_ENDED
};

/* A strand has come to a point, and one of the candidates has got the baton. */
typedef struct cr_step {
  uint16_t who;    /* index of the strand, as in all of these */
  uint8_t stands;  /* enum cr_stand */
  uint8_t count;   /* of the candidates */
  uint8_t chosen;  /* which of them */
  bool kept;       /* the first candidate is the strand itself: another one preempts it */
  bool idle;       /* it has done the same again and again, or much, so it comes last */
  uint8_t type;    /* of the object, as its floor numbers them; 0: there is none */
  uint32_t serial; /* the object's number */
  uint16_t candidate[CR_CANDIDATES];
  char operation[CR_OPERATION_MAX]; /* "queue:put" */
  char where[40];                   /* "script.lua:12" */
  char with[24];                    /* its first argument, in short */
} cr_step;

extern bool cr_controlled; /* is this a controlled run?  A fact of each process */

/* Makes this a controlled run, with the calling strand as its first: a word, or
** "seed:N" or "pct:N:DEPTH:CHOICES", by which chance decides; after `most` steps there is a verdict.  EINVAL: not
** understood.  Before anything is started. */
int cr_schedule_begin(const char *word, uint32_t most);
void cr_schedule_join(void *room); /* a process has come to the table */

/* By cr_point: the strand has come to one. */
void cr_schedule_point(enum cr_point at, const void *object);

/* The caller is about to start `s`, which runs when it is its turn. */
void cr_schedule_launch(const cr_strand *s);

/* The record is about to be freed: from then on it may be another strand's, whom somebody
** launches.  Nothing is left of the strand that had that record and id. */
void cr_schedule_leave(const cr_strand *s);
void cr_schedule_gone(const cr_strand *s, cr_id id);

/* At that moment the calling strand is interrupted, or killed if it is a process; 0: not. */
void cr_schedule_alarm(cr_time until);

/* Has the caller the baton, so that its sleeps are for the schedule?  The sleep itself, as
** a futex's: until one of the words has changed (0), or ETIMEDOUT.  Either may be NULL. */
bool cr_schedule_mine(void);
int cr_schedule_sleep(cr_gate *gate, uint32_t seen, const _Atomic uint32_t *bell,
                      uint32_t seen_bell, cr_time deadline);

/* The virtual clock, by a little on; and the moment on the kernel's clock when so much time
** has passed. */
void cr_schedule_tick(void);
cr_time cr_schedule_clock(void);
cr_time cr_schedule_real(cr_time moment);

/* The run is to end: why, as a sentence for people; NULL: not.  Main ends it (cr_lent.halt).
** Where the run has left its word, `room` gets what is to be said about that, else NULL. */
const char *cr_schedule_verdict(void);
const char *cr_schedule_left(char room[], size_t size);

/* The log so far. */
const cr_step *cr_schedule_log(uint32_t *count);
uint32_t cr_schedule_checksum(void);
const char *cr_schedule_name(uint32_t who); /* who had that index last */

#endif
