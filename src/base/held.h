/* SPDX-License-Identifier: MIT */
/*
** held: how long latches are held.
**
** A latch is for a few instructions: everybody else waits, deaf to notices.  A debug build
** measures each by the holder's own processor time, so that a holder who was preempted
** does not count, and remembers the longest of the program and the function that took the
** latch.  --audit tells it if the environment has CONRUN_HELD.
*/
#ifndef CR_HELD_H
#define CR_HELD_H

#include "base/base.h"

#ifdef CR_DEBUG
#define CR_HELD_ROOM 128 /* bytes behind the records of watch.h */
void cr_held_begin(const cr_latch *l, const char *where);
void cr_held_end(const cr_latch *l);
/* Nanoseconds, 0: nothing was measured; and the function's name. */
cr_time cr_held_longest(const char **where);
#else
#define CR_HELD_ROOM 0
static inline void cr_held_begin(const cr_latch *l, const char *where) { (void)l, (void)where; }
static inline void cr_held_end(const cr_latch *l) { (void)l; }
static inline cr_time cr_held_longest(const char **where) { return (void)where, 0; }
#endif

#endif
