/* SPDX-License-Identifier: MIT */
/*
** corelib: the small things that belong to no object; module "conrun.core",
** from which lua/conrun/init.lua makes "conrun".
*/
#include <unistd.h>

#include "lib/lib.h"

static int core_sleep(lua_State *L) {
  luaL_checknumber(L, 1); /* unlike a timeout, it cannot be left out */
  cr_time until = cr_check_timeout(L, 1);
  cr_here(L);
  while (cr_sleep(until) == EINTR) cr_look_up(L);
  cr_due(L);
  return 0;
}

static int core_clock(lua_State *L) {
  cr_clock_asked();
  lua_pushnumber(L, (lua_Number)cr_clock() / 1e9);
  return 1;
}

/* The time of day, for log lines. */
static int core_time(lua_State *L) {
  cr_clock_asked();
  lua_pushnumber(L, cr_time_of_day());
  return 1;
}

static int core_cpu_count(lua_State *L) {
  lua_pushinteger(L, cr_cpu_count());
  return 1;
}

/* The id of a worker is its object's number; the main strand's is 0. */
static int core_current(lua_State *L) {
  cr_worker *w = cr_self();
  lua_createtable(L, 0, 5);
  lua_pushstring(L, cr_me->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, cr_kind_names[cr_me->kind]);
  lua_setfield(L, -2, "kind");
  lua_pushinteger(L, w ? (lua_Integer)w->object.serial : 0);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, getpid());
  lua_setfield(L, -2, "pid");
  lua_pushboolean(L, w && w->daemon);
  lua_setfield(L, -2, "daemon");
  return 1;
}

/* interrupt_me(): this strand's next wait raises "interrupted!", for a scope that has failed;
** spare_me(): takes that back, also that the strand was asked to stop */
static int core_interrupt_me(lua_State *L) {
  (void)L;
  cr_post(cr_me, CR_INTERRUPT);
  return 0;
}

static int core_spare_me(lua_State *L) {
  (void)L;
  cr_notice_take(CR_INTERRUPT);
  cr_runs.asked = false;
  return 0;
}

static int core_stopping(lua_State *L) {
  lua_pushboolean(L, cr_stopping());
  return 1;
}

/* nearest(word, list of words) -> the one that was probably meant, or nil. */
static int core_nearest(lua_State *L) {
  cr_guess guess = {.best = NULL};
  guess.word = luaL_checklstring(L, 1, &guess.length);
  luaL_checktype(L, 2, LUA_TTABLE);
  for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
    cr_guess_try(&guess, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pushstring(L, guess.best);
  return 1;
}

static int core_strand_name(lua_State *L) {
  lua_pushstring(L, cr_me->name);
  return 1;
}

/* log_hooks(settings, begin): what conrun.log gives to workers, see state/settings.c */
static int core_log_hooks(lua_State *L) {
  lua_settop(L, 2);
  lua_setfield(L, LUA_REGISTRYINDEX, CR_LOG_BEGIN);
  lua_setfield(L, LUA_REGISTRYINDEX, CR_LOG_SETTINGS);
  return 0;
}

/* settings_changed(): of those that living pools follow (state/follow.c) */
static int core_settings_changed(lua_State *L) {
  (void)L;
  cr_lua->settings++;
  return 0;
}

/* raise(message): an error at the user's line */
static int core_raise(lua_State *L) { return cr_raise(L, "%s", luaL_checkstring(L, 1)); }

/* bad_argument(position, name, message): an error about the argument of the function of
** conrun's that the user has called, which is called `name` if the call does not tell. */
static int core_bad_argument(lua_State *L) {
  int position = (int)luaL_checkinteger(L, 1);
  return cr_bad_argument_of(L, position, luaL_checkstring(L, 2), luaL_checkstring(L, 3));
}

/* The metatable of error objects, under the name that C code and the host know;
** conrun.errors fills it. */
static int core_error_metatable(lua_State *L) {
  luaL_newmetatable(L, CR_ERROR);
  return 1;
}

/* For the modules and objects that are Lua tables. */
static int core_answers_index(lua_State *L) {
  cr_answers_index(L, luaL_checkstring(L, 1));
  return 1;
}

/* answers_module(module, name) -> the module, which may then be called in place of its `new`;
** for modules whose `new` is in C. */
static int core_answers_module(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *name = luaL_checkstring(L, 2);
  lua_settop(L, 2);
  lua_insert(L, 1);
  cr_answers_module(L, name);
  return 1;
}

/* What conrun gives to its users. */
static const luaL_Reg public_functions[] = {
    {"sleep", core_sleep},     {"clock", core_clock},       {"cpu_count", core_cpu_count},
    {"current", core_current}, {"stopping", core_stopping}, {NULL, NULL}};

static const luaL_Reg core_functions[] = {
    {"time", core_time},
    {"nearest", core_nearest},
    {"strand_name", core_strand_name},
    {"interrupt_me", core_interrupt_me},
    {"spare_me", core_spare_me},
    {"error_metatable", core_error_metatable},
    {"raise", core_raise},
    {"bad_argument", core_bad_argument},
    {"log_hooks", core_log_hooks},
    {"settings_changed", core_settings_changed},
    {"answers", cr_answers_list},
    {"answers_index", core_answers_index},
    {"answers_module", core_answers_module},
    {NULL, NULL},
};

int luaopen_conrun_core(lua_State *L) {
  luaL_newlib(L, core_functions);
  cr_lib_public(L, public_functions);
  lua_pushliteral(L, CR_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
