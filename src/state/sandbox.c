/* SPDX-License-Identifier: MIT */
/*
** sandbox: workers that may use less than the program (options `libs` and `sandbox`).
**
** What a worker may use are its rights: a bit for each standard library, and one for the
** system, its files, sockets and programs.  Nobody can give more than he has: a worker that
** a sandbox starts, or a pool, has the same rights or fewer, and it can only submit to
** pools of which that is true.
**
** `libs`.  A state is opened whole, as any other, and then loses the libraries that are not
** listed: the global, and the entry in package.loaded, by which the codec would find a
** function of it that comes with a task.  Always there are the base functions, without
** `dofile` and `loadfile` unless "io" is listed, and with a `load` that takes text only,
** since made-up bytecode can do anything.  Strings keep their methods.  `require` finds the
** public modules of conrun alone unless "package" is listed.
**
** Conrun's own Lua parts run in an environment of their own.  It has copies of the
** libraries, so that nobody can replace a function in them by another, and in it is nothing
** that the worker may not have itself, but for the time, stderr, and a few questions of
** `debug`.  So a script that gets hold of it, or makes one of these parts do something for
** it, has won nothing.  What those parts ask of C is checked there, for anybody.
**
** What a sandbox sends is data: functions and metatables go only where the receiver has them
** itself (codec/emit.c).  Otherwise it would be the receiver who runs what a sandbox may not.
** Calls are the exception, for no worker that it can call has more rights.
**
** `sandbox = true` is for processes and takes the last of the rights: walls in the kernel
** are raised around the worker (worker/walls.c), for what libraries in C do.
**
** It is no wall against those who list "debug" or "package", nor against code that wants to
** use up processor time, shared memory or strands: for that there are task_timeout,
** memory_limit and --memory-limit.  What a task has changed of its worker's state the next
** task of that worker finds so.
*/
#include <lualib.h>
#include <string.h>

#include "state/state.h"

static const char *const names[] = {"base", "package", "coroutine", "table", "io",
                                    "os",   "string",  "math",      "utf8",  "debug"};
enum {
  COUNT = sizeof names / sizeof names[0],
  LIBRARIES = (1 << COUNT) - 1,
  SYSTEM = 1 << COUNT, /* without it there are walls */
  EVERYTHING = LIBRARIES | SYSTEM,
  INSIDE = SYSTEM << 1 /* the starter has walls around itself; no right */
};
enum library {
  BASE,
  PACKAGE,
  IO = 4,
  OS
};

static bool has(uint32_t rights, enum library l) { return rights >> l & 1; }

/* ------------------------------------------------------------------- rights */

/* In a record 0 stands for all rights. */
static uint32_t all_of(uint32_t rights) { return rights ? rights : EVERYTHING; }

static uint32_t own(void) {
  const cr_worker *w = cr_self();
  return w ? all_of(w->rights) : EVERYTHING;
}

bool cr_rights_within(uint32_t rights) { return (all_of(rights) & EVERYTHING & ~own()) == 0; }

bool cr_may_name_files(void) { return cr_may_open_files() && has(own(), IO); }

bool cr_may_open_files(void) { return own() & SYSTEM; }

bool cr_rights_walls(uint32_t rights) { return !(all_of(rights) & SYSTEM); }

bool cr_rights_walls_first(uint32_t rights) { return rights & INSIDE; }

/* The bit of the name on top of the stack. */
static uint32_t bit_of(lua_State *L) {
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  for (uint32_t i = 0; i < COUNT; i++)
    if (strcmp(names[i], name) == 0) return 1u << i;
  cr_raise(L, "bad option 'libs' (unknown library '%s')", luaL_tolstring(L, -1, NULL));
  return 0;
}

/* The list of libraries on top of the stack. */
static uint32_t read_list(lua_State *L) {
  int list = lua_gettop(L);
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

/* Raises if there cannot be walls around a worker of that kind. */
static void check_walls(lua_State *L, enum cr_strand_kind kind) {
  const char *missing = kind == CR_PROCESS ? cr_walls_missing() : NULL;
  if (kind != CR_PROCESS)
    cr_raise(L, "bad option 'sandbox' (a thread shares its process with others: only a "
                "process can have walls; for a thread there is the option 'libs')");
  if (missing) cr_raise(L, "cannot make a sandbox: %s", missing);
}

uint32_t cr_option_rights(lua_State *L, int index, enum cr_strand_kind kind) {
  uint32_t rights = own();
  int top = lua_gettop(L);
  bool inside = cr_rights_walls(rights);
  if (index && lua_getfield(L, index, "libs") != LUA_TNIL)
    rights = read_list(L) | (rights & SYSTEM);
  lua_settop(L, top);
  bool walls = cr_option_boolean(L, index, "sandbox", inside);
  if (inside && !walls) cr_raise(L, "bad option 'sandbox' (this worker is in one itself)");
  if (walls && !inside) check_walls(L, kind);
  if (walls) rights &= ~(uint32_t)SYSTEM;
  if (inside) rights |= INSIDE;
  return rights == EVERYTHING ? 0 : rights;
}

uint64_t cr_option_memory(lua_State *L, int index) {
  const cr_worker *w = cr_self();
  uint64_t most = w ? w->memory_limit : 0;
  uint64_t limit = (uint64_t)cr_option_integer(L, index, "memory_limit", 1, 0);
  if (most && limit > most)
    cr_raise(L, "bad option 'memory_limit' (this worker has %I bytes itself)", (lua_Integer)most);
  return limit ? limit : most;
}

/* ------------------------------------------------------------------ sandbox */

static void copy_fields(lua_State *L, int from, int to) {
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

/* Puts a copy of the library into the environment on top. */
static void copy_library(lua_State *L, const char *name) {
  lua_newtable(L);
  if (lua_getglobal(L, name) == LUA_TTABLE) copy_fields(L, lua_gettop(L), lua_gettop(L) - 1);
  lua_pop(L, 1);
  lua_setfield(L, -2, name);
}

/* Puts a table of some fields of the library into it. */
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

static void remove_field(lua_State *L, const char *name) {
  lua_pushnil(L);
  lua_setfield(L, -2, name);
}

/* The environment of conrun's own Lua parts. */
static void make_environment(lua_State *L, uint32_t rights) {
  static const char *const io[] = {"stderr", "stdout", "write", NULL};
  static const char *const os[] = {"clock", "date", "time", NULL};
  static const char *const debug[] = {"getinfo", "getmetatable", "traceback", NULL};
  static const char *const package[] = {"loaded", NULL};
  static const char *const loaders[] = {"dofile", "load", "loadfile"};
  lua_newtable(L);
  lua_pushglobaltable(L);
  copy_fields(L, lua_gettop(L), lua_gettop(L) - 1);
  lua_pop(L, 1);
  for (size_t i = 0; i < sizeof loaders / sizeof *loaders; i++) remove_field(L, loaders[i]);
  for (int i = BASE + 1; i < COUNT; i++) copy_library(L, names[i]);
  if (!has(rights, IO)) keep_some(L, LUA_IOLIBNAME, io);
  if (!has(rights, OS)) keep_some(L, LUA_OSLIBNAME, os);
  keep_some(L, LUA_DBLIBNAME, debug);
  keep_some(L, LUA_LOADLIBNAME, package);
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

/* Public are the modules that the reference describes. */
static bool is_public(const char *name) {
  char entry[64];
  if (strcmp(name, "conrun") == 0) return true;
  snprintf(entry, sizeof entry, "conrun.reference.%s", strncmp(name, "conrun.", 7) ? "" : name + 7);
  for (const cr_embedded *m = cr_embedded_modules; m->name; m++)
    if (strcmp(m->name, entry) == 0) return true;
  return false;
}

/* require(name); upvalue 1 is Lua's own. */
static int require_public(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (strncmp(name, "conrun", 6) == 0 && !is_public(name))
    return cr_raise(L, "module '%s' not found: a sandbox has the public modules of conrun alone",
                    name);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, LUA_MULTRET);
  return lua_gettop(L);
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

/* Puts a function around a global one. */
static void wrap_global(lua_State *L, const char *name, lua_CFunction f) {
  lua_getglobal(L, name);
  lua_pushcclosure(L, f, 1);
  lua_setglobal(L, name);
}

static void remove_global(lua_State *L, const char *name) {
  lua_pushnil(L);
  lua_setglobal(L, name);
}

static void remove_library(lua_State *L, const char *name) {
  remove_global(L, name);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  remove_field(L, name);
  lua_pop(L, 1);
}

void cr_sandbox(lua_State *L, uint32_t rights) {
  make_environment(L, rights);
  if (!has(rights, PACKAGE)) {
    close_searchers(L);
    wrap_global(L, "require", require_public);
  }
  if (!has(rights, IO)) {
    remove_global(L, "dofile");
    remove_global(L, "loadfile");
  }
  wrap_global(L, "load", load_text);
  for (int i = BASE + 1; i < COUNT; i++)
    if (!has(rights, (enum library)i)) remove_library(L, names[i]);
  cr_lua->data_only = true;
}
