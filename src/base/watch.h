/* SPDX-License-Identifier: MIT */
/*
** watch: the watch for lost wake-ups.  In a hard build a wait that succeeds just after it has
** looked up by itself, told by nobody, is a finding (watch.c).  Otherwise these are
** nothing.  For base/ alone, but for the last:
**
**   cr_watch_sleep()             a sleep begins
**   cr_watch_look(g, &w, &bell)  the sleeper has looked up; true: it is to sleep on, on
**                                these words, and makes no attempt
**   cr_watch_forget()            its attempt has failed, or another wait begins
**   cr_watch_end(g)              the wait at this gate is over
**   cr_watch_wakes(g)            sleepers are about to be woken
**   cr_watch_pass(g)             the same, where the gate's word would not change: it does
**   cr_watch_woke(g, n, found)   so many were to be woken, so many were asleep
**   cr_watch_miss(g)             everybody is about to be woken, by one who has no record
**   cr_watch_found()             of a wait on the bell alone: it has found what it is for
*/
#ifndef CR_WATCH_H
#define CR_WATCH_H

#include "base/base.h"

#ifdef CR_HARD
#define CR_WATCH_ROOM (8 * CR_STRANDS + 16 * 1024) /* bytes behind the plan */
void cr_watch_sleep(void);
bool cr_watch_look(cr_gate *g, uint32_t *seen, uint32_t *bell);
void cr_watch_forget(void);
void cr_watch_end(cr_gate *g);
void cr_watch_wakes(cr_gate *g);
void cr_watch_pass(cr_gate *g);
void cr_watch_woke(cr_gate *g, int wanted, int found);
void cr_watch_miss(const cr_gate *g);
void cr_watch_found(void);
#else
#define CR_WATCH_ROOM 0
#define cr_watch_sleep() ((void)0)
#define cr_watch_look(g, seen, bell) ((void)(g), (void)(seen), (void)(bell), false)
#define cr_watch_forget() ((void)0)
#define cr_watch_end(g) ((void)0)
#define cr_watch_wakes(g) ((void)0)
#define cr_watch_pass(g) ((void)0)
#define cr_watch_woke(g, wanted, found) ((void)(found))
#define cr_watch_miss(g) ((void)0)
#define cr_watch_found() ((void)0)
#endif

#endif
