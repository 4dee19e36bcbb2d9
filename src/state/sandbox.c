/* SPDX-License-Identifier: MIT */
/*
** sandbox: workers that may use only some of the standard libraries (option `libs`).
**
** A state is opened whole, as any other, and then loses the libraries that are not
** listed: the global, and the entry in package.loaded, by which the codec would
** find a function of it that comes with a task.  Always there are the base
** functions, without `dofile` and `loadfile` unless "io" is listed, and with a
** `load` that takes text only, since made-up bytecode can do anything.  Strings
** keep their methods.  `require` finds conrun's modules alone unless "package" is
** listed.
**
** Conrun's own Lua parts run in an environment of their own (state.c), with all
** libraries but for what opens files, starts programs or ends the worker: so
** conrun.log cannot be asked to write where the worker may not.  Workers that a
** sandboxed one starts may use no more than it may itself.
**
** It keeps honest code to its promises, and code of strangers from files and
** programs.  It is no wall against those who list "debug" or "package", nor against
** code that wants to use up processor time; for that there are task_timeout and
** memory_limit.
*/
#include <lualib.h>
#include <string.h>

#include "state/state.h"

static const char *const names[] = {"base", "package", "coroutine", "table", "io",
                                    "os",   "string",  "math",      "utf8",  "debug"};
enum {
  COUNT = sizeof names / sizeof names[0],
  EVERYTHING = (1 << COUNT) - 1
};
enum library {
  BASE,
  PACKAGE,
  IO = 4,
  OS
};

/* ------------------------------------------------------------------- option */

static uint32_t own(void) {
  const cr_worker *w = cr_self();
  return w && w->libs ? w->libs : EVERYTHING;
}

/* The bit of the name on top of the stack. */
static uint32_t bit_of(lua_State *L) {
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  for (uint32_t i = 0; i < COUNT; i++)
    if (strcmp(names[i], name) == 0) return 1u << i;
  cr_raise(L, "bad option 'libs' (unknown library '%s')", luaL_tolstring(L, -1, NULL));
  return 0;
}

static uint32_t read_list(lua_State *L, int list) {
  uint32_t libs = 1u << BASE;
  if (!lua_istable(L, list))
    cr_raise(L, "bad option 'libs' (list of library names expected, got %s)",
             luaL_typename(L, list));
  cr_list_length(L, list); /* keys alone are an error */
  for (lua_Integer i = 1; lua_geti(L, list, i) != LUA_TNIL; i++) {
    uint32_t bit = bit_of(L);
    if (!(bit & own()))
      cr_raise(L, "bad option 'libs' (this worker has no library '%s' itself)",
               lua_tostring(L, -1));
    libs |= bit;
    lua_pop(L, 1);
  }
  return libs;
}

uint32_t cr_option_libs(lua_State *L, int index) {
  uint32_t libs = own();
  int top = lua_gettop(L);
  if (index && lua_getfield(L, index, "libs") != LUA_TNIL) libs = read_list(L, top + 1);
  lua_settop(L, top);
  return libs == EVERYTHING ? 0 : libs;
}

/* ------------------------------------------------------------------ sandbox */

static void copy_fields(lua_State *L, int from, int to) {
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

/* Puts a table of some fields of the library into the environment on top. */
static void keep_some(lua_State *L, const char *library, const char *const fields[]) {
  lua_newtable(L);
  lua_getglobal(L, library);
  for (int i = 0; fields[i]; i++) {
    lua_getfield(L, -1, fields[i]);
    lua_setfield(L, -3, fields[i]);
  }
  lua_pop(L, 1);
  lua_setfield(L, -2, library);
}

/* The environment of conrun's own Lua parts. */
static void make_environment(lua_State *L, uint32_t libs) {
  static const char *const io[] = {"stderr", "stdout", "write", NULL};
  static const char *const os[] = {"clock", "date", "time", NULL};
  lua_newtable(L);
  lua_pushglobaltable(L);
  copy_fields(L, lua_gettop(L), lua_gettop(L) - 1);
  lua_pop(L, 1);
  if (!(libs & 1u << IO)) keep_some(L, LUA_IOLIBNAME, io);
  if (!(libs & 1u << OS)) keep_some(L, LUA_OSLIBNAME, os);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, LUA_GNAME);
  lua_setfield(L, LUA_REGISTRYINDEX, CR_ENVIRONMENT);
}

/* Of the searchers only conrun's own, which state.c made the second, is left. */
static void close_searchers(lua_State *L) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_createtable(L, 1, 0);
  lua_getfield(L, -2, "searchers");
  lua_geti(L, -1, 2);
  lua_seti(L, -3, 1);
  lua_pop(L, 1);
  lua_setfield(L, -2, "searchers");
  lua_pop(L, 1);
}

/* load(chunk [, name [, mode [, env]]]) with mode "t"; upvalue 1 is Lua's own. */
static int load_text(lua_State *L) {
  if (lua_gettop(L) < 3) lua_settop(L, 3);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static void remove_global(lua_State *L, const char *name) {
  lua_pushnil(L);
  lua_setglobal(L, name);
}

static void remove_library(lua_State *L, const char *name) {
  remove_global(L, name);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void cr_sandbox(lua_State *L, uint32_t libs) {
  make_environment(L, libs);
  if (!(libs & 1u << PACKAGE)) close_searchers(L);
  if (!(libs & 1u << IO)) {
    remove_global(L, "dofile");
    remove_global(L, "loadfile");
  }
  lua_getglobal(L, "load");
  lua_pushcclosure(L, load_text, 1);
  lua_setglobal(L, "load");
  for (uint32_t i = BASE + 1; i < COUNT; i++)
    if (!(libs & 1u << i)) remove_library(L, names[i]);
}
