/* SPDX-License-Identifier: MIT */
/*
** debts: the notes of what a strand owes, and their payment by its burial.
*/
#include "base/base.h"

static void pay_wake(cr_strand *dead, _Atomic uint64_t *note) {
  (void)dead;
  cr_gate_wake_again(cr_owed(note));
}

static void pay_latch(cr_strand *dead, _Atomic uint64_t *note) {
  cr_latch_release(cr_owed(note), dead);
}

static cr_payer payers[CR_DEBT_KINDS] = {[CR_OWE_WAKE] = pay_wake, [CR_OWE_LATCH] = pay_latch};

void cr_payer_register(enum cr_debt kind, cr_payer pay) { payers[kind] = pay; }

/* Debts are mostly paid in the reverse order of their making, but not always.  The last
** one takes the place: for a moment it is noted twice. */
void cr_strike_below(cr_strand *me, uint64_t word) {
  uint32_t i = me->debts;
  do cr_check(i > 0);
  while (atomic_load_explicit(&me->debt[--i], memory_order_relaxed) != word);
  uint32_t last = me->debts - 1;
  uint64_t moved = atomic_load_explicit(&me->debt[last], memory_order_relaxed);
  atomic_store_explicit(&me->debt[i], moved, memory_order_release);
  atomic_store_explicit(&me->debt[last], 0, memory_order_release);
  me->debts = last;
}

/* Struck after it is paid, so that a burial that is cut off pays it again. */
static void pay(cr_strand *dead, enum cr_debt kind) {
  for (int i = 0; i < CR_DEBTS; i++) {
    uint64_t word = atomic_load(&dead->debt[i]);
    if (word >> CR_DEBT_SHIFT != kind) continue;
    if (payers[kind]) payers[kind](dead, &dead->debt[i]);
    atomic_store(&dead->debt[i], 0);
  }
}

/* 4 and 5. */
void cr_debts_pay(cr_strand *dead) {
  if (payers[CR_OWE_LOCKS]) payers[CR_OWE_LOCKS](dead, NULL);
  for (enum cr_debt kind = CR_OWE_LOCKS + 1; kind < CR_DEBT_KINDS; kind++) pay(dead, kind);
}

/* 2 and 3.  The gate at which it slept is one, too: a wake-up may have come to it alone. */
void cr_debts_tell(cr_strand *dead) {
  cr_gate *gate = atomic_load(&dead->waits_at);
  if (gate) cr_gate_wake_again(gate);
  atomic_store(&dead->waits_at, NULL);
  for (enum cr_debt kind = CR_OWE_WAKE; kind <= CR_OWE_LATCH; kind++) pay(dead, kind);
}
