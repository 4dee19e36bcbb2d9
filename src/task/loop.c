/* SPDX-License-Identifier: MIT */
/*
** loop: what a pool's worker does from its first task to its last.
**
**   1 the initializer runs once; if it fails, or dies, the pool is broken: every
**     task fails with its error, and no successor is started (one that only applies
**     settings cannot die of itself, so there a successor is)
**   2 tasks, until the pool is closed and its line empty, the pool is ended, the worker
**     has had its number of tasks (max_tasks_per_worker), or none for long (idle_timeout)
**   3 the worker leaves; if tasks wait, a successor comes
**
** In the middle of a task that waits for another of the same pool, the worker may
** compute that one itself (cr_pool_help).
**
** On the road of pool:map (pool.h) this is stage 4.
*/
#include <stdlib.h>

#include "task/task.h"

/* The initializer's error object becomes that of the pool: of kind "broken", with
** the same message, value and traceback.  Arguments: result, where to. */
static int rename_error(lua_State *L) {
  const cr_value *result = lua_touserdata(L, 1);
  cr_value *v = lua_touserdata(L, 2);
  if (cr_decode_borrowed(L, result) < 1 || !lua_istable(L, 3)) return 0;
  lua_pushliteral(L, "the initializer failed: ");
  lua_getfield(L, 3, "message");
  lua_concat(L, 2);
  lua_setfield(L, 3, "message");
  lua_pushliteral(L, "broken");
  lua_setfield(L, 3, "kind");
  cr_encode(L, 3, 1, "error", v);
  return 0;
}

static void fail_pool(lua_State *L, cr_pool *p, cr_future *f) {
  cr_value v = {.head = CR_V_NONE};
  lua_pushcfunction(L, rename_error);
  lua_pushlightuserdata(L, &f->result);
  lua_pushlightuserdata(L, &v);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
  cr_pool_break(p, "the initializer failed", v.kind == CR_V_NONE ? NULL : &v);
  cr_value_free(&v);
}

/* Runs the initializer as a task of its own, whose future nobody else knows. */
static int call_initializer(lua_State *L, cr_pool *p) {
  cr_future *f = cr_future_new();
  if (!f) return ENOMEM;
  cr_future_ask(f);
  cr_hold *hold = cr_object_born(f);
  cr_value arguments;
  cr_object_share(cr_at(cr_object, &p->initializer), &f->code);
  int r = cr_value_copy(&p->initargs, &arguments);
  if (r == 0) {
    cr_value_adopt(&f->arguments, &arguments);
    cr_future_start(f, cr_me);
    cr_task_run(L, f);
    if (cr_future_state(f) != CR_DONE) fail_pool(L, p, f);
  }
  cr_object_drop(hold);
  return r;
}

static void initialize(lua_State *L, cr_pool *p) {
  if (atomic_load(&p->initializer) == 0) return;
  if (!p->harmless) doing(DOING_INITIALIZER);
  int error = call_initializer(L, p);
  if (error) cr_pool_break(p, "the initializer could not be called: not enough memory", NULL);
  doing(DOING_NOTHING);
}

/* An interruption that was meant for the task before is stale, one that is meant
** for this task can be told by its flag. */
static void forget_interrupt(const cr_future *f) {
  cr_notice_take(CR_INTERRUPT);
  if (f && (atomic_load(&f->flags) & CR_FUTURE_STOP)) cr_post(cr_me, CR_INTERRUPT);
}

/* Its timer, which the thread that leaves from the middle of a task must not keep. */
static _Thread_local limit own_limit;

/* How many of the pool's settings this worker has seen (line/follow.c). */
static _Thread_local uint64_t seen;

static void follow(lua_State *L, cr_pool *p) {
  cr_hold *settings = cr_pool_take_settings(p, &seen);
  if (!settings) return;
  cr_lua_lent.follow(L, (cr_future *)cr_held_object(settings));
  cr_object_drop(settings);
}

static void run(lua_State *L, cr_pool *p) {
  cr_future *f = future_of(cr_me);
  follow(L, p);
  if (cr_notices() & CR_INTERRUPT) forget_interrupt(f);
  atomic_store_explicit(&cr_me->swept, 0, memory_order_relaxed);
  limit_start(&own_limit, p);
  cr_task_run(L, f);
  limit_stop(&own_limit);
}

/* To collect garbage is not worth it for who gets another task at once.  How long to wait
** for the next time goes by how long it took, so that a worker with a big state does not do
** much of it. */
#define TIDY_AFTER 2000000 /* ns */
#define TIDY_SHARE 20

static cr_time tidy_up(lua_State *L) {
  cr_time start = cr_clock();
  cr_lua_lent.tidy(L);
  cr_time took = cr_clock() - start;
  return took > TIDY_AFTER / TIDY_SHARE ? TIDY_SHARE * took : TIDY_AFTER;
}

/* Between two tasks. */
static void look_up(lua_State *L) {
  forget_interrupt(NULL);
  if (cr_lua_lent.look_up_idle) cr_lua_lent.look_up_idle(L);
}

/* Threads that another process may want to use stay, for it could not start others. */
static bool leaves_when_idle(cr_pool *p) { return p->idle_timeout && !atomic_load(&p->abroad); }

/* How long to wait for a task when there is nothing left to tidy up. */
static cr_time idle_patience(cr_pool *p) {
  return leaves_when_idle(p) ? p->idle_timeout : CR_FOREVER;
}

/* 2: until nothing more is to be done.  A worker that has had nothing to do for a while
** tidies up behind its last task; after a longer while it may leave (idle_timeout). */
static void serve(lua_State *L, cr_pool *p) {
  uint64_t done = 0;
  cr_hold *task = NULL;
  cr_time patience = TIDY_AFTER;
  bool tidy = false;
  while (p->tasks_per_worker == 0 || done < p->tasks_per_worker) {
    bool rests = tidy || !cr_lua_lent.untidy(L);
    int r = cr_pool_take(p, &task, rests ? idle_patience(p) : patience);
    if (r == 0) {
      run(L, p);
      done++;
      tidy = false;
      if (cr_notices() & CR_CALLBACKS) {
        cr_pool_finished(p, &task);
        look_up(L);
      }
    } else if (r == ETIMEDOUT && !rests) {
      patience = tidy_up(L);
      tidy = true;
    } else if (r == EINTR && !(cr_notices() & CR_END)) {
      look_up(L);
    } else {
      break;
    }
  }
  cr_pool_finished(p, &task);
}

int cr_pool_serve(lua_State *L, cr_pool *p) {
  seen = 0;
  initialize(L, p);
  if (limit_open(&own_limit, p) != 0)
    cr_pool_break(p, "the system gives no timer for the task_timeout", NULL);
  else
    serve(L, p);
  cr_pool_leave(p);
  limit_close(&own_limit);
  return EXIT_SUCCESS;
}

/* -------------------------------------------------------------------- helping */

/* Is it at work, or going to be without being woken by a result? */
static bool will_take(const cr_strand *s) {
  enum cr_what what = (enum cr_what)atomic_load(&s->waits_what);
  return what != CR_ON_FUTURE && what != CR_ON_SELECT;
}

/* Will nobody else take a task of the pool? */
static bool all_wait(cr_pool *p) {
  if (atomic_load(&p->workers) < p->workers_max) return false;
  cr_for_strands(s) {
    if (s == cr_me || atomic_load(&cr_in_worker(s)->serves) != cr_word(p)) continue;
    if (atomic_load(&cr_in_line(s)->task) == DOING_LEAVE) continue;
    if (cr_strand_state(s) != CR_RUNNING || will_take(s)) return false;
  }
  return true;
}

bool cr_pool_can_help(cr_future *f, bool spare) {
  uint64_t pool = atomic_load_explicit(&f->pool, memory_order_relaxed);
  if (pool == 0 || pool != atomic_load_explicit(&cr_in_worker(cr_me)->serves, memory_order_relaxed))
    return false;
  if (atomic_load(&cr_to(cr_pool, pool)->state) >= CR_POOL_TERMINATED || cr_ending()) return false;
  if (!future_of(cr_me) || cr_future_state(f) != CR_PENDING) return false;
  return !spare || all_wait(cr_to(cr_pool, pool));
}

/* The caller's holding of `f` lets a burial find it and the outer task. */
static void help(lua_State *L, void *arg) {
  cr_future *f = arg;
  uint64_t outer = atomic_load(&cr_in_line(cr_me)->task);
  if (cr_future_start(f, cr_me) != 0) return;
  doing(cr_word(f));
  cr_task_run(L, f);
  cr_pool_helped(cr_at(cr_pool, &cr_in_worker(cr_me)->serves), outer);
}

bool cr_pool_help(lua_State *L, cr_future *f) { return cr_lua_lent.deep(L, help, f); }

void cr_pool_left(void) { limit_close(&own_limit); }
