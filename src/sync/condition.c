/* SPDX-License-Identifier: MIT */
/*
** condition: wait, with a lock put down, until told that something changed.
**
** There is no list of waiters.  A waiting strand is found in the strand table:
** it says in its own record that it waits for this condition, and since which
** ticket.  So the death of a waiter leaves nothing to repair, and notify(n)
** wakes exactly the n strands that have waited longest.
**
** waits_ticket   0                 not waiting for a condition
**                number << 1       waiting; set by the strand, under the lock
**                number << 1 | 1   notified; set by a notifier, under the latch
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
  atomic_store(&lock->shared, 1);
  cr_object_share(&lock->object, &c->lock);
  return c;
}

cr_lock *cr_condition_lock(const cr_condition *c) {
  return (cr_lock *)(uintptr_t)atomic_load_explicit(&c->lock, memory_order_relaxed);
}

/* The next ticket; 0 is nobody's.  The lock guards the clock. */
static uint32_t draw(cr_condition *c) {
  uint32_t number = atomic_load_explicit(&c->clock, memory_order_relaxed) + 1;
  if (number << 1 == 0) number = 1;
  atomic_store_explicit(&c->clock, number, memory_order_relaxed);
  return number << 1;
}

int cr_condition_enter(cr_condition *c, uint32_t *depth) {
  cr_lock *l = cr_condition_lock(c);
  if (!cr_lock_mine(l)) return EPERM;
  cr_wait_begin(CR_ON_CONDITION, c, NULL);
  atomic_store(&cr_me->waits_ticket, draw(c));
  *depth = l->depth;
  l->depth = 1;
  return cr_lock_release(l);
}

int cr_condition_park(cr_condition *c, cr_time deadline) {
  (void)c;
  for (;;) {
    uint32_t seen = cr_bell();
    if (atomic_load(&cr_me->waits_ticket) & NOTIFIED) {
      cr_watch_found();
      return 0;
    }
    int r = cr_bell_wait(seen, deadline);
    if (r != 0) return r;
  }
}

bool cr_condition_leave(cr_condition *c) {
  cr_latch_take(&c->object.latch);
  uint32_t ticket = atomic_exchange(&cr_me->waits_ticket, 0);
  cr_wait_end(true);
  cr_latch_drop(&c->object.latch);
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
static uint32_t ticket_of(const cr_condition *c, cr_strand *s) {
  if (atomic_load(&s->waits_for) != c || atomic_load(&s->waits_what) != CR_ON_CONDITION) return 0;
  uint32_t ticket = atomic_load(&s->waits_ticket);
  return ticket & NOTIFIED || cr_strand_state(s) != CR_RUNNING ? 0 : ticket;
}

/* Tickets wrap around; what counts is the distance. */
static bool earlier(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

static cr_strand *longest(const cr_condition *c, uint32_t *ticket) {
  cr_strand *found = NULL;
  uint32_t top = cr_strands_top();
  for (uint32_t i = 0; i < top; i++) {
    uint32_t t = ticket_of(c, &cr_strands[i]);
    if (t == 0 || (found && !earlier(t, *ticket))) continue;
    found = &cr_strands[i];
    *ticket = t;
  }
  return found;
}

/* False when `s` has left meanwhile. */
static bool tell(cr_condition *c, cr_strand *s, uint32_t ticket) {
  cr_latch_take(&c->object.latch);
  bool here = ticket_of(c, s) == ticket;
  if (here) atomic_store(&s->waits_ticket, ticket | NOTIFIED);
  cr_latch_drop(&c->object.latch);
  if (here) cr_ring(s);
  return here;
}

static void notify(cr_condition *c, uint32_t n) {
  cr_strand *s;
  uint32_t ticket = 0;
  atomic_fetch_add_explicit(&c->notified, 1, memory_order_relaxed);
  while (n > 0 && (s = longest(c, &ticket)))
    if (tell(c, s, ticket)) n--;
}

int cr_condition_notify(cr_condition *c, uint32_t n) {
  if (!cr_lock_mine(cr_condition_lock(c))) return EPERM;
  notify(c, n);
  return 0;
}

uint32_t cr_condition_notified(const cr_condition *c) {
  return atomic_load_explicit(&((cr_condition *)c)->notified, memory_order_relaxed);
}

void cr_condition_pass_on(cr_condition *c) { notify(c, 1); }

/* The dead strand may have told some and not rung their bells. */
static void ring_notified(const cr_condition *c) {
  uint32_t top = cr_strands_top();
  for (uint32_t i = 0; i < top; i++) {
    cr_strand *s = &cr_strands[i];
    if (atomic_load(&s->waits_for) == c && atomic_load(&s->waits_ticket) & NOTIFIED) cr_ring(s);
  }
}

/* The lock may be one that the strand knew only through the condition.
** A notification that went to the dead strand goes to another.  If the burial
** is begun again between the two steps, one strand too many looks up, which a
** condition allows. */
static void abandon(cr_object *o, cr_strand *dead, _Atomic uint64_t *aux) {
  cr_condition *c = (cr_condition *)o;
  cr_lock_abandon(&cr_condition_lock(c)->object, dead, aux);
  ring_notified(c);
  if (atomic_load(&dead->waits_for) != o) return;
  if (atomic_load(&dead->waits_ticket) & NOTIFIED) notify(c, 1);
  atomic_store(&dead->waits_ticket, 0);
}

static void destroy(cr_object *o) { cr_object_disown(&((cr_condition *)o)->lock); }

static void visit(cr_object *o, cr_visit *v) {
  cr_lock *l = cr_condition_lock((cr_condition *)o);
  if (l) v->object(v, &l->object);
}

const cr_type cr_condition_type = {
    .name = "condition", .destroy = destroy, .abandon = abandon, .visit = visit};
