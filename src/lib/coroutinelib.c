/* SPDX-License-Identifier: MIT */
/*
** coroutinelib: coroutine.resume, wrap and close, which say where the strand's code runs.
**
** A signal handler that is to stop running Lua code must know its lua_State (nudge.c in
** state/), and Lua does not tell which coroutine is running.  So the three functions that
** let one run note it before and after.  They do what those of Lua do, and nothing else.
**
** A C module that resumes coroutines by itself goes without the note: code in those is
** stopped when it yields, ends or waits in conrun.
*/
#include <lualib.h>

#include "lib/lib.h"

static lua_State *check(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

/* Nothing may raise while another coroutine is noted than the one that runs. */
static int run(lua_State *co, lua_State *L, int n, int *results) {
  cr_run_in(co);
  int status = lua_resume(co, L, n, results);
  cr_run_in(L);
  return status;
}

/* Resumes it with the `n` values on top.  Returns how many results are pushed instead, or
** -1: the error is.  [-n, +?, m] */
static int resume(lua_State *L, lua_State *co, int n) {
  int results;
  if (!lua_checkstack(co, n)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, n);
  int status = run(co, L, n, &results);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

static int co_resume(lua_State *L) {
  lua_State *co = check(L);
  int n = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  if (n < 0) n = 1;
  lua_insert(L, -n - 1);
  return n + 1;
}

/* The status with which its variables have been closed; the error is on its stack. */
static int close_variables(lua_State *L, lua_State *co) {
  cr_run_in(co);
  int status = lua_resetthread(co);
  cr_run_in(L);
  return status;
}

/* An error in a wrapped coroutine is its caller's. */
static int propagate(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = close_variables(L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int n = resume(L, co, lua_gettop(L));
  return n >= 0 ? n : propagate(L, co);
}

static int co_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

static int close_it(lua_State *L, lua_State *co) {
  int status = close_variables(L, co);
  lua_pushboolean(L, status == LUA_OK);
  if (status == LUA_OK) return 1;
  lua_xmove(co, L, 1);
  return 2;
}

static int co_close(lua_State *L) {
  lua_State *co = check(L);
  lua_Debug ar;
  if (co == L) return luaL_error(L, "cannot close a running coroutine");
  if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar))
    return luaL_error(L, "cannot close a normal coroutine");
  return close_it(L, co);
}

static const luaL_Reg functions[] = {
    {"close", co_close}, {"resume", co_resume}, {"wrap", co_wrap}, {NULL, NULL}};

void cr_coroutine_open(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE) luaL_setfuncs(L, functions, 0);
  lua_pop(L, 2);
}
