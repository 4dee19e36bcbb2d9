/* SPDX-License-Identifier: MIT */
/*
** notice: what a strand does when it is asked to look up.
**
** A wait that returns EINTR means that somebody posted a notice.  The binding
** calls cr_look_up, which raises, or runs callbacks and returns so that the
** wait goes on with the same deadline.  Nothing is held below the wall then, so
** raising is safe.
**
** The end.  CR_END means that the pool or the program is over.  It becomes an
** error, so that the Lua code unwinds and its <close> variables are closed.
** Code that catches the error and goes on to wait must not outlive the program
** for ever: the notice is posted again whenever it is raised, so each further
** wait that would sleep raises too, until the strand's entry function has seen
** the error and takes the notice.
*/
#include <stdio.h>
#include <string.h>

#include "state/inside.h"

#define END_KEY "conrun.end"

/* The one error object that means the end; kept in the registry, so that it is
** known again after it went through user code. */
static void push_end(lua_State *L) {
  if (cr_ending()) cr_pools_cancel(); /* what waits goes before what runs */
  if (lua_getfield(L, LUA_REGISTRYINDEX, END_KEY) == LUA_TTABLE) return;
  lua_pop(L, 1);
  cr_error_push(L, "cancelled", "this strand was asked to end");
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, END_KEY);
}

bool cr_is_end(lua_State *L, int index) {
  if (!lua_istable(L, index)) return false;
  index = lua_absindex(L, index);
  lua_getfield(L, LUA_REGISTRYINDEX, END_KEY);
  bool same = lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

/* The error may end the program, so it comes when all stacks are printed. */
int cr_deadlock_raise(lua_State *L) {
  cr_dumps_await();
  return cr_error_raise(L, "deadlock",
                        lua_pushfstring(L, "deadlock: %s", cr_worker_root()->deadlock));
}

/* The wait that has just ended: what CR_DEADLOCK says is true of one wait only. */
static bool is_accused(void) {
  return atomic_load(&cr_me->accused) == atomic_load(&cr_me->waits_number);
}

static uint32_t take(void) {
  uint32_t notices = cr_notices_take();
  return notices & CR_DEADLOCK && !is_accused() ? notices & ~(uint32_t)CR_DEADLOCK : notices;
}

/* Another strand wants to know what is garbage here. */
static void collect(lua_State *L) {
  cr_code_forget(L);
  cr_collect(L);
  atomic_store(&cr_me->swept, 1);
}

/* The callbacks come first, since they may make garbage. */
static void heed(lua_State *L, uint32_t notices) {
  if (notices & CR_CALLBACKS) cr_callbacks_run(L);
  if (notices & CR_COLLECT) collect(L);
}

uint32_t cr_heed(lua_State *L) {
  uint32_t notices = take();
  if (notices & CR_DUMP) cr_dump(L);
  if (!(notices & CR_END)) heed(L, notices); /* else they run when the strand ends */
  return notices & (CR_INTERRUPT | CR_END | CR_DEADLOCK);
}

/* The number of the task that the strand computes for its pool, 0: of none. */
static uint64_t task_now(void) {
  const cr_future *f = future_of(cr_me);
  return f ? f->object.serial : 0;
}

/* Who leaves the pool, or the program, is asked by a notice that stays posted. */
bool cr_stopping(void) {
  const cr_future *f = future_of(cr_me);
  if (cr_notices() & (CR_END | CR_INTERRUPT) || cr_ending() || cr_pool_late()) return true;
  if (f && atomic_load(&f->flags) & CR_FUTURE_STOP) return true;
  return cr_runs.asked && cr_runs.asked_in == task_now();
}

/* The main strand raises what lua raises; of others, the error says its kind. */
void notice_push(lua_State *L) {
  if (cr_notices() & CR_END) return push_end(L);
  cr_notice_take(CR_INTERRUPT);
  cr_runs.interruptions++;
  cr_runs.asked = true;
  cr_runs.asked_in = task_now();
  if (cr_me->kind != CR_MAIN) return cr_error_push(L, "interrupted", "interrupted!");
  cr_where(L);
  lua_pushliteral(L, "interrupted!");
  lua_concat(L, 2);
}

void cr_interrupt_again(void) {
  cr_post(cr_me, CR_INTERRUPT);
  cr_nudge();
}

/* An error in a finalizer ends that and goes no further, so the interruption stays: it
** also ends the finalizer's next wait, and is raised again when the finalizer is over. */
static void interrupt(lua_State *L) {
  if (nudge_finalizing(L)) {
    lua_pushliteral(L, "interrupted!");
    cr_interrupt_again();
  } else {
    notice_push(L);
  }
  lua_error(L);
}

/* What is not dealt with now is posted again before anything raises. */
void cr_look_up(lua_State *L) {
  cr_check_part(L);
  uint32_t notices = take();
  if (notices & CR_DUMP) cr_dump(L);
  if (notices & CR_END) {
    cr_post(cr_me, CR_END);
    push_end(L);
    lua_error(L);
  }
  if (notices & (CR_INTERRUPT | CR_DEADLOCK)) {
    if (notices & CR_CALLBACKS) cr_post(cr_me, CR_CALLBACKS);
    if (notices & CR_DEADLOCK) cr_deadlock_raise(L);
    interrupt(L);
  }
  heed(L, notices);
}

static int look_up(lua_State *L) {
  cr_look_up(L);
  return 0;
}

int cr_look_up_protected(lua_State *L) {
  lua_pushcfunction(L, look_up);
  return lua_pcall(L, 0, 0, 0);
}

void cr_here(lua_State *L) {
  lua_Debug ar;
  cr_check_part(L);
  atomic_store_explicit(&cr_me->swept, 0, memory_order_relaxed);
  callbacks_remember();
  if (cr_users_line(L, &ar))
    snprintf(cr_me->where, sizeof cr_me->where, "%s:%d", ar.short_src, ar.currentline);
  else
    cr_me->where[0] = '\0';
}
