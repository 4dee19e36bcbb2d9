/* SPDX-License-Identifier: MIT */
/*
** point: the places that a strand passes before it does something that others can see.
**
** What a plan makes of a passage is its own affair (point.c), and what a trace tells of it
** (trace.c); without either a point is a load and a branch that is never taken.  CR_AT_WAKE may be passed under a latch, so a plan
** must not wait there for another strand; no other point is.
**
** (The field knows such places as scheduling points, trace points and fault points.)
*/
#ifndef CR_POINT_H
#define CR_POINT_H

#include "base/base.h"

enum cr_point {
  CR_AT_USE,    /* an operation on a shared object begins; object: it */
  CR_AT_PARK,   /* the strand begins to wait; object: for what, may be NULL */
  CR_AT_RESUME, /* the wait is over; object: for what it waited */
  CR_AT_WAKE,   /* those who wait at a gate are about to be woken; object: the gate */
  CR_AT_BIRTH,  /* the strand begins to run; object: its record */
  CR_AT_DEATH,  /* a strand is about to be buried; object: its record */
  CR_AT_START,  /* a task is about to be computed; object: its future */
  CR_AT_SETTLE  /* a future is about to get its result; object: it */
};

/* In a hard build cr_fault(name) is a finer point, between two steps of an operation: it
** can fail (true), delay or die there.  Otherwise it is constant false. */
#ifdef CR_HARD
#define cr_planned true
bool cr_fault(const char *point);
#else
extern bool cr_planned;
#define cr_fault(point) false
#endif

void cr_point_pass(enum cr_point at, const void *object);
static inline void cr_point(enum cr_point at, const void *object) {
  if (__builtin_expect(cr_planned, false)) cr_point_pass(at, object);
}

#define CR_PLAN_RULES 4
#define CR_PLAN_ROOM 256 /* bytes behind the table of strands */

/* The table of strands is there.  A fresh one gets the plan of the environment. */
void cr_plan_begin(bool fresh);

/* From now on these rules hold, "" for none: for one strand, or for everybody (NULL).
** EINVAL: not understood, and none holds. */
int cr_plan(const char *rules, const cr_strand *whom);
void cr_plan_look(void);     /* a trace has begun: points are passed */
uint32_t cr_plan_hits(void); /* how often the plan has acted */

#endif
