/* SPDX-License-Identifier: MIT */
/*
** fault: a hard build hurts itself where it is told to.
**
** The code is full of named points, cr_fault("alloc"), cr_fault("redo") ..., at
** the moments that chance seldom meets: between two writes of a log, between a
** change and its wake-up, before a system call.  A plan says what is to happen at
** one of the passages:
**
**   CONRUN_FAULT="alloc:fail:17"             the 18th passage of `alloc` fails
**   CONRUN_FAULT="latch:die:3,*:delay:*"     several rules; * is any point, any time
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
** alone (cr_fault_plan with `whom`) is exact.
**
** The plan is written while nobody counts: `on` is cleared first and set last.  A
** strand that is in the middle of a passage then may count once in the new plan;
** sweeps plan for the strand that calls, where that cannot be.
**
** A process that dies here leaves what any killed process leaves.  In every other
** build the points are the constant false and this file is empty.
*/
#ifdef CR_HARD

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define POINT_MAX 16
#define ALWAYS UINT64_MAX
#define EVERYBODY UINT32_MAX
#define NAP 200000 /* ns */

enum action {
  FAIL,
  DIE,
  DELAY
};

typedef struct rule {
  char point[POINT_MAX]; /* "*": any */
  uint32_t action;       /* enum action */
  uint32_t whom;         /* index of a strand, or EVERYBODY */
  uint64_t number;       /* of the passage, from 0, or ALWAYS */
  _Atomic uint64_t passed;
} rule;

typedef struct plan {
  _Atomic uint32_t on; /* rules in force; the rest is r/o while it is not 0 */
  _Atomic uint32_t hits;
  rule rule[CR_FAULT_RULES];
} plan;
_Static_assert(sizeof(plan) <= CR_FAULT_ROOM, "the plan fits behind the table of strands");

static plan *whole(void) { return (plan *)(void *)&cr_strands[CR_STRANDS]; }

/* ------------------------------------------------------------------- passing */

static bool is_meant(const rule *r, const char *point) {
  if (r->whom != EVERYBODY && (!cr_me || r->whom != cr_me->index)) return false;
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

bool cr_fault(const char *point) {
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

uint32_t cr_fault_hits(void) { return atomic_load(&whole()->hits); }

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

int cr_fault_plan(const char *rules, const cr_strand *whom) {
  plan *p = whole();
  char text[256], *rest = NULL;
  uint32_t n = 0;
  if (strlen(rules) >= sizeof text) return EINVAL;
  memcpy(text, rules, strlen(rules) + 1);
  atomic_store(&p->on, 0);
  for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
    rule r = {.whom = whom ? whom->index : EVERYBODY};
    if (n == CR_FAULT_RULES || !read_rule(word, &r)) return EINVAL;
    memcpy(&p->rule[n++], &r, sizeof r);
  }
  atomic_store(&p->hits, 0);
  atomic_store(&p->on, n);
  return 0;
}

/* A plan that cannot be read must not pass for one that found nothing. */
void cr_fault_begin(void) {
  const char *rules = getenv("CONRUN_FAULT");
  if (rules) cr_check(cr_fault_plan(rules, NULL) == 0);
}

#endif
