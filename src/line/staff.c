/* SPDX-License-Identifier: MIT */
/*
** staff: the workers of a pool, how they are counted and when one is started.
**
** Workers are started when a task comes and none is idle, nor about to be.  The poster does
** it, or a worker that leaves, or the burial of a dead one: whoever sees the need.
*/
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "line/inside.h"

/* ------------------------------------------------------------------ counting */

/* One that dies counts until its burial has settled its task (bury.c), so that the
** pool is not at rest before.  What a strand does is read before whom it serves: leave
** takes both back in the other order without the latch, or it could pass for at work. */
void count_workers(cr_pool *p) {
  uint64_t workers = 0, idle = 0, running = 0;
  cr_for_strands(s) {
    if (!cr_strand_exists(s)) continue;
    uint64_t task = atomic_load(&cr_in_line(s)->task);
    if (atomic_load(&cr_in_worker(s)->serves) != cr_word(p) || task == DOING_LEAVE) continue;
    workers++;
    idle += task == DOING_WAIT;
    running += (task >= DOING_TASK) + atomic_load(&cr_in_line(s)->carried);
  }
  atomic_store(&p->workers, workers);
  atomic_store(&p->idle, idle);
  atomic_store(&p->running, running);
}

/* Workers that have settled their task and not taken another; the latch is held.  One that
** computes a task within another is not among them for long (cr_pool_helped). */
static uint64_t finishing(const cr_pool *p) {
  uint64_t n = 0;
  cr_for_strands(s) {
    bool works = atomic_load(&cr_in_worker(s)->serves) == cr_word(p) &&
                 atomic_load(&cr_in_line(s)->task) >= DOING_TASK;
    n += works && atomic_load(&cr_in_line(s)->settled);
  }
  return n;
}

/* ------------------------------------------------------------------- workers */

static cr_worker *make_worker(cr_pool *p, cr_hold **hold) {
  char name[CR_NAME_MAX + 24];
  snprintf(name, sizeof name, "%s-%lu", p->name,
           (unsigned long)atomic_fetch_add(&p->births, 1) + 1);
  cr_worker_options o = {p->kind, name, true, p->memory_limit, p->rights};
  cr_worker *w = cr_worker_new(&o);
  if (!w) return NULL;
  cr_object_share(&p->object, &w->pool);
  *hold = cr_object_born(w);
  return w;
}

/* The main strand's process may become another one by a fork (worker/fork.c). */
int32_t own_pid(void) {
  int32_t pid = (int32_t)getpid();
  return pid == atomic_load(&cr_arena_root()->main_pid) ? 0 : pid;
}

/* A pool of threads can be given more only in the process of its threads. */
static bool can_start(const cr_pool *p) {
  return atomic_load(&p->state) <= CR_POOL_CLOSED && !cr_ending() &&
         (p->kind == CR_PROCESS || p->owner_pid == own_pid());
}

/* There are more tasks than idle workers; or another process may post some, and could not
** start anybody for them. */
static bool wants_worker(const cr_pool *p, uint64_t idle) {
  return atomic_load(&p->queued) > idle ||
         (atomic_load(&p->abroad) && atomic_load(&p->state) == CR_POOL_OPEN);
}

static bool needs_worker(const cr_pool *p) {
  return atomic_load(&p->workers) < p->workers_max && wants_worker(p, atomic_load(&p->idle)) &&
         can_start(p);
}

/* The same under the pool's latch, where it is known who is just about to be idle: a
** worker that has settled its task takes the next one, but the poster who has seen its
** result is often quicker. */
static bool needs_worker_now(const cr_pool *p) {
  return needs_worker(p) && wants_worker(p, atomic_load(&p->idle) + finishing(p));
}

static bool looks_needed(cr_pool *p) {
  if (!needs_worker(p)) return false;
  cr_latch_take(&p->object.latch);
  bool needed = needs_worker_now(p);
  cr_latch_drop(&p->object.latch);
  return needed;
}

static void recount(cr_pool *p) {
  cr_latch_take(&p->object.latch);
  count_workers(p);
  cr_latch_drop(&p->object.latch);
}

/* One more worker, if one is needed; with `leaving`, in the place of the caller, who is not
** counted any more: in the same step, so that nobody finds the pool without workers who
** could not start one.  The strand is reserved under the latch, where workers are
** counted. */
static int start_one(cr_pool *p, bool leaving) {
  cr_hold *hold = NULL;
  cr_worker *w = make_worker(p, &hold);
  cr_latch_take(&p->object.latch);
  if (leaving) doing(DOING_LEAVE);
  count_workers(p);
  bool needed = needs_worker_now(p);
  cr_strand *s = w && needed ? cr_worker_prepare(w) : NULL;
  count_workers(p);
  cr_latch_drop(&p->object.latch);
  int error = s ? cr_worker_launch(w, s) : !needed ? 0 : w ? EAGAIN : ENOMEM;
  if (error) recount(p);
  if (w) cr_object_drop(hold);
  return error;
}

/* If not a single worker can be started, nobody would ever take the tasks. */
static void fail_line(cr_pool *p, int error) {
  char text[160];
  cr_value v;
  if (atomic_load(&p->workers) > 0) return;
  snprintf(text, sizeof text, "cannot start a worker of pool '%s': %s", p->name,
           cr_start_trouble(error));
  bool made = cr_encode_error("broken", text, NULL, &v) == 0;
  clear_line(p, made ? &v : NULL);
  if (made) cr_value_free(&v);
  cr_gate_wake(&p->rest, CR_ALL);
}

/* Threads that have all gone cannot be started from another process. */
static bool is_out_of_reach(const cr_pool *p) {
  return atomic_load(&p->workers) == 0 && p->kind == CR_THREAD && p->owner_pid != own_pid();
}

void start_if_needed(cr_pool *p) {
  int error = looks_needed(p) ? start_one(p, false) : is_out_of_reach(p) ? EAGAIN : 0;
  if (error) fail_line(p, error);
}

void cr_pool_fill(cr_pool *p) {
  if (p->kind != CR_THREAD) return;
  atomic_store(&p->abroad, 1);
  while (looks_needed(p) && start_one(p, false) == 0) {}
}

/* The calling worker takes no more tasks; a successor comes if some wait.  It still serves
** the pool, until nothing of it is left (pool_over): who joins the pool waits for that. */
void cr_pool_leave(cr_pool *p) {
  int error = start_one(p, true);
  if (error) fail_line(p, error);
}
