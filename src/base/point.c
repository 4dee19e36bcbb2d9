/* SPDX-License-Identifier: MIT */
/*
** point: what happens to a strand where others could notice it.
**
** Two kinds of points.  In every build cr_point(CR_AT_USE, object) and its like stand
** where a strand is about to do something that others can see (base.h lists them): these
** are what a trace would record and where a schedule would decide who goes on.  In a hard
** build there are finer ones besides, cr_fault("alloc"), cr_fault("redo") ..., at the
** moments that chance seldom meets: between two writes of a log, between a change and its
** wake-up, before a system call.  Only those can fail, and they would cost too much
** elsewhere, since some are in the middle of a dozen instructions.
**
** A plan says what is to happen at which passage of a point:
**
**   CONRUN_FAULT="alloc:fail:17"             the 18th passage of `alloc` fails
**   CONRUN_FAULT="use:die:3,*:delay:*"       several rules; * is any point, any time
**
**   fail    the point answers true, and the call reports that it could not
**   die     SIGKILL to oneself; for worker processes only, others pass
**   delay   another strand gets the processor, once in a while for longer
**
** The plan is in shared memory, behind the table of strands, and so are its
** counters: the zygote's children and threads count on together, each passage
** gets a number of its own by one atomic addition, and a plan with a number acts
** exactly once, whoever comes by.  The same program with the same plan is thereby
** the replay, as far as its strands meet in the same order; a plan for one strand
** alone (cr_plan with `whom`) is exact.
**
** The plan is written while nobody counts: `on` is cleared first and set last.  A
** strand that is in the middle of a passage then may count once in the new plan;
** sweeps plan for the strand that calls, where that cannot be.
**
** Whether there is a plan or a trace at all is one byte of each process (cr_planned), so
** that a point costs a load and a branch when there is none.  A process learns it when it maps
** the table; a plan that begins later is for the process that made it, and, in a hard
** build, where every point looks at the plan itself, for all.
**
** A process that dies here leaves what any killed process leaves.
*/
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define POINT_MAX 16
#define ALWAYS UINT64_MAX
#define EVERYBODY UINT64_MAX
#define NAP 200000 /* ns */

enum action {
  FAIL,
  DIE,
  DELAY
};

typedef struct rule {
  char point[POINT_MAX]; /* "*": any */
  uint32_t action;       /* enum action */
  cr_id whom;            /* a strand, or EVERYBODY */
  uint64_t number;       /* of the passage, from 0, or ALWAYS */
  _Atomic uint64_t passed;
} rule;

typedef struct plan {
  _Atomic uint32_t on; /* rules in force; the rest is r/o while it is not 0 */
  _Atomic uint32_t hits;
  rule rule[CR_PLAN_RULES];
} plan;
_Static_assert(sizeof(plan) <= CR_PLAN_ROOM, "the plan fits behind the table of strands");

static plan *whole(void) { return (plan *)(void *)&cr_strands[CR_STRANDS]; }

/* ------------------------------------------------------------------- passing */

static bool is_meant(const rule *r, const char *point) {
  if (r->whom != EVERYBODY && (!cr_me || r->whom != cr_id_of(cr_me))) return false;
  if (r->action == DIE && (!cr_me || cr_me->kind != CR_PROCESS)) return false;
  return r->point[0] == '*' || strcmp(r->point, point) == 0;
}

/* Mostly only a chance for others; every now and then long enough for a strand that
** must be woken first. */
static void delay(uint64_t passage) {
  struct timespec nap = {0, NAP};
  if (passage % 16 == 0)
    nanosleep(&nap, NULL);
  else
    sched_yield();
}

static bool act(const rule *r, uint64_t passage) {
  if (r->action == DELAY) delay(passage);
  if (r->action == DIE) kill(getpid(), SIGKILL);
  return r->action == FAIL;
}

static bool pass(const char *point) {
  if (!cr_strands) return false;
  plan *p = whole();
  bool fail = false;
  uint32_t on = atomic_load(&p->on);
  for (uint32_t i = 0; i < on; i++) {
    rule *r = &p->rule[i];
    if (!is_meant(r, point)) continue;
    uint64_t passage = atomic_fetch_add(&r->passed, 1);
    if (r->number != ALWAYS && r->number != passage) continue;
    atomic_fetch_add(&p->hits, 1);
    fail = act(r, passage) || fail;
  }
  return fail;
}

void cr_point_pass(enum cr_point at, const void *object) {
  static const char *const names[] = {
      [CR_AT_USE] = "use",     [CR_AT_PARK] = "park",    [CR_AT_RESUME] = "resume",
      [CR_AT_WAKE] = "waking", [CR_AT_BIRTH] = "birth",  [CR_AT_DEATH] = "death",
      [CR_AT_START] = "start", [CR_AT_SETTLE] = "settle"};
  cr_trace_point(at, object);
  (void)pass(names[at]);
  if (cr_controlled) cr_schedule_point(at, object);
}

#ifdef CR_HARD
bool cr_fault(const char *point) { return pass(point); }
#else
bool cr_planned;
#endif

void cr_plan_look(void) {
#ifndef CR_HARD
  cr_planned = atomic_load(&whole()->on) != 0 || cr_trace_on() || cr_controlled;
#endif
}

/* Stored where processes agree, and noted in this one. */
static void put_in_force(uint32_t rules) {
  atomic_store(&whole()->on, rules);
  cr_plan_look();
}

uint32_t cr_plan_hits(void) { return atomic_load(&whole()->hits); }

/* ------------------------------------------------------------------- planning */

static bool read_action(const char *word, uint32_t *action) {
  static const char *const names[] = {[FAIL] = "fail", [DIE] = "die", [DELAY] = "delay"};
  for (uint32_t i = 0; i < 3; i++) {
    *action = i;
    if (strcmp(word, names[i]) == 0) return true;
  }
  return false;
}

static bool read_number(const char *word, uint64_t *number) {
  char *end;
  *number = strcmp(word, "*") == 0 ? ALWAYS : strtoull(word, &end, 10);
  return *number == ALWAYS || (*word >= '0' && *word <= '9' && *end == '\0');
}

/* point:action:number */
static bool read_rule(char *text, rule *r) {
  char *rest;
  const char *point = strtok_r(text, ":", &rest);
  const char *action = strtok_r(NULL, ":", &rest);
  const char *number = strtok_r(NULL, ":", &rest);
  if (!number || strlen(point) >= POINT_MAX || strtok_r(NULL, ":", &rest)) return false;
  memcpy(r->point, point, strlen(point) + 1);
  return read_action(action, &r->action) && read_number(number, &r->number);
}

int cr_plan(const char *rules, const cr_strand *whom) {
  plan *p = whole();
  char text[256], *rest = NULL;
  uint32_t n = 0;
  if (strlen(rules) >= sizeof text) return EINVAL;
  memcpy(text, rules, strlen(rules) + 1);
  put_in_force(0);
  for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
    rule r = {.whom = whom ? cr_id_of(whom) : EVERYBODY};
    if (n == CR_PLAN_RULES || !read_rule(word, &r)) return EINVAL;
    memcpy(&p->rule[n++], &r, sizeof r);
  }
  atomic_store(&p->hits, 0);
  put_in_force(n);
  return 0;
}

/* A plan that cannot be read must not pass for one that found nothing. */
void cr_plan_begin(bool fresh) {
  const char *rules = fresh ? getenv("CONRUN_FAULT") : NULL;
  if (rules) cr_check(cr_plan(rules, NULL) == 0);
  if (!fresh) put_in_force(atomic_load(&whole()->on));
}
