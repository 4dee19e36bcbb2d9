/* SPDX-License-Identifier: MIT */
/*
** carry: the worker of a pool whose tasks are computed on other machines.
**
** The carrier is the one worker of such a pool, a thread.  It computes nothing: it takes
** tasks from the line, many at a time, hands their bytes on, and settles the futures with
** the bytes that come back.  What it is doing for the pool is its initializer, from the
** first moment to the last, so that no task is ever in `task` of its record; the tasks that
** it has taken are among its holdings, and `carried` counts them.
**
** If its process dies, burial finds the tasks among the holdings, with the dead strand as
** their runner; one that had left the line and was not started yet has no runner, and is
** held by nobody else (bury.c).  They fail, and the pool is broken as any pool of threads
** whose process has ended.
*/
#include "line/inside.h"

/* One redo log: the task is in the line or among the carrier's holdings. */
static int take_first(cr_pool *p, cr_hold *hold) {
  cr_latch_take(&p->object.latch);
  cr_future *f = line_first(p);
  int r = f ? 0 : refusal(p) ? ESHUTDOWN : EAGAIN;
  if (atomic_load(&p->state) >= CR_POOL_TERMINATED || cr_ending()) r = ESHUTDOWN;
  if (r == 0) {
    log_pop(p, f, &hold->what, cr_word(f));
    cr_redo_commit();
    atomic_fetch_add(&cr_in_line(cr_me)->carried, 1);
    add(&p->running, 1);
  }
  cr_latch_drop(&p->object.latch);
  if (r == 0 && p->max_queued > 0) cr_gate_wake(&p->room, CR_ALL); /* dead, it breaks the pool */
  return r;
}

static void forget(cr_pool *p, int completed) {
  cr_latch_take(&p->object.latch);
  atomic_fetch_sub(&cr_in_line(cr_me)->carried, 1);
  add(&p->running, -1);
  add(&p->completed, completed);
  cr_latch_drop(&p->object.latch);
}

/* A task that was cancelled while it was in the line is passed over. */
int cr_pool_carry(cr_pool *p, cr_hold **task) {
  for (;;) {
    cr_hold *hold = cr_hold_reserve();
    if (!hold) return ENOMEM;
    int r = take_first(p, hold);
    if (r != 0) {
      cr_hold_unused(hold);
      return r;
    }
    cr_future *f = (cr_future *)cr_held_object(hold);
    cr_memory_comes();
    if (cr_future_start(f, cr_me) == 0) {
      *task = hold;
      return 0;
    }
    forget(p, 0);
    cr_object_drop(hold);
  }
}

void cr_pool_carried(cr_pool *p) { forget(p, 1); }

static int wait_for_notices(cr_time until) {
  cr_wait_begin(CR_ON_SELECT, NULL, NULL);
  int r = cr_bell_wait(cr_bell(), until);
  cr_wait_end(true);
  return r;
}

int cr_pool_carry_wait(cr_pool *p, bool more, cr_time until) {
  int r;
  if (!more) return wait_for_notices(until);
  cr_wait_begin(CR_ON_TASK, p, &p->work);
  for (;;) {
    uint32_t seen = cr_gate_arm(&p->work);
    r = atomic_load(&p->queued) > 0 || refusal(p) ? 0 : EAGAIN;
    if (r != EAGAIN) break;
    if ((r = cr_gate_wait(&p->work, seen, until)) != 0) break;
  }
  cr_wait_end(r == 0);
  return r;
}
