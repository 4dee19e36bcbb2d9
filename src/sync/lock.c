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
** If the holder dies or ends, the next acquire succeeds with EOWNERDEAD, once: what the
** lock protects may be half changed, and only the caller knows how to look.
**
** Each strand chains the locks that it has, whatever object they are in:
**
**   strand->locks -> lock -> lock    linked by `next`, which is the holder's
**   strand->locking                  the one that it is taking or giving up just now, from
**                                    before the word changes until sleepers are woken; or
**                                    the one that it took last, which is chained, too
**
** The holder is the strand and not a handle: a lock whose handle became garbage stays
** held, and the strand keeps its reference to it until it gives it up (owes).
*/
#include <stdio.h>
#include <string.h>

#include "sync/sync.h"

#define HOLDER_SHIFT 8

static uint64_t owned_by(const cr_strand *s) { return cr_id_of(s) << HOLDER_SHIFT; }
static uint64_t holder_of(uint64_t word) { return word & ~(uint64_t)CR_LOCK_ABANDONED; }

cr_lock *cr_lock_new(bool recursive) {
  cr_lock *l = cr_object_new(CR_LOCK, sizeof *l);
  if (l) l->recursive = recursive;
  return l;
}

/* ------------------------------------------------------------------- the chain */

static cr_lock *lock_at(const _Atomic uint64_t *word) { return cr_at(cr_lock, word); }

static void point(_Atomic uint64_t *word, const cr_lock *l) {
  atomic_store_explicit(word, cr_word(l), memory_order_relaxed);
  atomic_signal_fence(memory_order_seq_cst); /* as in debts.h: a kill must find it in order */
}

static void chain(cr_strand *me, cr_lock *l) {
  atomic_store_explicit(&l->next,
                        atomic_load_explicit(&cr_in_sync(me)->locks, memory_order_relaxed),
                        memory_order_relaxed);
  atomic_signal_fence(memory_order_seq_cst);
  point(&cr_in_sync(me)->locks, l);
}

/* One store, if it is in the chain; mostly it is the first. */
static void unchain(cr_strand *s, const cr_lock *l) {
  _Atomic uint64_t *at = &cr_in_sync(s)->locks;
  cr_lock *chained;
  while ((chained = lock_at(at)) != l && chained) at = &chained->next;
  if (chained) point(at, lock_at(&l->next));
}

/* Of a dead strand.  As long as its id is in the word, the lock's `next` is right and it
** may be in the chain; once that is another's, it is not, and only sleepers may be left to
** wake.  So this can be cut off anywhere and begun again. */
static void give_up(cr_strand *dead, cr_lock *l) {
  if (holder_of(atomic_load(&l->word)) == owned_by(dead)) {
    unchain(dead, l);
    l->depth = 0;
    atomic_store(&l->word, CR_LOCK_ABANDONED);
  }
  cr_gate_wake_again(&l->freed);
}

void cr_locks_pay(cr_strand *dead, _Atomic uint64_t *note) {
  (void)note;
  for (;;) {
    if (!lock_at(&cr_in_sync(dead)->locking))
      point(&cr_in_sync(dead)->locking, lock_at(&cr_in_sync(dead)->locks));
    if (!lock_at(&cr_in_sync(dead)->locking)) return;
    give_up(dead, lock_at(&cr_in_sync(dead)->locking));
    point(&cr_in_sync(dead)->locking, NULL);
  }
}

/* ------------------------------------------------------------------- the word */

/* For a trace.  Those inside other objects are not told: each change of a dict would be. */
CR_TELLS static int tell_taken(const cr_lock *l, int r) {
  if (l->object.serial) cr_trace(.saw = CR_SAW_TOOK, .object = l->object.serial);
  return r;
}

#define TAIL sizeof(cr_record) /* bytes of a file's name that are told: its end */

CR_TELLS static void tell_given(const cr_lock *l) {
  size_t n = l->line > 0 ? strnlen(l->source, sizeof l->source) : 0;
  const char *tail = l->source + (n > TAIL ? n - TAIL : 0);
  cr_record e = {.saw = CR_SAW_GAVE, .object = l->object.serial, .number = (uint64_t)l->line};
  if (l->object.serial) cr_trace_text(e, tail, n > TAIL ? TAIL : n);
}

/* Free: takes it.  The exchange acquires what the last release published. */
static int attempt(void *arg) {
  cr_lock *l = arg;
  cr_strand *me = cr_me;
  uint64_t word = atomic_load(&l->word);
  if (holder_of(word) != 0) return EAGAIN;
  point(&cr_in_sync(me)->locking, l);
  while (!atomic_compare_exchange_weak(&l->word, &word, owned_by(me)))
    if (holder_of(word) != 0) {
      point(&cr_in_sync(me)->locking, NULL);
      return EAGAIN;
    }
  (void)cr_fault("lock");
  l->depth = 1;
  l->turn++;
  l->line = 0;
  chain(me, l);
  int r = word & CR_LOCK_ABANDONED ? EOWNERDEAD : 0;
  return cr_tracing() ? tell_taken(l, r) : r;
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
static void open_untold(cr_strand *me, cr_lock *l) {
  l->depth = 0;
  point(&cr_in_sync(me)->locking, l);
  unchain(me, l);
  (void)cr_fault("lock");
  atomic_exchange(&l->word, 0);
  (void)cr_fault("lock");
  cr_gate_wake(&l->freed, 1);
  point(&cr_in_sync(me)->locking, NULL);
}

/* Told before, since from then on it may be another's. */
CR_TELLS static void open_told(cr_strand *me, cr_lock *l) {
  tell_given(l);
  open_untold(me, l);
}

static void open_lock(cr_strand *me, cr_lock *l) {
  if (cr_tracing())
    open_told(me, l);
  else
    open_untold(me, l);
}

int cr_lock_release(cr_lock *l) {
  cr_strand *me = cr_me;
  if (!cr_lock_mine(l)) return EPERM;
  if (l->depth > 1) {
    l->depth--;
    return 0;
  }
  open_lock(me, l);
  if (cr_in_arena(me)->kept > 0) cr_object_settled();
  return 0;
}

bool cr_lock_held(const cr_lock *l) {
  return holder_of(atomic_load_explicit(&l->word, memory_order_relaxed)) != 0;
}

/* Another strand's id never looks like ours, and ours is only written by us,
** so a relaxed look is exact. */
bool cr_lock_mine(const cr_lock *l) {
  return atomic_load_explicit(&l->word, memory_order_relaxed) == owned_by(cr_me);
}

uint64_t cr_lock_taken(const cr_lock *l) { return (uint64_t)l->turn << 32 | l->depth; }

bool cr_lock_has(const cr_lock *l, uint64_t taken) {
  return cr_lock_mine(l) && l->turn == (uint32_t)(taken >> 32) && l->depth >= (uint32_t)taken;
}

cr_id cr_lock_owner(const cr_lock *l) { return atomic_load(&l->word) >> HOLDER_SHIFT; }
cr_strand *cr_lock_holder(const cr_lock *l) { return cr_strand_named(cr_lock_owner(l)); }

/* A lock that was given up since we read its address is not followed: its `next` is
** another holder's, or the memory another object's. */
bool cr_lock_next(const cr_view *v, const cr_strand *s, uint64_t *at, cr_lock *copy) {
  uint64_t next = *at ? atomic_load(&copy->next) : atomic_load(&cr_in_sync(s)->locks);
  do {
    if (!next || !cr_peek(v, next, copy, sizeof *copy)) return false;
    if (holder_of(atomic_load(&copy->word)) != owned_by(s)) return false;
    *at = next;
    next = atomic_load(&copy->next);
  } while (copy->object.serial == 0);
  return true;
}

const char *cr_lock_where(const cr_lock *l, const char *before, char text[CR_WHERE_MAX]) {
  text[0] = '\0';
  if (l->line > 0)
    snprintf(text, CR_WHERE_MAX, "%s%.*s:%d", before, CR_SOURCE_MAX - 1, l->source, (int)l->line);
  return text;
}

/* With nobody else to take it, it is given up with its strand's last reference. */
bool cr_lock_owed(cr_lock *l, bool alone) {
  if (!cr_lock_mine(l)) return false;
  if (alone) open_lock(cr_me, l);
  return !alone;
}

static bool owes(cr_object *o, const _Atomic uint64_t *aux, bool alone) {
  (void)aux;
  return cr_lock_owed((cr_lock *)o, alone);
}

const cr_type cr_lock_type = {.name = "lock", .owes = owes};
