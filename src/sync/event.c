/* SPDX-License-Identifier: MIT */
/*
** event: a flag that strands wait for.
**
** The word counts its changes, and is odd while the flag is set: any change that
** a waiter sees means that the flag was set since it came, even if it has been
** cleared again before the waiter ran.  Every change is one compare-and-swap,
** so no latch is needed and a dead strand leaves only a wake-up to make good.
*/
#include "sync/sync.h"

cr_event *cr_event_new(void) { return cr_object_new(CR_EVENT, sizeof(cr_event)); }

/* True if this call changed the flag. */
static bool change(cr_event *e, bool set) {
  uint32_t word = atomic_load(&e->set);
  while ((word & 1) != set)
    if (atomic_compare_exchange_weak(&e->set, &word, word + 1)) return true;
  return false;
}

static void tell(cr_object *o) {
  cr_gate_wake(&((cr_event *)o)->changed, CR_ALL);
  cr_object_changed(o);
}

void cr_event_set(cr_event *e) {
  cr_owe(CR_OWE_NEWS, e);
  if (change(e, true)) tell(&e->object);
  cr_strike(CR_OWE_NEWS, e);
}

void cr_event_clear(cr_event *e) { change(e, false); }

bool cr_event_is_set(const cr_event *e) { return atomic_load(&e->set) & 1; }

typedef struct request {
  cr_event *event;
  uint32_t seen; /* the word when the waiter came: even */
} request;

static int attempt(void *arg) {
  request *q = arg;
  return atomic_load(&q->event->set) != q->seen ? 0 : EAGAIN;
}

int cr_event_wait(cr_event *e, cr_time deadline) {
  request q = {e, atomic_load(&e->set)};
  if (q.seen & 1) return 0;
  return cr_wait(CR_ON_EVENT, e, &e->changed, deadline, attempt, &q);
}

const cr_type cr_event_type = {.name = "event", .tell = tell};
