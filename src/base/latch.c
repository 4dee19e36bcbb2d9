/* SPDX-License-Identifier: MIT */
/*
** latch: the short internal lock of an object.
**
** word   0              free
**        index + 1      held by that strand
**        | CONTENDED    somebody may be asleep on the word
**
** A strand owes the opening of a latch from before it takes it until after it let go
** (debts.h), so the latches that a dead strand may hold are among its debts; whether it
** does hold one is in the word.  Nobody else has a dead strand's number before it is
** buried, so the number of its record is name enough.
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
    cr_lent.open_latches(l);
}

/* Apart from what is done each time, which is better off without this one's registers. */
__attribute__((noinline)) static void wait_for(cr_latch *l, uint32_t me) {
  cr_assert((atomic_load(&l->word) & ~CONTENDED) != me);
  if (spin(l, me)) return;
  while (!grab(l, me | CONTENDED)) sleep_on(l);
}

void cr_latch_take_in(cr_latch *l, const char *function) {
  cr_owe(CR_OWE_LATCH, l);
  (void)cr_fault("latch");
  uint32_t me = cr_me->index + 1;
  if (!grab(l, me)) wait_for(l, me);
  cr_held_begin(l, function);
}

void cr_latch_drop(cr_latch *l) {
  /* Sequentially consistent: what follows (a look at a gate) must not be
  ** ordered before the change that the latch protected. */
  (void)cr_fault("latch");
  uint32_t old = atomic_exchange(&l->word, 0);
  cr_held_end(l);
  cr_assert((old & ~CONTENDED) == cr_me->index + 1);
  (void)cr_fault("latch");
  if (old & CONTENDED) cr_futex_wake(&l->word, 1);
  cr_strike(CR_OWE_LATCH, l);
}

bool cr_latches_held(void) {
  for (uint32_t i = 0; i < cr_me->debts; i++)
    if (atomic_load_explicit(&cr_me->debt[i], memory_order_relaxed) >> CR_DEBT_SHIFT ==
        CR_OWE_LATCH)
      return true;
  return false;
}

cr_strand *cr_latch_holder(const cr_latch *l) {
  uint32_t number = atomic_load(&l->word) & ~CONTENDED;
  return number ? &cr_strands[number - 1] : NULL;
}

void cr_latch_release(cr_latch *l, const cr_strand *dead) {
  if (cr_latch_holder(l) == dead) atomic_store(&l->word, 0);
  cr_futex_wake(&l->word, CR_ALL);
}
