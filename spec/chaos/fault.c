/* SPDX-License-Identifier: MIT */
/*
** fault: the hard build's faults as a Lua module, for the sweeps.
**
**   fault.plan(rules [, "everybody"])   see src/base/point.c; for the calling strand
**   fault.hits()                        how often the plan has acted
**   fault.memory(n, f, ...)             calls f while this Lua state can grow n times
**                                       only: enough?, no error?, the error
**   fault.census()                      what is alive in shared memory: a table of counts
**   fault.asleep()                      how many other strands wait without a deadline and
**                                       sleep, idle workers aside
**   fault.nap()                         a moment's sleep that passes no point and is no
**                                       wait of conrun's: to look again and again
**
** It is a library of its own, loaded by a program that was built with its faults:
** so the program has no door that only specs use, and lends nothing but what it
** exports to any C module.
*/
#include <lauxlib.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena/arena.h"

static int plan(lua_State *L) {
  const char *rules = luaL_checkstring(L, 1);
  bool all = lua_toboolean(L, 2);
  luaL_argcheck(L, cr_plan(rules, all ? NULL : cr_me) == 0, 1, "point:action:number expected");
  return 0;
}

static int hits(lua_State *L) {
  lua_pushinteger(L, cr_plan_hits());
  return 1;
}

/* What is done to one Lua state at a time: its own allocator, and how many growths
** still go well. */
static lua_Alloc normal;
static lua_Integer left;

static void *allocate(void *ud, void *block, size_t osize, size_t nsize) {
  bool grows = nsize > (block ? osize : 0);
  if (grows && left == 0) return NULL;
  if (grows) left--;
  return normal(ud, block, osize, nsize);
}

/* Lua collects and tries again when a growth fails, so every one from there on
** fails until the call is over. */
static int memory(lua_State *L) {
  void *ud;
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  normal = lua_getallocf(L, &ud);
  left = n;
  lua_setallocf(L, allocate, ud);
  bool ok = lua_pcall(L, lua_gettop(L) - 2, 0, 0) == LUA_OK;
  lua_setallocf(L, normal, ud);
  lua_pushboolean(L, left > 0);
  lua_pushboolean(L, ok);
  if (!ok) lua_rotate(L, -3, -1);
  return ok ? 2 : 3;
}

static void set(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static int census(lua_State *L) {
  cr_census c;
  uint64_t objects = 0;
  cr_census_take(&c);
  for (int i = 0; i < CR_TYPES; i++) objects += c.objects[i];
  lua_createtable(L, 0, 4);
  set(L, "objects", objects);
  set(L, "messages", c.messages);
  set(L, "raw", c.raw);
  set(L, "strands", c.strands);
  return 1;
}

static bool sleeps(cr_strand *s) {
  return s != cr_me && cr_strand_state(s) == CR_RUNNING && s->kind != CR_KEEPER &&
         atomic_load(&s->asleep) && atomic_load(&s->waits_until) == CR_FOREVER &&
         atomic_load(&s->waits_what) != CR_ON_TASK;
}

static int asleep(lua_State *L) {
  lua_Integer n = 0;
  for (uint32_t i = 0; i < cr_strands_top(); i++) n += sleeps(&cr_strands[i]);
  lua_pushinteger(L, n);
  return 1;
}

static int nap(lua_State *L) {
  (void)L;
  usleep(50);
  return 0;
}

int luaopen_fault(lua_State *L) {
  static const luaL_Reg functions[] = {{"plan", plan},     {"hits", hits},     {"memory", memory},
                                       {"census", census}, {"asleep", asleep}, {"nap", nap},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
