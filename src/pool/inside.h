/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of pool/ know of each other.
*/
#ifndef CR_POOL_INSIDE_H
#define CR_POOL_INSIDE_H

#include <time.h>

#include "pool/pool.h"

/* What a pool's worker does when it computes no task: small values of
** strand->task, which is the future's address otherwise. */
enum {
  DOING_NOTHING,
  DOING_WAIT,
  DOING_INITIALIZER,
  DOING_LEAVE, /* it is not counted any more */
  DOING_TASK
};

static inline cr_future *future_of(const cr_strand *s) {
  uint64_t task = atomic_load(&((cr_strand *)s)->task);
  return task >= DOING_TASK ? (cr_future *)(uintptr_t)task : NULL;
}
static inline void doing(uint64_t what) { atomic_store(&cr_me->task, what); }

/* pool.c; the pool's latch is held for the first three. */
void count_workers(cr_pool *p);
void log_prepend(cr_pool *p, cr_future *f);
void add(_Atomic uint64_t *counter, int64_t n);
void leave(cr_pool *p);
void start_if_needed(cr_pool *p);
void break_pool(cr_pool *p, const char *why, const cr_value *error);
void settle_unrun(cr_future *f, const cr_value *error); /* NULL: cancelled */

void let_go(cr_future *f); /* task.c: of what it was to be computed from */

/* limit.c: the worker's timer for tasks.  open: 0 or an errno; the others do nothing
** where the pool has no task_timeout. */
typedef struct limit {
  timer_t timer;
  bool open;
} limit;
int limit_open(limit *l, const cr_pool *p);
void limit_start(const limit *l, const cr_pool *p);
void limit_stop(const limit *l);
void limit_close(limit *l);

/* Is the time over that the running task of worker `w` (may be NULL) had? */
bool limit_passed(cr_worker *w);

#endif
