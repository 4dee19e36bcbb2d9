/* SPDX-License-Identifier: MIT */
/*
** told: which of many objects have changed, told to a strand that watches them.
**
** A strand that waits for the first of many objects would have to look at all of them
** whenever its bell rings.  So who rings it for an object leaves the object's serial number
** in the strand's record, here, before the bell.  The record is a bag of 64 places:
**
**   teller   picks the next place; swaps the number into it; if another number was there,
**            says LOST; sets the place's bit; rings the bell
**   owner    reads the bell; takes LOST; takes the bits; swaps 0 into each place whose bit
**            was set; looks at those objects, or at all if something was lost; then sleeps
**            on the bell as it was read
**
** Why no change is missed.  The object has changed before its number is told.  A number that
** is in a place leaves it by the owner's swap, who then has it, or by another teller's, who
** says LOST before he rings.  A number whose bit is not set yet will be found when it is, for
** the bell comes after the bit.  So each telling that is complete is seen by the owner's
** first look after its bell, as a number or as LOST.  Nothing depends on which teller wins a
** place, nor on how long one rests between two steps.
**
** A teller that dies on the way has the watchers in its record (cr_strand.ringing); its
** burial says LOST to each and rings.  The record itself is never freed, and what a strand
** before has left in it are numbers that nobody knows.
*/
#include "arena/inside.h"

typedef struct told {
  _Alignas(64) _Atomic uint64_t next; /* the place of the next number, modulo CR_TOLD */
  _Atomic uint64_t places;            /* a bit for each that may have a number */
  _Atomic uint64_t lost;              /* 1: look at all */
  _Atomic uint64_t takes;             /* 1: some owner of the record has ever taken; else nobody
                                      ** needs to tell */
  uint64_t taken;                     /* own; how often something was taken */
  _Alignas(64) _Atomic uint64_t serial[CR_TOLD]; /* 0: none */
} told;
_Static_assert(sizeof(told) * CR_STRANDS == TOLD_SIZE, "one record for each strand");
_Static_assert(CR_TOLD == 64, "one bit for each place");

static told *own(void) { return &arena->told[cr_me->index]; }

void told_tell(const cr_strand *s, uint64_t serial) {
  told *t = &arena->told[s->index];
  if (!atomic_load(&t->takes)) return;
  if (serial == 0) {
    atomic_store(&t->lost, 1);
    return;
  }
  uint64_t place = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed) % CR_TOLD;
  if (atomic_exchange(&t->serial[place], serial) != 0) atomic_store(&t->lost, 1);
  (void)cr_fault("tell");
  atomic_fetch_or(&t->places, UINT64_C(1) << place);
}

/* Another wait of the strand that has taken, perhaps what was ours too, has counted it. */
static bool is_first(told *t, const cr_told *to, uint64_t *seen) {
  bool first = *seen == t->taken;
  if (to->lost || to->n > 0) t->taken++;
  *seen = t->taken;
  return first;
}

void cr_told_take(cr_told *to, uint64_t *seen) {
  told *t = own();
  if (!atomic_load(&t->takes)) {
    atomic_store(&t->takes, 1); /* whoever did not tell us before was seen as LOST */
    atomic_store(&t->lost, 1);
  }
  to->n = 0;
  to->lost = atomic_load(&t->lost) && atomic_exchange(&t->lost, 0);
  for (uint64_t bits = atomic_exchange(&t->places, 0); bits; bits &= bits - 1) {
    uint64_t serial = atomic_exchange(&t->serial[__builtin_ctzll(bits)], 0);
    if (serial) to->serial[to->n++] = serial;
  }
  to->lost |= !is_first(t, to, seen);
}
