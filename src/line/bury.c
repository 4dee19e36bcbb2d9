/* SPDX-License-Identifier: MIT */
/*
** bury: the pool's share of the burial of a worker.
**
** The task that the dead worker ran fails with kind "worker_died", or "timeout" if
** its own timer killed it (limit.c), or goes back to the front of the line when
** the pool has retries.  A worker that helped (cr_pool_help) ran several, one
** inside the other: strand->task is the innermost, the others are among its
** holdings, with the dead strand as their runner.
**
** Everything here can be repeated: what was settled or put back by a burial that
** was itself interrupted does not have the dead strand as its runner any more.
*/
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "line/inside.h"

typedef struct death {
  cr_pool *pool;
  cr_strand *dead;
  const char *kind; /* of the error */
  char text[240];
} death;

static void describe(death *d, int status) {
  const char *what = cr_kind_names[d->dead->kind];
  int pid = atomic_load(&d->dead->pid);
  if (strcmp(d->kind, "timeout") == 0)
    snprintf(
        d->text, sizeof d->text,
        "the task took longer than its task_timeout of %g s; worker %s '%s' (pid %d) was killed",
        (double)d->pool->task_timeout / 1e9, what, d->dead->name, pid);
  else if (status < 0)
    snprintf(d->text, sizeof d->text, "worker %s '%s' (pid %d) was killed by signal %d (SIG%s)",
             what, d->dead->name, pid, -status,
             sigabbrev_np(-status) ? sigabbrev_np(-status) : "?");
  else if (d->dead->kind == CR_THREAD)
    snprintf(d->text, sizeof d->text, "worker thread '%s' ended with exit code %d", d->dead->name,
             status);
  else
    snprintf(d->text, sizeof d->text, "worker process '%s' (pid %d) ended with exit code %d",
             d->dead->name, pid, status);
}

/* The dead one has computed it. */
static void fail(cr_future *f, const char *kind, const char *text, const cr_strand *dead) {
  cr_value v;
  if (cr_future_done(f)) {
    cr_future_let_go(f); /* somebody had settled it while the dead one computed it */
    return;
  }
  bool made = cr_encode_error(kind, text, dead->name, &v) == 0;
  if (!made) v.head = CR_V_NONE;
  if (cr_future_settle(f, CR_FAILED, &v) != 0) cr_value_free(&v);
}

/* One that was helped with has never left the line.  The pool's latch is held. */
static bool in_line(const cr_pool *p, const cr_future *f) {
  return atomic_load(&f->next_task) != 0 || atomic_load(&p->last[f->lane]) == cr_word(f);
}

/* Back to the front of the line, with a reference of its own. */
static bool put_back(cr_pool *p, cr_future *f) {
  cr_latch_take(&f->object.latch);
  cr_latch_take(cr_counting(&f->object));
  bool again = cr_future_state(f) == CR_WORKING;
  if (again) {
    cr_redo(&f->state, CR_PENDING);
    cr_redo(&f->runner, 0);
    if (!in_line(p, f)) {
      cr_redo(&f->object.refs, atomic_load(&f->object.refs) + 1);
      log_prepend(p, f);
    }
    cr_redo_commit();
  }
  cr_latch_drop(cr_counting(&f->object));
  cr_latch_drop(&f->object.latch);
  return again;
}

static bool retry(const death *d, cr_future *f) {
  cr_pool *p = d->pool;
  bool unwanted = strcmp(d->kind, "timeout") == 0 || atomic_load(&f->flags) & CR_FUTURE_STOP;
  if (unwanted) return false;
  cr_latch_take(&p->object.latch);
  bool again = atomic_load(&f->tries) <= p->retries && atomic_load(&p->state) <= CR_POOL_CLOSED;
  if (again) again = put_back(p, f);
  cr_latch_drop(&p->object.latch);
  return again;
}

/* Was the dead one computing it?  If it had only taken it from the line, it is started
** for it now.  Else it is settled, or back in the line, or a worker computes it that
** helped with it while it was still in the line, and the dead one would have passed
** over it. */
static bool was_its(const death *d, cr_future *f) {
  cr_latch_take(&d->pool->object.latch);
  if (!in_line(d->pool, f)) cr_future_start(f, d->dead);
  cr_latch_drop(&d->pool->object.latch);
  return atomic_load(&f->runner) == cr_id_of(d->dead);
}

static void bury_task(const death *d, cr_future *f) {
  bool terminated = atomic_load(&d->pool->state) == CR_POOL_TERMINATED;
  if (!was_its(d, f)) return;
  if (terminated) {
    cr_future_ask(f); /* it was ended, and nobody need be told */
    fail(f, "cancelled", "the pool was terminated", d->dead);
  } else if (!retry(d, f)) {
    fail(f, d->kind, d->text, d->dead);
  }
}

/* The tasks that it helped with, and the outer ones: held by it, with it as the runner.  A
** carrier's: also one that it had only taken from the line, which has no runner yet. */
static void bury_outer_tasks(const death *d) {
  cr_holds_walk walk = {.strand = d->dead};
  cr_hold *h;
  while ((h = cr_holds_next(&walk))) {
    cr_future *f = (cr_future *)cr_held_object(h);
    if (!f || f->object.type != CR_FUTURE || atomic_load(&f->pool) != cr_word(d->pool)) continue;
    if (atomic_load(&f->runner) == cr_id_of(d->dead) || d->pool->far == CR_CARRIED) bury_task(d, f);
  }
}

static void bury_servant(const death *d) {
  cr_pool *p = d->pool;
  cr_future *f = future_of(d->dead);
  if (f) bury_task(d, f);
  if (f || p->far == CR_CARRIED) bury_outer_tasks(d);
  if (atomic_load(&cr_in_line(d->dead)->task) == DOING_INITIALIZER) cr_pool_break(p, d->text, NULL);
  if (p->kind == CR_THREAD && d->dead != cr_me)
    cr_pool_break(p, "the process that its threads belonged to has ended", NULL);
  cr_latch_take(&p->object.latch);
  atomic_store(&cr_in_line(d->dead)->task, DOING_LEAVE);
  if (f && cr_future_done(f)) count_finished(p, f);
  count_workers(p);
  cr_latch_drop(&p->object.latch);
  start_if_needed(p);
  cr_gate_wake(&p->work, CR_ALL);
  cr_gate_wake(&p->room, CR_ALL); /* it may have taken one and told nobody */
}

void pool_bury(cr_strand *dead, cr_worker *w, int status) {
  cr_pool *p = cr_at(cr_pool, &cr_in_worker(dead)->serves);
  cr_future *call = w ? cr_at(cr_future, &w->call) : NULL;
  bool late = p && status == -SIGKILL && limit_passed(w);
  death d = {.pool = p, .dead = dead, .kind = late ? "timeout" : "worker_died"};
  describe(&d, status);
  cr_trace(.saw = CR_SAW_DEATH, .object = cr_id_of(dead), .number = (uint64_t)(int64_t)status);
  if (p) bury_servant(&d);
  if (call) fail(call, d.kind, d.text, dead);
}

/* Who joins the pool has waited for this. */
void pool_over(cr_strand *dead, cr_worker *w) {
  cr_pool *p = cr_at(cr_pool, &w->pool);
  if (!p) return;
  atomic_store(&cr_in_worker(dead)->serves, 0);
  cr_gate_wake(&p->rest, CR_ALL);
}
