/* SPDX-License-Identifier: MIT */
/*
** settings: what a worker begins with as its starter has it: package.path, package.cpath,
** package.preload, package.searchers, the metatable of the globals (by which a program may
** forbid undefined ones), on_error, warnings, level and target of conrun.log; and a process
** its surroundings (around.c).
**
** What of these cannot be sent, such as a searcher that is a C function of its own, stays at
** home.
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
#define TAKEN "conrun.globals" /* registry: the metatable of the globals that came with settings */

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
void settings_push_package(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_LOADLIBNAME);
  lua_remove(L, -2);
}

/* Copies package[name] into the settings on top, unless it is the default.
** Without memory for the defaults everything counts as changed. */
static bool note_path(lua_State *L, const char *name, const char *usual) {
  int settings = lua_gettop(L);
  settings_push_package(L);
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
  cr_encode_call(L, 1, 1, "setting", &v);
  cr_value_free(&v);
  return 0;
}

/* Can the value on top be sent? */
static bool travels(lua_State *L) {
  lua_pushcfunction(L, try_encode);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

/* A target that cannot be sent stays at home: the log goes to stderr there. */
static void drop_target(lua_State *L) {
  if (travels(L)) return;
  lua_pushnil(L);
  lua_setfield(L, -2, "to");
}

static bool note_log(lua_State *L, bool always) {
  int settings = lua_gettop(L);
  if (lua_getfield(L, LUA_REGISTRYINDEX, CR_LOG_SETTINGS) != LUA_TNIL) {
    lua_pushboolean(L, always);
    lua_call(L, 1, 1);
  }
  bool changed = lua_istable(L, -1);
  if (changed) {
    drop_target(L);
    lua_setfield(L, settings, "log");
  }
  lua_settop(L, settings);
  return changed;
}

/* Moves the table on top into the settings below, as `name`; an empty one goes. */
static bool note_table(lua_State *L, const char *name) {
  bool any = false;
  lua_pushnil(L);
  if (lua_next(L, -2)) {
    lua_pop(L, 2);
    any = true;
  }
  if (any)
    lua_setfield(L, -2, name);
  else
    lua_pop(L, 1);
  return any;
}

/* A new state has none. */
static bool note_preload(lua_State *L) {
  int settings = lua_gettop(L);
  lua_newtable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (lua_pushnil(L); lua_next(L, -2);) {
    if (!lua_isfunction(L, -1) || !travels(L)) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, settings + 1);
  }
  lua_settop(L, settings + 1);
  return note_table(L, "preload");
}

/* The place among a new state's searchers of the one on top, 0: it is none of them. */
static lua_Integer usual_place(lua_State *L, int usual) {
  for (lua_Integer i = 1; lua_rawgeti(L, usual, i) != LUA_TNIL; i++) {
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    if (same) return i;
  }
  lua_pop(L, 1);
  return 0;
}

/* A list in which a searcher that every state has is the number of its place. */
static bool note_searchers(lua_State *L, bool always) {
  int settings = lua_gettop(L), usual = settings + 1, mine = settings + 3, list = settings + 4;
  bool changed = always;
  lua_Integer n = 0, i = 0;
  lua_getfield(L, LUA_REGISTRYINDEX, SEARCHERS);
  settings_push_package(L);
  if (lua_istable(L, usual) && lua_istable(L, -1) &&
      lua_getfield(L, -1, "searchers") == LUA_TTABLE) {
    lua_newtable(L);
    while (lua_rawgeti(L, mine, ++i) != LUA_TNIL) {
      lua_Integer place = usual_place(L, usual);
      changed |= place != i;
      if (place) {
        lua_pop(L, 1);
        lua_pushinteger(L, place);
      }
      if (place || travels(L))
        lua_rawseti(L, list, ++n);
      else
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    changed |= i - 1 != (lua_Integer)lua_rawlen(L, usual);
    if (changed) lua_setfield(L, settings, "searchers");
  }
  lua_settop(L, settings);
  return changed;
}

static bool note_globals(lua_State *L) {
  int settings = lua_gettop(L);
  lua_pushglobaltable(L);
  bool has = lua_getmetatable(L, -1) && travels(L);
  if (has) lua_setfield(L, settings, "globals");
  lua_settop(L, settings);
  return has;
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

/* Without the usual paths everything counts as changed. */
static bool note_followed(lua_State *L, const char *usual_path, const char *usual_cpath) {
  bool changed = note_path(L, "path", usual_path);
  changed |= note_path(L, "cpath", usual_cpath);
  changed |= note_preload(L);
  changed |= note_searchers(L, !usual_path);
  changed |= note_globals(L);
  changed |= note_handler(L);
  return changed | note_log(L, !usual_path);
}

int cr_setup_push(lua_State *L, enum cr_strand_kind kind) {
  pthread_once(&defaults_once, find_defaults);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushcfunction(L, begin);
  lua_newtable(L);
  bool changed = note_followed(L, default_path, default_cpath);
  changed |= kind == CR_PROCESS && around_note(L);
  changed |= note_warnings(L);
  if (changed) {
    make_findable(L);
    return 2;
  }
  lua_pop(L, 2);
  return 0;
}

void settings_push_all(lua_State *L, enum cr_strand_kind kind) {
  lua_pushcfunction(L, begin);
  lua_newtable(L);
  note_followed(L, NULL, NULL);
  if (kind == CR_PROCESS) around_note_all(L);
  make_findable(L);
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

/* Adds what `settings` has under `name` to the table on top, if that is a table. */
static void take_entries(lua_State *L, int settings, const char *name) {
  int to = lua_gettop(L);
  if (lua_istable(L, to) && lua_getfield(L, settings, name) == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, to + 1);) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, to);
    }
  lua_settop(L, to);
}

/* Numbers in the list stand for the searchers that are there. */
static void take_searchers(lua_State *L, int settings) {
  int package = lua_gettop(L), list = package + 1, usual = package + 2;
  if (lua_getfield(L, settings, "searchers") == LUA_TTABLE &&
      lua_getfield(L, LUA_REGISTRYINDEX, SEARCHERS) == LUA_TTABLE) {
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
      if (lua_isinteger(L, -1)) {
        lua_rawgeti(L, usual, lua_tointeger(L, -1));
        lua_rawseti(L, list, i);
      }
      lua_pop(L, 1);
    }
    lua_pushvalue(L, list);
    lua_setfield(L, package, "searchers");
  }
  lua_settop(L, package);
}

/* A sandbox may be without the table, and then it has none of this. */
static void take_package(lua_State *L, int settings) {
  static const char *const paths[] = {"path", "cpath"};
  settings_push_package(L);
  if (!lua_istable(L, -1)) return;
  for (int i = 0; i < 2; i++) {
    if (lua_getfield(L, settings, paths[i]) == LUA_TSTRING)
      lua_setfield(L, -2, paths[i]);
    else
      lua_pop(L, 1);
  }
  take_searchers(L, settings);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  take_entries(L, settings, "preload");
}

/* A metatable that came with settings goes with them; one that the worker has made stays,
** unless there is one to come. */
static void take_globals(lua_State *L, int settings) {
  lua_pushglobaltable(L);
  if (!lua_getmetatable(L, -1)) lua_pushnil(L);
  lua_getfield(L, LUA_REGISTRYINDEX, TAKEN);
  bool ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  if (lua_getfield(L, settings, "globals") == LUA_TNIL && !ours) return;
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, TAKEN);
  lua_setmetatable(L, -2);
}

/* Applies the settings table on top of the stack. */
static void apply(lua_State *L) {
  int settings = lua_gettop(L);
  around_take(L);
  take_package(L, settings);
  lua_getfield(L, settings, "on_error");
  lua_setfield(L, LUA_REGISTRYINDEX, ON_ERROR);
  lua_getfield(L, settings, "warnings");
  if (lua_toboolean(L, -1)) lua_warning(L, "@on", 0);
  apply_log(L, settings);
  take_globals(L, settings);
  lua_settop(L, settings);
}

/* What cannot be decoded here fails again when the call is made, and is told then; so
** the caller of this drops the error. */
void settings_take(lua_State *L, cr_code *code, const cr_value *arguments, bool function) {
  if (!code) return;
  cr_code_function(L, code);
  if (lua_tocfunction(L, -1) != begin) return;
  cr_reader *r = cr_reader_new(L, arguments);
  if (cr_reader_next(L, r) && lua_istable(L, -1)) apply(L);
  if (function) cr_reader_next(L, r);
}
