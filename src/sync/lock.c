/* SPDX-License-Identifier: MIT */
/*
** lock: mutual exclusion between strands, with a known holder.
**
** The word says who holds the lock, so a release by anybody else is refused and
** the burial of a dead holder can open it.  An acquire that finds it free and a
** release that finds nobody asleep are one atomic operation each.
**
** A lock is not handed over: a release opens it and wakes one sleeper, which
** competes with whoever runs already.  Handing over would be fair, but would
** make every contended section as slow as a switch between two strands.
**
** If the holder dies, the next acquire succeeds with EOWNERDEAD, once: what the
** lock protects may be half changed, and only the caller knows how to look.
*/
#include <stdio.h>

#include "sync/sync.h"

#define HOLDER_SHIFT 8

static uint32_t owned_by(const cr_strand *s) { return (s->index + 1) << HOLDER_SHIFT; }
static uint32_t holder_of(uint32_t word) { return word & ~(uint32_t)CR_LOCK_ABANDONED; }

cr_lock *cr_lock_new(bool recursive) {
  cr_lock *l = cr_object_new(CR_LOCK, sizeof *l);
  if (l) l->recursive = recursive;
  return l;
}

/* Free: takes it.  The exchange acquires what the last release published. */
static int attempt(void *arg) {
  cr_lock *l = arg;
  uint32_t word = atomic_load(&l->word);
  while (holder_of(word) == 0) {
    if (!atomic_compare_exchange_weak(&l->word, &word, owned_by(cr_me))) continue;
    l->depth = 1;
    l->line = 0;
    return word & CR_LOCK_ABANDONED ? EOWNERDEAD : 0;
  }
  return EAGAIN;
}

/* The caller holds it already.  With a deadline it waits like anybody else: it
** asked for that, and nobody else can be waited for. */
static int acquire_again(cr_lock *l, cr_time deadline) {
  if (l->recursive) {
    l->depth++;
    return 0;
  }
  if (deadline == CR_FOREVER) return EDEADLK;
  return cr_wait(CR_ON_LOCK, l, &l->freed, deadline, attempt, l);
}

int cr_lock_acquire(cr_lock *l, cr_time deadline) {
  int r = attempt(l);
  if (r != EAGAIN) return r;
  if (cr_lock_mine(l)) return acquire_again(l, deadline);
  return cr_wait(CR_ON_LOCK, l, &l->freed, deadline, attempt, l);
}

/* Only the holder writes depth, and until the exchange that is the caller.  If
** it dies before the exchange, the lock is abandoned; after it, it is free and
** the burial wakes the sleepers. */
int cr_lock_release(cr_lock *l) {
  if (!cr_lock_mine(l)) return EPERM;
  if (l->depth > 1) {
    l->depth--;
    return 0;
  }
  l->depth = 0;
  atomic_exchange(&l->word, 0);
  cr_gate_wake(&l->freed, 1);
  return 0;
}

bool cr_lock_held(const cr_lock *l) {
  return holder_of(atomic_load_explicit(&l->word, memory_order_relaxed)) != 0;
}

/* Another strand's index never looks like ours, and ours is only written by us,
** so a relaxed look is exact. */
bool cr_lock_mine(const cr_lock *l) {
  return atomic_load_explicit(&l->word, memory_order_relaxed) == owned_by(cr_me);
}

cr_strand *cr_lock_holder(const cr_lock *l) {
  uint32_t holder = holder_of(atomic_load(&l->word)) >> HOLDER_SHIFT;
  return holder ? &cr_strands[holder - 1] : NULL;
}

const char *cr_lock_where(const cr_lock *l, const char *before, char text[CR_WHERE_MAX]) {
  text[0] = '\0';
  if (l->line > 0)
    snprintf(text, CR_WHERE_MAX, "%s%.*s:%d", before, CR_SOURCE_MAX - 1, l->source, (int)l->line);
  return text;
}

/* One store opens the lock.  A second call, from a burial begun again, finds it
** open or somebody else's; it wakes once more, since the first may not have. */
void cr_lock_abandon(cr_object *o, cr_strand *dead, _Atomic uint64_t *aux) {
  (void)aux;
  cr_lock *l = (cr_lock *)o;
  if (atomic_load(&l->word) == owned_by(dead)) {
    l->depth = 0;
    atomic_store(&l->word, CR_LOCK_ABANDONED);
  }
  cr_gate_wake(&l->freed, 1);
}

/* Whoever drops the handle of a lock that it holds can never release it. */
static void let_go(cr_object *o, _Atomic uint64_t *aux) {
  cr_lock *l = (cr_lock *)o;
  if (cr_lock_mine(l) && !atomic_load(&l->shared)) cr_lock_abandon(o, cr_me, aux);
}

const cr_type cr_lock_type = {.name = "lock", .abandon = cr_lock_abandon, .let_go = let_go};
