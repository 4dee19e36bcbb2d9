/* SPDX-License-Identifier: MIT */
/*
** crew: threads of this process whose strand is over and that wait for another.
**
** To make a thread and to let it end are the larger part of a short strand's life:
** a stack to map and to give back, and two journeys into the scheduler.  So a few
** threads stay, each at a berth of a table of this process.  A berth is one word:
**
**   EMPTY -> LOOKING   the thread takes it
**   LOOKING -> ASLEEP  it has looked around for a while
**   ASLEEP -> EMPTY    it has slept for PATIENCE, and ends
**   LOOKING or ASLEEP -> FIRST + index   a starter gives it that strand
**   FIRST + index -> EMPTY               it has seen that, and goes to run it
**
** It looks at what the strand does that started the last thread, which may run on the
** same processor, woken by the end that this thread has just come from.
**
** Each is one compare-and-swap or, where only one thread may do it, one store; so
** two starters cannot hire one thread, and a thread cannot leave while it is hired.
** The word is static: a wake-up that comes when the thread is long gone meets no
** foreign memory.  Other processes know nothing of it, and it dies with its own.
**
** What this file refuses: to wait on behalf of a strand.  Who waits here is none,
** holds nothing, and need not be woken for the program to go on; nor does it keep
** the program alive.
*/
#include "base/base.h"
#include "base/futex.h"

#define BERTHS 16
#define PATIENCE 1.0 /* seconds */

enum {
  EMPTY,
  LOOKING,
  ASLEEP,
  FIRST
};

static _Atomic uint32_t berths[BERTHS];
static _Atomic uint32_t starters_cpu; /* of the last start, as cr_strand.cpu */
static cr_patience looking;

static _Atomic uint32_t *take_berth(void) {
  for (int i = 0; i < BERTHS; i++) {
    uint32_t empty = EMPTY;
    if (atomic_compare_exchange_strong(&berths[i], &empty, LOOKING)) return &berths[i];
  }
  return NULL;
}

static bool hired(const void *berth) {
  return atomic_load((const _Atomic uint32_t *)berth) >= FIRST;
}

/* Sleeps until it is hired; false: nobody came, and the berth is given up. */
static bool sleep_at(_Atomic uint32_t *berth) {
  uint32_t seen = LOOKING;
  atomic_compare_exchange_strong(berth, &seen, ASLEEP);
  cr_time deadline = cr_after(PATIENCE);
  while (!hired(berth))
    if (cr_futex_wait(berth, ASLEEP, deadline) == ETIMEDOUT) {
      seen = ASLEEP;
      return !atomic_compare_exchange_strong(berth, &seen, EMPTY);
    }
  return true;
}

cr_strand *cr_crew_wait(void) {
  cr_me = NULL;
  _Atomic uint32_t *berth = cr_has(CR_CREW) ? take_berth() : NULL;
  cr_time start = cr_clock();
  if (!berth || !(cr_look(&looking, &starters_cpu, hired, berth) || sleep_at(berth))) return NULL;
  cr_look_learn(&looking, start);
  cr_strand *s = &cr_strands[atomic_load(berth) - FIRST];
  atomic_store(berth, EMPTY);
  return s;
}

static bool hire_one(uint32_t state, const cr_strand *s) {
  for (int i = 0; i < BERTHS; i++) {
    uint32_t seen = state;
    if (atomic_load_explicit(&berths[i], memory_order_relaxed) != state) continue;
    if (!atomic_compare_exchange_strong(&berths[i], &seen, FIRST + s->index)) continue;
    if (state == ASLEEP) cr_futex_wake(&berths[i], 1);
    return true;
  }
  return false;
}

bool cr_crew_hire(const cr_strand *s) {
  atomic_store_explicit(&starters_cpu, cr_cpu_here(), memory_order_relaxed);
  return hire_one(LOOKING, s) || hire_one(ASLEEP, s);
}

void cr_crew_forget(void) {
  for (int i = 0; i < BERTHS; i++) atomic_store(&berths[i], EMPTY);
}
