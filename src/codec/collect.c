/* SPDX-License-Identifier: MIT */
/*
** collect: the names of what belongs to the modules that a state has loaded.
**
** The names of a state are collected the first time one is wanted: breadth first from
** package.loaded, standard modules before others, so that the shortest and most common
** name wins.  Of the standard modules only C functions count: what a script has added
** to them is not in other states.  Of _G only standard globals count: the others
** are the script's.  A module that another state could not find (a script put it
** into package.loaded by hand) gives no names, and what is in it is copied.
**
** The table of names keeps every named value alive, so no address in the map can
** become another value's.
*/
#include <stdlib.h>

#include "codec/inside.h"

#define KEYS_MAX 3      /* how deep inside a module */
#define NAMES_MAX 20000 /* a module may lead to all the data of a program */
#define NAME_SIZE 512u  /* longer names are left out */

static const char *const standard_modules[] = {"string", "table", "math",      "utf8",   "os",
                                               "io",     "debug", "coroutine", "package"};
static const char *const standard_globals[] = {
    "_G",     "_VERSION",     "assert",   "collectgarbage", "coroutine", "debug",        "dofile",
    "error",  "getmetatable", "io",       "ipairs",         "load",      "loadfile",     "math",
    "next",   "os",           "package",  "pairs",          "pcall",     "print",        "rawequal",
    "rawget", "rawlen",       "rawset",   "require",        "select",    "setmetatable", "string",
    "table",  "tonumber",     "tostring", "type",           "utf8",      "warn",         "xpcall"};

static bool among(const char *name, const char *const *list, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(name, list[i]) == 0) return true;
  return false;
}
#define AMONG(name, list) among(name, list, sizeof(list) / sizeof *(list))

/* A standard name counts as untouched while its value is of the kind that only
** the host can have put there. */
bool names_standard(lua_State *L, const char *name, int value) {
  if (!AMONG(name, standard_globals)) return false;
  switch (lua_type(L, value)) {
  case LUA_TFUNCTION: return lua_iscfunction(L, value);
  case LUA_TSTRING: return strcmp(name, "_VERSION") == 0;
  case LUA_TTABLE: break;
  default: return false;
  }
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  bool same = lua_rawequal(L, -1, value < 0 ? value - 2 : value);
  lua_pop(L, 2);
  return same;
}

/* ------------------------------------------------------------- name on the wire */

static size_t write_part(unsigned char *out, const char *s, size_t n) {
  uint16_t length = (uint16_t)n;
  memcpy(out, &length, 2);
  memcpy(out + 2, s, n);
  return n + 2;
}

/* Pushes a name that is `name` (on the wire, may be NULL) with one more part.
** False if it would be too long; then nothing is pushed. */
static bool push_name(lua_State *L, const char *name, size_t length, const char *part, size_t n) {
  unsigned char out[NAME_SIZE + 2] = {WIRE_NAME, 0};
  if (n > NAME_SIZE || length + n + 4 > NAME_SIZE) return false;
  if (name) {
    memcpy(out, name, length);
    out[1]++;
  } else {
    length = 2;
  }
  length += write_part(out + length, part, n);
  lua_pushlstring(L, (const char *)out, length);
  return true;
}

/* ----------------------------------------------------------------- collecting */

typedef struct collector {
  lua_State *L;
  seen *map;
  int loaded, names, findable; /* stack indexes */
  int top;                     /* height at rest */
  lua_Integer count;
} collector;

static bool nameable(lua_State *L, int i) {
  int type = lua_type(L, i);
  return type == LUA_TFUNCTION || type == LUA_TTABLE || type == LUA_TLIGHTUSERDATA;
}

/* The value at `value` gets the name that is on the top of the stack, unless it
** has one.  [-1, +0, m] */
static void give_name(collector *c, int value) {
  lua_State *L = c->L;
  const void *address = lua_topointer(L, value);
  if (c->count < NAMES_MAX && !seen_find(c->map, address)) {
    if (!seen_add(c->map, address, (uint32_t)++c->count)) raise_memory(L);
    lua_pushvalue(L, value);
    lua_rawseti(L, c->names, -c->count);
    lua_rawseti(L, c->names, c->count);
  } else {
    lua_pop(L, 1);
  }
}

/* Calls package.searchpath(module, package[field]). */
static bool searchable(collector *c, const char *module, const char *field) {
  lua_State *L = c->L;
  bool found = false;
  if (lua_getfield(L, c->loaded, "package") == LUA_TTABLE) {
    lua_pushliteral(L, "searchpath");
    lua_rawget(L, -2);
    lua_pushstring(L, module);
    lua_pushstring(L, field);
    lua_rawget(L, -4);
    found = lua_pcall(L, 2, 1, 0) == LUA_OK && lua_isstring(L, -1);
  }
  lua_settop(L, c->top);
  return found;
}

static bool search_all(collector *c, const char *module) {
  if (strcmp(module, "conrun") == 0 || strncmp(module, "conrun.", 7) == 0) return true;
  if (searchable(c, module, "path") || searchable(c, module, "cpath")) return true;
  const char *dot = strchr(module, '.');
  if (!dot) return false;
  lua_pushlstring(c->L, module, (size_t)(dot - module)); /* a library with all its parts */
  c->top++;
  bool found = searchable(c, lua_tostring(c->L, c->top), "cpath");
  lua_settop(c->L, --c->top);
  return found;
}

/* Can another state require this module?  Asked of the file system once. */
static bool findable(collector *c, const char *module) {
  lua_State *L = c->L;
  lua_pushstring(L, module);
  bool known = lua_rawget(L, c->findable) != LUA_TNIL, answer = lua_toboolean(L, -1);
  lua_settop(L, c->top);
  if (known) return answer;
  answer = search_all(c, module);
  lua_pushstring(L, module);
  lua_pushboolean(L, answer);
  lua_rawset(L, c->findable);
  return answer;
}

/* The module on the top of the stack. [-1, +0, m] */
static void add_module(collector *c, const char *module) {
  if (nameable(c->L, -1) && push_name(c->L, NULL, 0, module, strlen(module)))
    give_name(c, c->top + 1);
  lua_settop(c->L, c->top);
}

static void add_standard(collector *c) {
  lua_State *L = c->L;
  lua_pushliteral(L, LUA_GNAME);
  lua_rawget(L, c->loaded);
  add_module(c, LUA_GNAME);
  for (size_t i = 0; i < sizeof standard_modules / sizeof *standard_modules; i++) {
    lua_pushstring(L, standard_modules[i]);
    lua_rawget(L, c->loaded);
    add_module(c, standard_modules[i]);
  }
}

/* The keys are copied first: asking the file system calls Lua functions, in which
** a searcher of the script's could load modules. */
static void add_loaded(collector *c) {
  lua_State *L = c->L;
  lua_Integer n = 0;
  lua_newtable(L);
  int keys = ++c->top;
  for (lua_pushnil(L); lua_next(L, c->loaded); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    lua_pushvalue(L, -2);
    lua_rawseti(L, keys, ++n);
  }
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, keys, i);
    c->top++;
    const char *module = lua_tostring(L, c->top);
    if (findable(c, module)) {
      lua_pushvalue(L, c->top);
      lua_rawget(L, c->loaded);
      add_module(c, module);
    }
    lua_settop(L, --c->top);
  }
  lua_settop(L, --c->top);
}

/* Which fields of a standard module, or of _G, have names. */
static bool counts(collector *c, const char *module, size_t n, const char *key, int value) {
  char text[16] = {0};
  if (n >= sizeof text) return true;
  memcpy(text, module, n);
  if (strcmp(text, LUA_GNAME) == 0) return names_standard(c->L, key, value);
  return !AMONG(text, standard_modules) || lua_iscfunction(c->L, value);
}

/* A field: [table] [name] [key] [value].  [-1, +0, m] */
static void add_field(collector *c) {
  lua_State *L = c->L;
  int key = c->top + 3, value = c->top + 4;
  size_t length, n;
  uint16_t module;
  if (lua_type(L, key) == LUA_TSTRING && nameable(L, value)) {
    const char *name = lua_tolstring(L, c->top + 2, &length);
    const char *text = lua_tolstring(L, key, &n);
    memcpy(&module, name + 2, 2);
    if (counts(c, name + 4, module, text, value) && push_name(L, name, length, text, n))
      give_name(c, value);
  }
  lua_settop(L, key);
}

/* The fields of the named value number i, if it is a table not too deep. */
static void add_fields(collector *c, lua_Integer i) {
  lua_State *L = c->L;
  if (lua_rawgeti(L, c->names, -i) == LUA_TTABLE) {
    lua_rawgeti(L, c->names, i);
    if (lua_tostring(L, -1)[1] < KEYS_MAX)
      for (lua_pushnil(L); lua_next(L, c->top + 1);) add_field(c);
  }
  lua_settop(L, c->top);
}

/* A sum over what package.loaded has, by identity. */
static uint64_t fingerprint(lua_State *L) {
  uint64_t sum = 1;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    uint64_t key = (uintptr_t)lua_topointer(L, -2), value = (uintptr_t)lua_topointer(L, -1);
    sum += (key ^ value << 1) * UINT64_C(0x9e3779b97f4a7c15) ^ value >> 7;
  }
  lua_pop(L, 1);
  return sum;
}

/* A name of the last collection stays good if the value does not depend on which
** copy of the module is loaded: C functions, and all that is in this program.
** Stack: [name] [value]. */
static bool lasts(lua_State *L) {
  const char *name = lua_tostring(L, -2);
  return lua_iscfunction(L, -1) || strncmp(name + 4, "conrun", 6) == 0;
}

/* A module may be taken out of package.loaded while what is in it is used. */
static void add_lasting(collector *c) {
  lua_State *L = c->L;
  if (cr_lua->names == LUA_NOREF) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->names);
  c->top++;
  for (lua_Integer i = 1; lua_rawgeti(L, c->top, i) == LUA_TSTRING; i++) {
    lua_rawgeti(L, c->top, -i);
    if (lasts(L)) {
      lua_pushvalue(L, -2);
      give_name(c, c->top + 2);
    }
    lua_settop(L, c->top);
  }
  lua_settop(L, --c->top);
}

/* Stack: [map].  Leaves the table of names. */
static int run_collect(lua_State *L) {
  seen *map = lua_touserdata(L, 1);
  luaL_checkstack(L, 20, NULL);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_newtable(L);
  state_table(L, &cr_lua->findable, NULL);
  collector c = {.L = L, .map = map, .loaded = 2, .names = 3, .findable = 4, .top = 4};
  add_standard(&c);
  add_loaded(&c);
  for (lua_Integer i = 1; i <= c.count; i++) add_fields(&c, i);
  add_lasting(&c);
  lua_settop(L, c.names);
  return 1;
}

/* A finalizer that runs meanwhile may collect names too, so nothing of the state
** changes before all is done. */
void names_collect(lua_State *L) {
  struct cr_codec *s = cr_lua->codec;
  seen map = {.round = 1};
  uint64_t loaded = fingerprint(L);
  lua_pushcfunction(L, run_collect);
  lua_pushlightuserdata(L, &map);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    seen_free(&map);
    lua_error(L);
  }
  seen_free(&s->names);
  s->names = map;
  s->loaded = loaded;
  s->named = true;
  if (cr_lua->names == LUA_NOREF)
    cr_lua->names = luaL_ref(L, LUA_REGISTRYINDEX);
  else
    lua_rawseti(L, LUA_REGISTRYINDEX, cr_lua->names);
}

bool names_fresh(lua_State *L) {
  const struct cr_codec *s = cr_lua->codec;
  return s->named && s->loaded == fingerprint(L);
}
