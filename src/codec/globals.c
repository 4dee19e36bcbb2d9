/* SPDX-License-Identifier: MIT */
/*
** globals: what a function finds by its name, and how that goes along.
**
** The globals that a function names (scan.c) are taken along and set in the receiver,
** each once in a message; their functions bring their own.  Standard globals stay at
** home: every state has them.  So do Lua's libraries, but functions that the program has
** added to them (string.trim, which is a method of strings then) go along like globals.
** The main strand keeps a global that it has already: the script's own variables are not
** undone by what comes back from a worker.
**
** An environment of the function's own (a template's, `local _ENV = {}`) is a table like
** any other and travels with all that is in it.  Globals that the function finds through
** its metatable are taken along as globals.  One kind of environment is no table of its
** own but a view of the globals: see `is_view`.
*/
#include "codec/inside.h"

/* ------------------------------------------------------------------- encoding */

static int run_gettable(lua_State *L) {
  lua_gettable(L, 1);
  return 1;
}

/* The global whose name is on the top of the stack, as the function would find
** it; nil if looking for it raises, as in a program that forbids undefined
** globals. [-0, +1, m] */
static void push_global(lua_State *L, int env) {
  lua_pushvalue(L, -1);
  lua_rawget(L, env);
  if (!lua_isnil(L, -1) || !lua_getmetatable(L, env)) return;
  lua_pop(L, 2);
  lua_pushcfunction(L, run_gettable);
  lua_pushvalue(L, env);
  lua_pushvalue(L, -3);
  if (lua_pcall(L, 2, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Is the value on top, which the environment `env` gave for the name below it, a global
** that travels as one?  What an environment has of its own travels with it. */
static bool is_global(lua_State *L, int env, enum environment how) {
  if (how == ENV_GLOBALS) return true;
  lua_pushvalue(L, -2);
  bool own = lua_rawget(L, env) != LUA_TNIL;
  lua_pushglobaltable(L);
  lua_pushvalue(L, -4);
  lua_rawget(L, -2);
  bool same = lua_rawequal(L, -1, -4);
  lua_pop(L, 3);
  return !own && same;
}

/* Enters the global on the top of the stack, its name below, unless this message
** has it already. */
static void enter_global(collection *c) {
  lua_State *L = c->e->L;
  int value = lua_gettop(L), name = value - 1;
  if (lua_isnil(L, c->e->taken)) {
    lua_newtable(L);
    lua_replace(L, c->e->taken);
  }
  lua_pushvalue(L, name);
  if (lua_rawget(L, c->e->taken) != LUA_TNIL) return;
  lua_pushvalue(L, name);
  lua_pushboolean(L, true);
  lua_rawset(L, c->e->taken);
  lua_pushvalue(L, name);
  lua_rawseti(L, c->list, 2 * (lua_Integer)c->count + 1);
  lua_pushvalue(L, value);
  lua_rawseti(L, c->list, 2 * (lua_Integer)c->count + 2);
  c->count++;
}

/* Has this state ever sent the global whose name is at `name`?  From now on it has, if
** `sends`.  A worker that has got it once keeps it; so when it is nil here, that is sent. */
static bool was_sent(lua_State *L, int name, bool sends) {
  state_table(L, &cr_lua->sent, NULL);
  lua_pushvalue(L, name);
  bool was = lua_rawget(L, -2) != LUA_TNIL;
  if (sends && !was) {
    lua_pushvalue(L, name);
    lua_pushboolean(L, true);
    lua_rawset(L, -4);
  }
  lua_pop(L, 2);
  return was;
}

/* Takes the global along unless it is a standard one, or nil and was nothing else in any
** message before. */
static void take_global(void *arg, unsigned env, const char *bytes, size_t length) {
  collection *c = arg;
  lua_State *L = c->e->L;
  if (length > 0 && bytes[0] == '\0') return; /* see take_field */
  luaL_checkstack(L, 12, NULL);
  lua_getupvalue(L, c->function, (int)env + 1);
  const char *name = lua_pushlstring(L, bytes, length); /* with a zero at its end */
  push_global(L, c->list + 1);
  if (!names_standard(L, name, lua_gettop(L)) && is_global(L, c->list + 1, c->how[env])) {
    c->e->took = true; /* also a nil: it may be something at the next call */
    bool is_nil = lua_isnil(L, -1);
    if (was_sent(L, lua_gettop(L) - 1, !is_nil) || !is_nil) enter_global(c);
  }
  lua_settop(L, c->list);
}

/* Pushes the standard library of that name, or nil. */
static void push_library(lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushstring(L, names_library(name) ? name : "");
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

/* The name of the library that a field is read of: `global`, or that which upvalue `of` - 1
** has and holds; without either a method is called, perhaps of a string.  NULL: of none. */
static const char *library_of(lua_State *L, int function, unsigned of, scan_text global) {
  if (global.at) return lua_pushlstring(L, global.at, global.length);
  if (of == 0) return "string";
  const char *name = lua_getupvalue(L, function, (int)of);
  if (!name || !names_library(name)) return NULL;
  push_library(L, name);
  return lua_rawequal(L, -1, -2) ? name : NULL;
}

/* A function that the program has added to a library of Lua's goes along as a global does,
** under a name that no global has: a zero byte, the library's, a zero byte, its own. */
static void take_field(void *arg, unsigned of, scan_text global, scan_text field) {
  collection *c = arg;
  lua_State *L = c->e->L;
  luaL_checkstack(L, 14, NULL);
  const char *library = library_of(L, c->function, of, global);
  push_library(L, library ? library : "");
  if (lua_istable(L, -1)) {
    lua_pushlstring(L, "", 1);
    lua_pushstring(L, library);
    lua_pushlstring(L, "", 1);
    lua_pushlstring(L, field.at, field.length);
    lua_pushvalue(L, -1);
    lua_rawget(L, -6);
    lua_insert(L, -5);
    lua_concat(L, 4);
    lua_insert(L, -2);
    if (lua_isfunction(L, -1) && !lua_iscfunction(L, -1)) {
      c->e->took = true;
      enter_global(c);
    }
  }
  lua_settop(L, c->list);
}

static bool is_globals(lua_State *L, int index) {
  lua_pushglobaltable(L);
  bool same = lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

/* The environment that conrun's own Lua parts have in a sandbox. */
static bool is_conruns(lua_State *L, int index) {
  bool same =
      lua_getfield(L, LUA_REGISTRYINDEX, CR_ENVIRONMENT) != LUA_TNIL && lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

/* A table that has nothing, hands on all that is read and written, and answers with
** the standard globals is no environment of its own: test runners put such a one around
** the functions that they run.  It stays at home, since what it is a view of does. */
static bool is_view(lua_State *L, int index) {
  int top = lua_gettop(L);
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  bool view = luaL_getmetafield(L, index, "__index") == LUA_TFUNCTION &&
              luaL_getmetafield(L, index, "__newindex") == LUA_TFUNCTION;
  lua_pushnil(L);
  if (view && !lua_next(L, index)) {
    lua_pushliteral(L, LUA_GNAME);
    push_global(L, index);
    lua_pushglobaltable(L);
    view = lua_rawequal(L, -1, -2);
  } else {
    view = false;
  }
  lua_settop(L, top);
  return view;
}

enum environment globals_seen(lua_State *L, int function, int upvalue) {
  const char *name = lua_getupvalue(L, function, upvalue);
  enum environment how = ENV_NONE;
  if (!name) return how;
  int index = lua_gettop(L);
  if (is_globals(L, index))
    how = ENV_GLOBALS;
  else if (strcmp(name, "_ENV") == 0)
    how = is_conruns(L, index) || is_view(L, index) ? ENV_GLOBALS
          : lua_istable(L, index)                   ? ENV_TABLE
                                                    : ENV_NONE;
  lua_pop(L, 1);
  return how;
}

bool globals_collect(collection *c, const unsigned char *dump, size_t length, unsigned n) {
  lua_State *L = c->e->L;
  scan s = {.global = take_global, .field = take_field, .arg = c};
  for (unsigned i = 0; i < n; i++) s.env[i] = c->how[i] != ENV_NONE;
  lua_newtable(L);
  c->list = lua_gettop(L);
  scan_dump(&s, dump, length);
  return s.assigns;
}

/* ------------------------------------------------------------------- decoding */

/* Main keeps what it has under that key in the table on top. */
static bool keeps(lua_State *L, int key) {
  if (cr_me == NULL || cr_me->kind != CR_MAIN) return false;
  lua_pushvalue(L, key);
  bool has = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 1);
  return has;
}

/* In the table on top, the value above the key becomes the key's. */
static bool set(lua_State *L, int key) {
  if (keeps(L, key)) return false;
  lua_pushvalue(L, key);
  lua_pushvalue(L, key + 1);
  lua_rawset(L, -3);
  return true;
}

/* A function that the sender has added to a library, see take_field. */
static void set_field(lua_State *L, int name, const char *text, size_t n) {
  size_t prefix = strlen(text + 1) + 2;
  push_library(L, text + 1);
  if (prefix > n || !lua_istable(L, -1)) return;
  lua_pushlstring(L, text + prefix, n - prefix);
  lua_replace(L, name);
  set(L, name);
}

void globals_set(lua_State *L, int name) {
  size_t n;
  const char *text = lua_tolstring(L, name, &n);
  if (n > 0 && text[0] == '\0') {
    set_field(L, name, text, n);
  } else {
    lua_pushglobaltable(L);
    if (set(L, name)) {
      lua_settop(L, name + 1);
      carried_global(L, name);
    }
  }
  lua_settop(L, name - 1);
}
