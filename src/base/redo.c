/* SPDX-License-Identifier: MIT */
/*
** redo: several words change as if at once, whatever dies in between.
**
** The writer notes each write in its own record, then sets `committed`, then
** makes the writes, then clears `committed`.  A kill before `committed` leaves
** the words untouched; a kill after it leaves a log that the burial makes again
** in full.  Making a write twice is harmless, because the words are guarded
** until the log is cleared: they belong to objects whose latch the writer (dead
** or alive) still holds, or to the writer's own record.
**
** A kill happens between two instructions, and a store that has retired becomes
** visible, so only the order of the stores in the program matters here; release
** stores keep the compiler and weaker processors from changing it.
*/
#include "base/base.h"

void cr_redo(void *word, uint64_t value) {
  cr_redo_log *log = &cr_me->redo;
  cr_check(log->count < CR_REDO_MAX);
  log->write[log->count].word = word;
  log->write[log->count].value = value;
  log->count++;
}

static void make(const cr_redo_log *log, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    (void)cr_fault("redo");
    atomic_store_explicit(log->write[i].word, log->write[i].value, memory_order_release);
  }
}

static void forget(cr_redo_log *log) {
  atomic_store_explicit(&log->committed, 0, memory_order_release);
  log->count = 0;
}

void cr_redo_commit(void) {
  cr_redo_log *log = &cr_me->redo;
  (void)cr_fault("redo");
  atomic_store_explicit(&log->committed, log->count, memory_order_release);
  /* The writes must not move above the commit. */
  atomic_thread_fence(memory_order_release);
  make(log, log->count);
  (void)cr_fault("redo");
  forget(log);
}

void cr_redo_finish(cr_strand *s) {
  make(&s->redo, atomic_load(&s->redo.committed));
  forget(&s->redo);
}
