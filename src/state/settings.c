/* SPDX-License-Identifier: MIT */
/*
** settings: package.path, package.cpath, on_error, warnings, level and target of conrun.log,
** as a worker's starter has them.
**
** They travel only when they differ from what a new state has: then the function of
** the call is `begin` of this file, whose first argument is the table of settings and
** whose second is the function proper.  The new worker reads the table from the front of
** the encoded arguments, before it decodes anything that may need a module; `begin`
** then calls the rest.
*/
#include <lualib.h>
#include <pthread.h>
#include <string.h>

#include "state/inside.h"

#define MODULE "conrun.core.begin"

/* package.path and cpath of a state that nobody has touched; r/o after once. */
static pthread_once_t defaults_once = PTHREAD_ONCE_INIT;
static char *default_path, *default_cpath;

static void find_defaults(void) {
  lua_State *L = luaL_newstate();
  if (!L) return;
  luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 0);
  lua_getfield(L, -1, "path");
  lua_getfield(L, -2, "cpath");
  default_path = strdup(lua_tostring(L, -2));
  default_cpath = strdup(lua_tostring(L, -1));
  lua_close(L);
}

/* Pushes the table `package`, wherever its global went.  [-0, +1, m] */
static void push_package(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_LOADLIBNAME);
  lua_remove(L, -2);
}

/* Copies package[name] into the settings on top, unless it is the default.
** Without memory for the defaults everything counts as changed. */
static bool note_path(lua_State *L, const char *name, const char *usual) {
  int settings = lua_gettop(L);
  push_package(L);
  bool changed = lua_istable(L, -1) && lua_getfield(L, -1, name) == LUA_TSTRING &&
                 (!usual || strcmp(lua_tostring(L, -1), usual) != 0);
  if (changed) lua_setfield(L, settings, name);
  lua_settop(L, settings);
  return changed;
}

static bool note_handler(lua_State *L) {
  bool set = lua_getfield(L, LUA_REGISTRYINDEX, ON_ERROR) != LUA_TNIL;
  lua_setfield(L, -2, "on_error");
  return set;
}

static bool note_warnings(lua_State *L) {
  lua_pushboolean(L, cr_lua->warns);
  lua_setfield(L, -2, "warnings");
  return cr_lua->warns;
}

static int try_encode(lua_State *L) {
  cr_value v;
  cr_encode(L, 1, 1, "setting", &v);
  cr_value_free(&v);
  return 0;
}

/* A target that cannot be sent stays at home: the log goes to stderr there. */
static void drop_target(lua_State *L) {
  lua_pushcfunction(L, try_encode);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_setfield(L, -2, "to");
}

static bool note_log(lua_State *L) {
  int settings = lua_gettop(L);
  if (lua_getfield(L, LUA_REGISTRYINDEX, CR_LOG_SETTINGS) != LUA_TNIL) lua_call(L, 0, 1);
  bool changed = lua_istable(L, -1);
  if (changed) {
    drop_target(L);
    lua_setfield(L, settings, "log");
  }
  lua_settop(L, settings);
  return changed;
}

/* begin(settings [, fn, ...]): the settings were applied before. */
static int begin(lua_State *L) {
  if (lua_gettop(L) < 2) return 0;
  lua_remove(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* A module for this one function, since each new worker opens it. */
int luaopen_conrun_core_begin(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, begin);
  lua_setfield(L, -2, "begin");
  return 1;
}

/* The codec sends `begin` by its name in package.loaded, which may have been
** emptied meanwhile, or never had it. */
static void make_findable(lua_State *L) {
  luaL_requiref(L, MODULE, luaopen_conrun_core_begin, 0);
  lua_pop(L, 1);
}

int cr_setup_push(lua_State *L) {
  pthread_once(&defaults_once, find_defaults);
  lua_pushcfunction(L, begin);
  lua_newtable(L);
  bool changed = note_path(L, "path", default_path);
  changed |= note_path(L, "cpath", default_cpath);
  changed |= note_handler(L);
  changed |= note_warnings(L);
  changed |= note_log(L);
  if (changed) {
    make_findable(L);
    return 2;
  }
  lua_pop(L, 2);
  return 0;
}

static void apply_log(lua_State *L, int settings) {
  if (lua_getfield(L, settings, "log") == LUA_TNIL) return;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "conrun.log");
  lua_call(L, 1, 0);
  if (lua_getfield(L, LUA_REGISTRYINDEX, CR_LOG_BEGIN) == LUA_TNIL) return;
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
}

/* Applies the settings table on top of the stack. */
static void apply(lua_State *L) {
  static const char *const paths[] = {"path", "cpath"};
  int settings = lua_gettop(L);
  push_package(L);
  for (int i = 0; i < 2 && lua_istable(L, -1); i++) { /* a sandbox may be without it */
    if (lua_getfield(L, settings, paths[i]) == LUA_TSTRING)
      lua_setfield(L, -2, paths[i]);
    else
      lua_pop(L, 1);
  }
  lua_getfield(L, settings, "on_error");
  lua_setfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  lua_getfield(L, settings, "warnings");
  if (lua_toboolean(L, -1)) lua_warning(L, "@on", 0);
  apply_log(L, settings);
  lua_settop(L, settings);
}

/* What cannot be decoded here fails again when the call is made, and is told then; so
** the caller of this drops the error. */
void settings_take(lua_State *L, cr_code *code, const cr_value *arguments) {
  if (!code) return;
  cr_code_function(L, code);
  if (lua_tocfunction(L, -1) != begin) return;
  cr_reader *r = cr_reader_new(L, arguments);
  if (cr_reader_next(L, r) && lua_istable(L, -1)) apply(L);
}
