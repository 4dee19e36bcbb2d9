/* SPDX-License-Identifier: MIT */
/*
** condition: wait, with a lock put down, until told that something changed.
**
** There is no list of waiters.  A waiting strand is found in the strand table:
** it says in its own record to which condition it listens, and since which
** ticket.  So the death of a waiter leaves nothing to repair, and notify(n)
** wakes exactly the n strands that have waited longest.  These two words are not
** those about what it waits for: a burial in the middle of the wait may wait itself.
**
** ticket   0                 listens to no condition
**          number << 1       waiting; set by the strand, under the lock
**          number << 1 | 1   notified; set by a notifier, under the latch
**
** A strand becomes a waiter under the lock, and notifiers hold the lock: none is
** missed.  It stops being one under the object's latch, and a notifier picks
** under the latch: a strand that leaves by its deadline at that moment is either
** not picked, or learns that it was.
**
** Lock order: the condition's lock, then the object latch.
*/
#include "sync/sync.h"

#define NOTIFIED 1u

cr_condition *cr_condition_new(cr_lock *lock) {
  cr_condition *c = cr_object_new(CR_CONDITION, sizeof *c);
  if (!c) return NULL;
  cr_object_share(&lock->object, &c->lock);
  return c;
}

cr_lock *cr_condition_lock(const cr_condition *c) { return cr_at(cr_lock, &c->lock); }

/* The next ticket; 0 is nobody's.  The lock guards the clock. */
static uint64_t draw(cr_condition *c) {
  uint64_t number = atomic_load_explicit(&c->clock, memory_order_relaxed) + 1;
  atomic_store_explicit(&c->clock, number, memory_order_relaxed);
  return number << 1;
}

int cr_condition_enter(cr_condition *c, uint32_t *depth) {
  cr_lock *l = cr_condition_lock(c);
  if (!cr_lock_mine(l)) return EPERM;
  cr_wait_begin(CR_ON_CONDITION, c, NULL);
  atomic_store(&cr_in_sync(cr_me)->listens, cr_word(c));
  atomic_store(&cr_in_sync(cr_me)->ticket, draw(c));
  *depth = l->depth;
  l->depth = 1;
  return cr_lock_release(l);
}

int cr_condition_park(cr_condition *c, cr_time deadline) {
  (void)c;
  for (;;) {
    uint32_t seen = cr_bell();
    if (atomic_load(&cr_in_sync(cr_me)->ticket) & NOTIFIED) {
      cr_watch_found();
      return 0;
    }
    int r = cr_bell_wait(seen, deadline);
    if (r != 0) return r;
  }
}

bool cr_condition_leave(cr_condition *c) {
  cr_latch_take(&c->object.latch);
  uint64_t ticket = atomic_exchange(&cr_in_sync(cr_me)->ticket, 0);
  atomic_store(&cr_in_sync(cr_me)->listens, 0);
  cr_latch_drop(&c->object.latch);
  cr_wait_end(true);
  return ticket & NOTIFIED;
}

int cr_condition_relock(cr_condition *c, uint32_t depth) {
  cr_lock *l = cr_condition_lock(c);
  int r = cr_lock_acquire(l, CR_FOREVER);
  if (r == 0 || r == EOWNERDEAD) l->depth = depth;
  return r;
}

/* The ticket with which `s` waits here without being notified, else 0.  Exact
** under the latch, a hint without it. */
static uint64_t ticket_of(const cr_condition *c, cr_strand *s) {
  if (atomic_load(&cr_in_sync(s)->listens) != cr_word(c)) return 0;
  uint64_t ticket = atomic_load(&cr_in_sync(s)->ticket);
  return ticket & NOTIFIED || cr_strand_state(s) != CR_RUNNING ? 0 : ticket;
}

static cr_strand *longest(const cr_condition *c, uint64_t *ticket) {
  cr_strand *found = NULL;
  cr_for_strands(s) {
    uint64_t t = ticket_of(c, s);
    if (t == 0 || (found && t > *ticket)) continue;
    found = s;
    *ticket = t;
  }
  return found;
}

/* False when `s` has left meanwhile. */
static bool tell_one(cr_condition *c, cr_strand *s, uint64_t ticket) {
  cr_latch_take(&c->object.latch);
  bool here = ticket_of(c, s) == ticket;
  if (here) atomic_store(&cr_in_sync(s)->ticket, ticket | NOTIFIED);
  cr_latch_drop(&c->object.latch);
  if (here) cr_ring(s);
  return here;
}

static void notify(cr_condition *c, uint32_t n) {
  cr_strand *s;
  uint64_t ticket = 0;
  atomic_fetch_add_explicit(&c->notified, 1, memory_order_relaxed);
  cr_owe(CR_OWE_NEWS, c);
  while (n > 0 && (s = longest(c, &ticket)))
    if (tell_one(c, s, ticket)) n--;
  cr_strike(CR_OWE_NEWS, c);
}

int cr_condition_notify(cr_condition *c, uint32_t n) {
  if (!cr_lock_mine(cr_condition_lock(c))) return EPERM;
  notify(c, n);
  return 0;
}

uint32_t cr_condition_notified(const cr_condition *c) {
  return atomic_load_explicit(&c->notified, memory_order_relaxed);
}

void cr_condition_pass_on(cr_condition *c) { notify(c, 1); }

/* The dead strand may have told some and not rung their bells. */
static void tell(cr_object *o) {
  cr_for_strands(s)
    if (atomic_load(&cr_in_sync(s)->listens) == cr_word(o) &&
        atomic_load(&cr_in_sync(s)->ticket) & NOTIFIED)
      cr_ring(s);
}

/* A notification that went to the dead strand goes to another.  If the burial
** is begun again between the two steps, one strand too many looks up, which a
** condition allows. */
static void abandon(cr_object *o, cr_strand *dead, _Atomic uint64_t *aux) {
  (void)aux;
  if (atomic_load(&cr_in_sync(dead)->listens) != cr_word(o)) return;
  if (atomic_load(&cr_in_sync(dead)->ticket) & NOTIFIED) notify((cr_condition *)o, 1);
  atomic_store(&cr_in_sync(dead)->ticket, 0);
  atomic_store(&cr_in_sync(dead)->listens, 0);
}

/* Its lock may be one that the strand knows only through it. */
static bool owes(cr_object *o, const _Atomic uint64_t *aux, bool alone) {
  cr_lock *l = cr_condition_lock((cr_condition *)o);
  (void)aux;
  return cr_lock_owed(l, alone && atomic_load(&l->object.refs) == 1);
}

static void destroy(cr_object *o) { cr_object_disown(&((cr_condition *)o)->lock); }

static void visit(cr_object *o, cr_visit *v) {
  cr_lock *l = cr_condition_lock((cr_condition *)o);
  if (l) v->object(v, &l->object);
}

const cr_type cr_condition_type = {.name = "condition",
                                   .destroy = destroy,
                                   .tell = tell,
                                   .abandon = abandon,
                                   .owes = owes,
                                   .visit = visit};
