/* SPDX-License-Identifier: MIT */
/*
** spin: how long a strand looks around before it sleeps.
**
** The budget doubles when looking was worth it and shrinks by a quarter when it
** was not, between MOST and LEAST looks; so a strand that waits for long things,
** or on a machine whose processors are all busy, soon hardly looks at all, and
** one that answers another in turn never sleeps.
*/
#include "base/base.h"
#include "base/futex.h"

#define LEAST 2u
#define MOST 256u
#define BREATHS 8 /* pauses between two looks: some 100 ns */

/* A fact about the machine, asked once per process. */
static bool one_processor(void) {
  static _Atomic int count;
  int n = atomic_load_explicit(&count, memory_order_relaxed);
  if (n == 0) atomic_store_explicit(&count, n = cr_cpu_count(), memory_order_relaxed);
  return n == 1;
}

unsigned cr_spin_start(void) {
  if (one_processor()) return 0;
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
  if (!one_processor()) breathe(looks);
}

void cr_spin_learn(bool worth_it) {
  uint32_t n = cr_me->spins;
  n = worth_it ? 2 * n + LEAST : n - n / 4;
  cr_me->spins = n > MOST ? MOST : n < LEAST ? LEAST : n;
}
