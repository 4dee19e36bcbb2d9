/* SPDX-License-Identifier: MIT */
/*
** await: how bindings wait for a future, or for the first of several things, and what a
** worker does meanwhile for its pool.
**
** A worker that waits for tasks of its own pool may have to compute one by itself
** (task.h).  Whether it has to can change without anybody being told, since other
** workers become busy or begin to wait.  So where that is possible a wait with a deadline
** is cut into pieces, and the worker looks again after each.
*/
#include "lib/lib.h"

#define PIECE 10000000 /* ns */

/* Computes the task if it is this worker's to compute.  May it become so? */
static bool help_with(lua_State *L, cr_future *f, cr_time until) {
  if (!cr_pool_can_help(f, false)) return false;
  if (cr_pool_can_help(f, until != CR_FOREVER) && !cr_pool_help(L, f)) cr_fail(L, ENOMEM);
  return true;
}

static bool may_help(cr_future *f) { return cr_pool_can_help(f, false); }

/* What is waited for may be settled by a callback of this strand on a task of its pool, as
** the future of map_async is: then that task is helped with. */
static bool help(lua_State *L, cr_future *f, cr_time until) {
  if (help_with(L, f, until)) return true;
  if (atomic_load(&cr_in_worker(cr_me)->serves) == 0) return false;
  int top = lua_gettop(L);
  cr_future *task = cr_callbacks_find(L, may_help);
  bool mine = task && help_with(L, task, until);
  lua_settop(L, top);
  return mine;
}

/* The end of the next piece of a wait. */
static cr_time piece(bool cut, cr_time until) {
  cr_time end = cr_clock() + PIECE;
  return cut && until != CR_FOREVER && end < until ? end : until;
}

static int await_or_help(lua_State *L, cr_future *f, cr_time until) {
  for (;;) {
    bool mine = help(L, f, until);
    cr_time end = piece(mine, until);
    int r = cr_future_wait(f, end);
    if (r == EINTR)
      cr_look_up(L);
    else if (r == 0 || end == until)
      return r;
  }
}

bool cr_has_callbacks(const cr_handle *h) { return h->hold && atomic_load(&h->hold->aux) != 0; }

void cr_future_due(lua_State *L, const cr_future *f) {
  const cr_handle *h = cr_handle_test(L, 1, CR_FUTURE);
  if (h && h->object == &f->object && cr_has_callbacks(h) && cr_future_done(f))
    cr_callbacks_due(L);
  else
    cr_due(L);
}

static int await(lua_State *L, cr_future *f, cr_time until) {
  if (cr_future_done(f)) return 0;
  if (until == 0) cr_zygote_poll();
  if (until == 0) return ETIMEDOUT;
  cr_here(L);
  return await_or_help(L, f, until);
}

/* The future may become final between the first running of callbacks, which is also for
** who only polls, and the look at it: so they are run again whatever the wait was. */
int cr_future_await(lua_State *L, cr_future *f, cr_time until) {
  cr_future_ask(f);
  cr_future_due(L, f);
  int r = await(L, f, until);
  cr_future_due(L, f);
  return r;
}

/* The record of the wait is taken back before cr_look_up, which may raise. */
static bool sleep_on_bell(lua_State *L, uint32_t seen, cr_time until) {
  cr_wait_begin(CR_ON_SELECT, NULL, NULL);
  int r = cr_bell_wait(seen, until);
  cr_wait_end(true);
  if (r == EINTR) cr_look_up(L);
  return r != ETIMEDOUT;
}

static bool help_first(lua_State *L, const cr_several *s, cr_time until) {
  if (atomic_load(&cr_in_worker(cr_me)->serves) == 0) return false;
  int top = lua_gettop(L);
  bool mine = false;
  for (size_t i = 0; i < s->count && !mine; i++) {
    cr_future *f = s->future(L, s, i);
    mine = f && help(L, f, until);
    lua_settop(L, top);
  }
  return mine;
}

/* The bell is read before the things are looked at: what comes in between has rung it. */
static bool await_first(lua_State *L, cr_several *s, cr_time until) {
  if (s->look(L, s, false)) return true;
  if (until == 0) cr_zygote_poll();
  if (until == 0) return false;
  cr_here(L);
  for (bool more = true; more;) {
    bool mine = help_first(L, s, until);
    uint32_t seen = cr_bell();
    if (s->look(L, s, true)) {
      cr_watch_found();
      return true;
    }
    cr_time end = piece(mine, until);
    more = sleep_on_bell(L, seen, end) || end != until;
  }
  return false;
}

bool cr_await_first(lua_State *L, cr_several *s, cr_time until) {
  cr_due(L);
  bool there = await_first(L, s, until);
  if (there && s->owed)
    cr_callbacks_due(L);
  else
    cr_due(L);
  return there;
}
