/* SPDX-License-Identifier: MIT */
/*
** semaphore: a number of permits.
**
** Any strand may release, whether it has acquired or not.  That serves two uses, of which
** a semaphore learns by itself which one it is for:
**
**   seats    whoever releases has acquired before.  A strand owes the permits that it has
**            out, and they go back when it ends, however it ends
**   events   some strand has released a permit that it did not have.  From then on permits
**            are what others have given, not what is lent: acquiring is for good, and
**            nothing goes back
**
** While it is of seats, value + all that strands have out is what it was made with; so
** what goes back can never be more than was taken.  What a strand has out is in its own
** word for the object (cr_hold.aux), which changes in the same redo log as the value.
*/
#include "sync/sync.h"

cr_semaphore *cr_semaphore_new(uint64_t value, bool bounded) {
  cr_semaphore *s = cr_object_new(CR_SEMAPHORE, sizeof *s);
  if (!s) return NULL;
  atomic_store_explicit(&s->value, value, memory_order_relaxed);
  s->bound = bounded ? value : INT64_MAX;
  return s;
}

typedef struct request {
  cr_semaphore *semaphore;
  cr_hold *mine;
} request;

static int take(cr_semaphore *s, cr_hold *mine) {
  uint64_t value = atomic_load_explicit(&s->value, memory_order_relaxed);
  if (value == 0) return EAGAIN;
  cr_redo(&s->value, value - 1);
  if (!atomic_load_explicit(&s->events, memory_order_relaxed))
    cr_redo(&mine->aux, atomic_load_explicit(&mine->aux, memory_order_relaxed) + 1);
  cr_redo_commit();
  return 0;
}

static int attempt(void *arg) {
  request *q = arg;
  /* A look without the latch: a release after it wakes whoever has armed. */
  if (atomic_load(&q->semaphore->value) == 0) return EAGAIN;
  cr_latch_take(&q->semaphore->object.latch);
  int r = take(q->semaphore, q->mine);
  cr_latch_drop(&q->semaphore->object.latch);
  return r;
}

int cr_semaphore_acquire(cr_semaphore *s, cr_hold *mine, cr_time deadline) {
  request q = {s, mine};
  int r = attempt(&q);
  if (r != EAGAIN) return r;
  cr_owe(CR_OWE_WAKE, &s->available);
  r = cr_wait(CR_ON_SEMAPHORE, s, &s->available, deadline, attempt, &q);
  /* The wake-up came for one; if there is more, so does the next. */
  if (r == 0 && atomic_load(&s->value) > 0) cr_gate_wake(&s->available, 1);
  cr_strike(CR_OWE_WAKE, &s->available);
  return r;
}

/* Under the latch.  `aux` is the word of the strand whose permits they are. */
static int give(cr_semaphore *s, _Atomic uint64_t *aux, uint64_t n) {
  uint64_t value = atomic_load_explicit(&s->value, memory_order_relaxed);
  uint64_t out = atomic_load_explicit(aux, memory_order_relaxed);
  if (n > s->bound - value) return EOVERFLOW;
  cr_redo(&s->value, value + n);
  cr_redo(aux, out > n ? out - n : 0);
  if (n > out) cr_redo(&s->events, 1);
  cr_redo_commit();
  return 0;
}

static void tell(cr_object *o) {
  cr_gate_wake(&((cr_semaphore *)o)->available, CR_ALL);
  cr_object_changed(o);
}

int cr_semaphore_release(cr_semaphore *s, cr_hold *mine, uint64_t n) {
  cr_owe(CR_OWE_NEWS, s);
  cr_latch_take(&s->object.latch);
  int r = give(s, &mine->aux, n);
  cr_latch_drop(&s->object.latch);
  if (r == 0) {
    cr_gate_wake(&s->available, n < CR_ALL ? (int)n : CR_ALL);
    cr_object_changed(&s->object);
  }
  cr_strike(CR_OWE_NEWS, s);
  if (cr_in_arena(cr_me)->kept > 0) cr_object_settled();
  return r;
}

static bool has_seats(cr_semaphore *s, const _Atomic uint64_t *aux) {
  return atomic_load(&s->events) == 0 && atomic_load((_Atomic uint64_t *)aux) > 0;
}

static void abandon(cr_object *o, cr_strand *dead, _Atomic uint64_t *aux) {
  cr_semaphore *s = (cr_semaphore *)o;
  (void)dead;
  cr_owe(CR_OWE_NEWS, s);
  cr_latch_take(&o->latch);
  bool some = has_seats(s, aux);
  if (some) give(s, aux, atomic_load(aux));
  cr_latch_drop(&o->latch);
  if (some) tell(o);
  cr_strike(CR_OWE_NEWS, s);
}

static bool owes(cr_object *o, const _Atomic uint64_t *aux, bool alone) {
  return !alone && has_seats((cr_semaphore *)o, aux);
}

const cr_type cr_semaphore_type = {
    .name = "semaphore", .tell = tell, .abandon = abandon, .owes = owes};
