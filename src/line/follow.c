/* SPDX-License-Identifier: MIT */
/*
** follow: settings that have changed since a pool was made, on their way to its workers.
**
** They are a call that each worker makes before its next task: code and arguments, in a
** future that nobody waits for, since that can hold both (state/follow.c says what they
** are).  Only the strand that made the pool puts new ones there, so `news`, which counts
** them, has one writer; a worker compares it with what it has seen, one load a task.
**
** The old ones go through `settings_old`, which is empty at all other times: so each of them
** is in one of two fields of the pool at any moment, whoever dies.
*/
#include "line/inside.h"

void cr_pool_put_settings(cr_pool *p, cr_hold *settings) {
  cr_object_disown(&p->settings_old); /* one that a dead maker has left */
  cr_object_give(settings, &p->settings_old);
  cr_latch_take(&p->object.latch);
  uint64_t new = atomic_load(&p->settings_old);
  cr_redo(&p->settings_old, atomic_load(&p->settings));
  cr_redo(&p->settings, new);
  cr_redo(&p->news, atomic_load(&p->news) + 1);
  cr_redo_commit();
  cr_latch_drop(&p->object.latch);
  cr_object_disown(&p->settings_old);
}

/* Without memory for the holding the worker tries again before its next task. */
cr_hold *cr_pool_take_settings(cr_pool *p, uint64_t *seen) {
  if (atomic_load_explicit(&p->news, memory_order_relaxed) == *seen) return NULL;
  cr_latch_take(&p->object.latch);
  cr_hold *hold = cr_object_hold(cr_at(cr_object, &p->settings));
  if (hold) *seen = atomic_load(&p->news);
  cr_latch_drop(&p->object.latch);
  return hold;
}
