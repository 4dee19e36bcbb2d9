/* SPDX-License-Identifier: MIT */
/*
** latch: the short internal lock of an object.
**
** word   0              free
**        index + 1      held by that strand
**        | CONTENDED    somebody may be asleep on the word
**
** A strand notes the latch in its record before it takes it and clears the note
** after it let go, so the latches that a dead strand may hold are among its
** notes; whether it does hold one is in the word.  The dead strand's burial
** opens them, after its redo log is finished.
**
** Sleepers.  CONTENDED may be set when nobody sleeps; nobody sleeps without it.
** A strand that has slept takes the latch with CONTENDED set, since others may
** still sleep.  If the strand that lets go, or the one it woke, dies before the
** wake-up has done its work, its note is still there, and burial wakes another.
*/
#include <sched.h>

#include "base/base.h"
#include "base/futex.h"

#define CONTENDED 0x80000000u
#define SPINS 64
#define PATIENCE 2000000 /* ns between looks at the dead */

static void note(cr_strand *s, cr_latch *l) {
  cr_check(s->latch_depth < CR_LATCH_DEPTH);
  atomic_store_explicit(&s->latches[s->latch_depth++], l, memory_order_release);
}

/* Latches are dropped in any order, mostly the last first. */
static void forget(cr_strand *s, const cr_latch *l) {
  uint32_t i = s->latch_depth;
  while (atomic_load_explicit(&s->latches[--i], memory_order_relaxed) != l) cr_check(i > 0);
  cr_latch *last = atomic_load_explicit(&s->latches[--s->latch_depth], memory_order_relaxed);
  atomic_store_explicit(&s->latches[i], last, memory_order_release);
  atomic_store_explicit(&s->latches[s->latch_depth], NULL, memory_order_release);
}

static bool grab(cr_latch *l, uint32_t value) {
  uint32_t zero = 0;
  return atomic_compare_exchange_strong_explicit(&l->word, &zero, value, memory_order_acquire,
                                                 memory_order_relaxed);
}

static bool spin(cr_latch *l, uint32_t value) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&l->word, memory_order_relaxed) == 0 && grab(l, value)) return true;
    cr_relax();
  }
  return false;
}

static void sleep_on(cr_latch *l) {
  uint32_t seen = atomic_load(&l->word);
  if (seen == 0) return;
  if (cr_stray) { /* nobody else is there who could hold it, or let go */
    atomic_store(&l->word, 0);
    return;
  }
  if (!(seen & CONTENDED) && !atomic_compare_exchange_strong(&l->word, &seen, seen | CONTENDED))
    return;
  cr_time until = cr_lent.open_latches ? cr_clock() + PATIENCE : CR_FOREVER;
  if (cr_futex_wait(&l->word, seen | CONTENDED, until) == ETIMEDOUT && cr_lent.open_latches)
    cr_lent.open_latches();
}

void cr_latch_take(cr_latch *l) {
  uint32_t me = cr_me->index + 1;
  note(cr_me, l);
  (void)cr_fault("latch");
  if (grab(l, me)) return;
  cr_assert((atomic_load(&l->word) & ~CONTENDED) != me);
  if (spin(l, me)) return;
  while (!grab(l, me | CONTENDED)) sleep_on(l);
}

void cr_latch_drop(cr_latch *l) {
  /* Sequentially consistent: what follows (a look at a gate) must not be
  ** ordered before the change that the latch protected. */
  (void)cr_fault("latch");
  uint32_t old = atomic_exchange(&l->word, 0);
  cr_assert((old & ~CONTENDED) == cr_me->index + 1);
  (void)cr_fault("latch");
  if (old & CONTENDED) cr_futex_wake(&l->word, 1);
  forget(cr_me, l);
}

bool cr_latch_mine(const cr_latch *l) {
  return (atomic_load(&((cr_latch *)l)->word) & ~CONTENDED) == cr_me->index + 1;
}

void cr_latches_release(cr_strand *s) {
  for (int i = 0; i < CR_LATCH_DEPTH; i++) {
    cr_latch *l = atomic_load(&s->latches[i]);
    if (!l) continue;
    if ((atomic_load(&l->word) & ~CONTENDED) == s->index + 1) atomic_store(&l->word, 0);
    cr_futex_wake(&l->word, CR_ALL);
    atomic_store(&s->latches[i], NULL);
  }
  s->latch_depth = 0;
}
