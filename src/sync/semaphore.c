/* SPDX-License-Identifier: MIT */
/*
** semaphore: a number of permits.
**
** Permits belong to nobody: any strand may release what another acquired.  Yet
** each strand's own word counts what it has out, and changes in the same redo
** log as the value, so that the permits of a killed strand go back.  A strand
** that ends by itself keeps to what it said: acquiring for good is a way to use
** a semaphore as a counter of events.
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
  r = cr_wait(CR_ON_SEMAPHORE, s, &s->available, deadline, attempt, &q);
  /* The wake-up came for one; if there is more, so does the next. */
  if (r == 0 && atomic_load(&s->value) > 0) cr_gate_wake(&s->available, 1);
  return r;
}

/* Under the latch.  `aux` is the word of the strand whose permits they are. */
static int give(cr_semaphore *s, _Atomic uint64_t *aux, uint64_t n) {
  uint64_t value = atomic_load_explicit(&s->value, memory_order_relaxed);
  uint64_t out = atomic_load_explicit(aux, memory_order_relaxed);
  if (n > s->bound - value) return EOVERFLOW;
  cr_redo(&s->value, value + n);
  cr_redo(aux, out > n ? out - n : 0);
  cr_redo_commit();
  return 0;
}

static void wake(cr_semaphore *s, uint64_t n) {
  cr_gate_wake(&s->available, n < CR_ALL ? (int)n : CR_ALL);
  cr_object_changed(&s->object);
}

int cr_semaphore_release(cr_semaphore *s, cr_hold *mine, uint64_t n) {
  cr_latch_take(&s->object.latch);
  int r = give(s, &mine->aux, n);
  cr_latch_drop(&s->object.latch);
  if (r == 0) wake(s, n);
  return r;
}

/* Others may have released for the dead strand, so that not all of its permits
** fit under the bound. */
static void abandon(cr_object *o, cr_strand *dead, _Atomic uint64_t *aux) {
  cr_semaphore *s = (cr_semaphore *)o;
  if (dead == cr_me) return;
  cr_latch_take(&o->latch);
  uint64_t out = atomic_load(aux), room = s->bound - atomic_load(&s->value);
  uint64_t n = out < room ? out : room;
  if (n > 0) give(s, aux, n);
  atomic_store(aux, 0);
  cr_latch_drop(&o->latch);
  wake(s, CR_ALL);
}

const cr_type cr_semaphore_type = {.name = "semaphore", .abandon = abandon};
