/* SPDX-License-Identifier: MIT */
/*
** barrierlib: module "conrun.core.barrier", the meeting point without its
** action and default timeout.  Those are Lua values, so lua/conrun/barrier.lua
** keeps them beside the handle and passes them to `wait`.
**
** A strand that leaves a round by an error, of the action or of a notice,
** breaks the barrier before it goes: the others must not wait for it.
*/
#include "lib/lib.h"

static cr_barrier *check(lua_State *L) { return cr_handle_check(L, 1, CR_BARRIER); }

static int barrier_new(lua_State *L) {
  lua_Integer parties = luaL_checkinteger(L, 1);
  luaL_argcheck(L, parties >= 1, 1, "a barrier has 1 party or more");
  luaL_argcheck(L, parties <= CR_STRANDS, 1, "more parties than there can be strands");
  cr_handle *h = cr_handle_new(L, CR_BARRIER);
  cr_barrier *made;
  cr_make(L, made, cr_barrier_new((uint32_t)parties));
  cr_handle_fill(L, h, made);
  return 1;
}

/* Handles notices in the middle of a round. */
static void look_up_or_leave(lua_State *L, cr_barrier *b, cr_hold *mine, uint32_t round) {
  if (cr_look_up_protected(L) == LUA_OK) return;
  cr_barrier_leave(b, mine, round, false);
  lua_error(L);
}

static int park(lua_State *L, cr_barrier *b, cr_hold *mine, uint32_t round, cr_time deadline) {
  int r;
  while ((r = cr_barrier_park(b, mine, round, deadline)) == EINTR)
    look_up_or_leave(L, b, mine, round);
  return r;
}

/* The last one runs the action (argument 3) before it opens the next round.  0, or EPIPE
** if the barrier broke meanwhile. */
static int turn(lua_State *L, cr_barrier *b, cr_hold *mine, uint32_t round) {
  if (!lua_isnoneornil(L, 3)) {
    lua_pushvalue(L, 3);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
      cr_barrier_leave(b, mine, round, true);
      lua_error(L);
    }
  }
  return cr_barrier_turn(b, mine, round);
}

/* wait(barrier, timeout, action) */
static int m_wait(lua_State *L) {
  cr_barrier *b = check(L);
  cr_hold *mine = cr_handle_check_open(L, 1, CR_BARRIER)->hold;
  cr_time deadline = cr_check_timeout(L, 2);
  luaL_checkstack(L, LUA_MINSTACK, NULL); /* nothing may raise unseen after the arrival */
  uint32_t round, index;
  int r;
  cr_here(L);
  while ((r = cr_barrier_arrive(b, mine, &round, &index)) == EINTR) cr_look_up(L);
  if (r == EALREADY)
    r = turn(L, b, mine, round);
  else if (r == 0)
    r = park(L, b, mine, round, deadline);
  cr_due(L);
  if (r) return cr_outcome(L, true, r);
  lua_pushinteger(L, index);
  return 1;
}

static int m_abort(lua_State *L) {
  cr_barrier_abort(check(L));
  return 0;
}

static int m_reset(lua_State *L) {
  cr_barrier_reset(check(L));
  return 0;
}

static int m_parties(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->parties);
  return 1;
}

static int m_waiting(lua_State *L) {
  lua_pushinteger(L, cr_barrier_waiting(check(L)));
  return 1;
}

static int m_broken(lua_State *L) {
  lua_pushboolean(L, cr_barrier_broken(check(L)));
  return 1;
}

static int m_tostring(lua_State *L) {
  cr_barrier *b = check(L);
  const char *state = "broken";
  if (!cr_barrier_broken(b))
    state = lua_pushfstring(L, "%d of %d waiting", (int)cr_barrier_waiting(b), (int)b->parties);
  cr_handle_text(L, &b->object, state);
  return 1;
}

static const luaL_Reg functions[] = {{"new", barrier_new}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"wait", m_wait},       {"abort", m_abort},   {"reset", m_reset}, {"parties", m_parties},
    {"waiting", m_waiting}, {"broken", m_broken}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", m_tostring}, {NULL, NULL}};

int luaopen_conrun_core_barrier(lua_State *L) {
  luaL_newlib(L, functions);
  cr_lib_type(L, CR_BARRIER, methods, meta);
  return 1;
}
