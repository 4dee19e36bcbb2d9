/* SPDX-License-Identifier: MIT */
/*
** spin: how long a strand looks around before it sleeps.
**
** The budget doubles when looking was worth it and shrinks by a quarter when it
** was not, between MOST and LEAST looks; so a strand that waits for long things,
** or on a machine whose processors are all busy, soon hardly looks at all, and
** one that answers another in turn never sleeps.
**
** The longer look at another processor has a length of its own.  Its limit is the
** price of what it saves, so in the worst case a wait costs twice what it must.
*/
#include <sched.h>

#include "base/base.h"
#include "base/futex.h"

#define LEAST 2u
#define MOST 256u
#define BREATHS 8 /* pauses between two looks: some 100 ns */

#define LOOK 50000 /* ns: to fall asleep, and to be woken on a processor that halts */
#define MOST_HALVINGS 16

/* A fact about the machine, asked once per process. */
static bool one_processor(void) {
  static _Atomic int count;
  int n = atomic_load_explicit(&count, memory_order_relaxed);
  if (n == 0) atomic_store_explicit(&count, n = cr_cpu_count(), memory_order_relaxed);
  return n == 1;
}

unsigned cr_spin_start(void) {
  if (one_processor() || !cr_has(CR_SPIN)) return 0;
  return cr_me->spins < LEAST ? LEAST : cr_me->spins;
}

static void breathe(unsigned looks) {
  for (unsigned i = 0; i < BREATHS * looks; i++) cr_relax();
}

bool cr_spin(unsigned *n, unsigned looks) {
  if (*n == 0) return false;
  *n -= looks < *n ? looks : *n;
  breathe(looks);
  return true;
}

void cr_breathe(unsigned looks) {
  if (!one_processor() && cr_has(CR_SPIN)) breathe(looks);
}

void cr_spin_learn(bool worth_it) {
  uint32_t n = cr_me->spins;
  n = worth_it ? 2 * n + LEAST : n - n / 4;
  cr_me->spins = n > MOST ? MOST : n < LEAST ? LEAST : n;
}

uint32_t cr_cpu_here(void) { return (uint32_t)sched_getcpu() + 1; }

/* Read anew each time, for either side may be moved; not known before it runs. */
static bool elsewhere(const _Atomic uint32_t *where) {
  uint32_t cpu = atomic_load_explicit(where, memory_order_relaxed);
  return cpu && cpu != cr_cpu_here();
}

/* To yield costs little if nobody else wants this processor, and a turn of somebody
** else's, a bounded time, if all are busy: after that the look is over. */
bool cr_look(const cr_patience *p, const _Atomic uint32_t *where, bool (*there)(const void *arg),
             const void *arg) {
  cr_time start = cr_clock(), looked = 0;
  if (!cr_has(CR_SPIN)) return there(arg);
  cr_time most = LOOK >> atomic_load_explicit(&p->halvings, memory_order_relaxed);
  while (!there(arg)) {
    if (looked > most) return false;
    if (elsewhere(where))
      cr_relax();
    else
      sched_yield();
    looked = cr_clock() - start;
  }
  return true;
}

/* Strands that learn at the same time may overwrite each other: it is a guess anyhow. */
void cr_look_learn(cr_patience *p, cr_time since) {
  uint32_t n = atomic_load_explicit(&p->halvings, memory_order_relaxed);
  if (cr_clock() - since < 2 * LOOK)
    n = 0;
  else if (n < MOST_HALVINGS)
    n++;
  atomic_store_explicit(&p->halvings, n, memory_order_relaxed);
}
