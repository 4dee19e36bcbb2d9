/* SPDX-License-Identifier: MIT */
/*
** debts: what a strand owes to others, in one list of its record.
**
** A process can be killed between any two instructions.  What it was about to do for
** others, somebody must do for it.  So a strand notes a debt before the deed that makes
** it one, and strikes the note after the last step that pays it.  A debt is a word: a
** kind, and the address of what it is about.  To pay one that was paid already, or that
** never came to be, does no harm: each payment looks first.  Hence a burial can be begun
** again by another strand, and a strand may be killed on either side of each note.
**
** Order of a burial, and why:
**
**   1 the redo log is finished or forgotten, so that every word is as before or as after
**   2 wake-ups: gates, and the news of objects.  The strand's latches are closed still,
**     and what it refers to is there.  Whoever is woken too early waits at the latch
**   3 latches open.  From now on others go on, and may free what they alone refer to; so
**     nothing of 1 and 2 may be left that would be written into then.  This is the end of
**     `cr_recover`, which is done for all strands of a process before 4 begins for any of
**     them: no payment waits for a latch of the dead
**   4 what the strand held on behalf of others: locks, permits, places.  This and what
**     follows takes latches
**   5 what it was in the middle of: tasks, pools, blocks on their way
**   6 who waits for the strand itself is told (its task fails, its worker is over), and
**     finds everything free
**   7 its references go, last of all: they have kept alive what 2 to 6 were about
**
** A note must never outlive what it names, or the burial would write into memory that
** is another's by then.  Whoever lets others in may find the object freed a moment
** later, and cannot strike his note in the same instant: the mistake of many a robust
** lock.  Here the rule is that **a strand has a reference to what its debts name, until
** they are struck**; or the debt names memory that is never freed.  The one operation
** that must open a latch after it has given up its reference is the giving up itself;
** that is why references are counted under latches that lie in the arena's head
** (cr_counting) and not in the objects.
**
** Kinds are paid in the order in which they are listed; each floor pays its own.
** Debts that last while Lua code runs are not among these words, but chained or beside
** what they are about: the locks that a strand has (sync/lock.c), the permits and
** places that it has of an object (cr_hold.aux), its place among a condition's waiters.
**
** What this design refuses: lists of waiters, a helper that repairs, a journal of
** operations, a second look at what a dead strand "probably" did, types that guess in
** their burial whether there was something to tell, and a limit to how many may die at
** once.
*/
#ifndef CR_DEBTS_H
#define CR_DEBTS_H

#include "base/base.h"

enum cr_debt {
  CR_OWE_NOTHING,
  CR_OWE_WAKE,  /* a gate: wakes its sleepers */
  CR_OWE_NEWS,  /* an object that changes: those who wait for that are told (arena/) */
  CR_OWE_LATCH, /* opens it, if the strand has it */
  CR_OWE_LOCKS, /* not a word of the list, but the chain: gives all of them up (sync/) */
  CR_OWE_TASK,  /* a future out of a pool's line: settles it (line/) */
  CR_OWE_CARE,  /* an object in the middle of longer work: its type goes through with it */
  CR_OWE_BLOCK, /* a block on its way out of an object: frees it (arena/) */
  CR_OWE_RUN,   /* pages whose memory goes back to the system: frees them (arena/) */
  CR_DEBT_KINDS
};

#define CR_DEBT_SHIFT 56 /* an address leaves these bits free */
#define CR_DEBT_ADDRESS ((UINT64_C(1) << CR_DEBT_SHIFT) - 1)

static inline uint64_t cr_debt_word(enum cr_debt kind, const void *what) {
  return (uint64_t)kind << CR_DEBT_SHIFT | cr_word(what);
}
static inline void *cr_debt_of(uint64_t word) { return cr_to(void, (word & CR_DEBT_ADDRESS)); }
static inline void *cr_owed(_Atomic uint64_t *note) { return cr_debt_of(atomic_load(note)); }

/* How a kind is paid for a dead strand.  Up to CR_OWE_LATCH a payment takes no latch.  The
** note is struck afterwards, unless the payment clears it with what it does.  Registered
** once per process by the floor that it belongs to. */
typedef void (*cr_payer)(cr_strand *dead, _Atomic uint64_t *note);
void cr_payer_register(enum cr_debt kind, cr_payer pay);

/* The place of the next note, for a redo log that writes cr_debt_word into it: noted and
** done in one step.  After the commit it counts by cr_noted. */
static inline _Atomic uint64_t *cr_note_place(void) {
  cr_check(cr_me->debts < CR_DEBTS);
  return &cr_me->debt[cr_me->debts];
}
static inline void cr_noted(void) { cr_me->debts++; }
static inline _Atomic uint64_t *cr_last_note(void) { return &cr_me->debt[cr_me->debts - 1]; }
static inline void cr_unnote(void) { cr_me->debts--; } /* the last, whose word is clear */

/* The strand's own processor sees the note before what follows, and a kill is between
** two instructions of it: only the compiler has to be told. */
static inline void cr_owe(enum cr_debt kind, const void *what) {
  cr_strand *me = cr_me;
  uint32_t n = me->debts;
  cr_check(n < CR_DEBTS);
  atomic_store_explicit(&me->debt[n], cr_debt_word(kind, what), memory_order_relaxed);
  me->debts = n + 1;
  atomic_signal_fence(memory_order_seq_cst);
}

void cr_strike_below(cr_strand *me, uint64_t word);
static inline void cr_strike(enum cr_debt kind, const void *what) {
  cr_strand *me = cr_me;
  uint64_t word = cr_debt_word(kind, what);
  _Atomic uint64_t *last = &me->debt[me->debts - 1];
  atomic_signal_fence(memory_order_seq_cst);
  if (atomic_load_explicit(last, memory_order_relaxed) != word) {
    cr_strike_below(me, word);
    return;
  }
  atomic_store_explicit(last, 0, memory_order_relaxed);
  me->debts--;
}

/* 2 and 3, and then 4 and 5, of a burial. */
void cr_debts_tell(cr_strand *dead);
void cr_debts_pay(cr_strand *dead);

#endif
