/* SPDX-License-Identifier: MIT */
/*
** collect: the names of what belongs to the modules that a state has loaded.
**
** The names of a state are collected the first time one is wanted: breadth first from
** package.loaded, standard modules before others, so that the shortest and most common
** name wins.  All is looked at in the order of its names: that of `pairs` differs from
** run to run.  Of the standard modules only C functions count: what a script has added
** to them is not in other states.  Of _G only standard globals count: the others
** are the script's.  A module that another state could not find (a script put it
** into package.loaded by hand) gives no names, and what is in it is copied.
**
** One table may be several modules: socket.lua adds its functions to the table of the
** C module socket.core and returns it.  Only who requires both has all that is in it, in
** whatever order.  So its name lists them all, and the receiver requires each.
**
** The table of names keeps every named value alive, so no address in the map can
** become another value's.
*/
#include <stdlib.h>

#include "codec/inside.h"

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

bool names_library(const char *name) { return AMONG(name, standard_modules); }

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

#define COUNT_KEYS 1u /* where a name has its numbers, and behind them its module */
#define COUNT_OTHERS 2u
#define NAME_HEAD 3u
#define MODULE_OF(name) ((name) + NAME_HEAD + 2)

/* Pushes a name that is `name` (on the wire) with one more part, which `count` counts.
** False if it would be too long; then nothing is pushed. */
static bool push_name(lua_State *L, const char *name, size_t length, const char *part, size_t n,
                      size_t count) {
  unsigned char out[NAME_SIZE + 2];
  if (n > NAME_SIZE || length + n + 4 > NAME_SIZE) return false;
  memcpy(out, name, length);
  length += write_part(out + length, part, n);
  if (count) out[count]++;
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
  lua_Integer standard; /* the first names are those of standard modules */
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
  static const char head[NAME_HEAD] = {WIRE_NAME, 0, 0};
  if (nameable(c->L, -1) && push_name(c->L, head, sizeof head, module, strlen(module), 0))
    give_name(c, c->top + 1);
  lua_settop(c->L, c->top);
}

/* The same for a table that is a module by another name already.  Standard modules need
** no other name. */
static void add_other(collector *c, const char *module, lua_Integer slot) {
  lua_State *L = c->L;
  size_t n;
  lua_rawgeti(L, c->names, slot);
  const char *name = lua_tolstring(L, -1, &n);
  if (slot > c->standard && (unsigned char)name[COUNT_OTHERS] < UINT8_MAX &&
      push_name(L, name, n, module, strlen(module), COUNT_OTHERS))
    lua_rawseti(L, c->names, slot);
  lua_settop(L, c->top);
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

/* The metatable of error objects has its name whatever a script has made of its module:
** the news of an error must arrive. */
static void add_errors(collector *c) {
  static const char head[NAME_HEAD] = {WIRE_NAME, 0, 0}, module[] = "conrun.errors";
  lua_State *L = c->L;
  size_t n;
  if (luaL_getmetatable(L, CR_ERROR) == LUA_TTABLE &&
      push_name(L, head, sizeof head, module, sizeof module - 1, 0)) {
    const char *name = lua_tolstring(L, -1, &n);
    if (push_name(L, name, n, "metatable", strlen("metatable"), COUNT_KEYS))
      give_name(c, c->top + 1);
  }
  lua_settop(L, c->top);
}

/* ----------------------------------------------------------------------- order */

typedef struct key {
  const char *text;
  size_t length, dots;
  lua_Integer index; /* in the list that keeps the text */
} key;

static int compare_texts(const key *a, const key *b) {
  int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
  return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_keys(const void *a, const void *b) { return compare_texts(a, b); }

/* A library comes before its parts. */
static int compare_modules(const void *a, const void *b) {
  const key *x = a, *y = b;
  if (x->dots != y->dots) return x->dots < y->dots ? -1 : 1;
  if (x->length != y->length) return x->length < y->length ? -1 : 1;
  return compare_texts(x, y);
}

/* Pushes a list of the table's keys that are strings and have a value that can have a
** name; their number. */
static lua_Integer list_keys(collector *c, int table) {
  lua_State *L = c->L;
  lua_Integer n = 0;
  lua_newtable(L);
  int list = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_settop(L, list + 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !nameable(L, -1)) continue;
    lua_pushvalue(L, -2);
    lua_rawseti(L, list, ++n);
  }
  return n;
}

static key key_at(lua_State *L, int list, lua_Integer i) {
  key k = {.index = i};
  lua_rawgeti(L, list, i);
  k.text = lua_tolstring(L, -1, &k.length);
  for (size_t at = 0; at < k.length; at++) k.dots += k.text[at] == '.';
  lua_pop(L, 1);
  return k;
}

/* Pushes the list of the keys above, and their order.  [-0, +2, m] */
static const key *sort_keys(collector *c, int table, lua_Integer *n,
                            int (*compare)(const void *, const void *)) {
  lua_State *L = c->L;
  *n = list_keys(c, table);
  int list = lua_gettop(L);
  key *keys = lua_newuserdatauv(L, (size_t)*n * sizeof *keys, 0);
  for (lua_Integer i = 0; i < *n; i++) keys[i] = key_at(L, list, i + 1);
  if (*n > 1) qsort(keys, (size_t)*n, sizeof *keys, compare);
  return keys;
}

/* ------------------------------------------------------------------------ fields */

/* The module whose name is at the top of the stack.  One that is a standard module has its
** name, and the file system is not asked for it: every state has those. */
static void add_by_name(collector *c) {
  lua_State *L = c->L;
  const char *module = lua_tostring(L, c->top);
  lua_pushvalue(L, c->top);
  lua_rawget(L, c->loaded);
  const seen_slot *slot = seen_find(c->map, lua_topointer(L, -1));
  if (slot && slot->number <= c->standard) return;
  lua_settop(L, c->top);
  if (!findable(c, module)) return;
  lua_pushvalue(L, c->top);
  lua_rawget(L, c->loaded);
  slot = seen_find(c->map, lua_topointer(L, -1));
  if (slot)
    add_other(c, module, slot->number);
  else
    add_module(c, module);
}

/* The list of names keeps them while the file system is asked: that calls Lua functions,
** in which a searcher of the script's could change package.loaded. */
static void add_loaded(collector *c) {
  lua_State *L = c->L;
  lua_Integer n;
  const key *keys = sort_keys(c, c->loaded, &n, compare_modules);
  int list = c->top + 1;
  c->top += 3; /* list, order, name */
  lua_pushnil(L);
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, list, keys[i].index);
    lua_replace(L, c->top);
    add_by_name(c);
  }
  c->top -= 3;
  lua_settop(L, c->top);
}

/* Which fields of a standard module, or of _G, have names. */
static bool counts(collector *c, const char *module, size_t n, const char *key, int value) {
  char text[16] = {0};
  if (n >= sizeof text) return true;
  memcpy(text, module, n);
  if (strcmp(text, LUA_GNAME) == 0) return names_standard(c->L, key, value);
  return !AMONG(text, standard_modules) || lua_iscfunction(c->L, value);
}

/* A field of the table at `table`, whose name on the wire is above it; the key and the
** value are on the top of the stack.  [-2, +0, m] */
static void add_field(collector *c, int table) {
  lua_State *L = c->L;
  int value = lua_gettop(L);
  size_t length, n;
  uint16_t module;
  const char *name = lua_tolstring(L, table + 1, &length);
  const char *text = lua_tolstring(L, value - 1, &n);
  memcpy(&module, name + NAME_HEAD, 2);
  if (nameable(L, value) && counts(c, MODULE_OF(name), module, text, value) &&
      push_name(L, name, length, text, n, COUNT_KEYS))
    give_name(c, value);
  lua_settop(L, value - 2);
}

/* The fields of the named value number i, if it is a table not too deep. */
static void add_fields(collector *c, lua_Integer i) {
  lua_State *L = c->L;
  int table = c->top + 1;
  lua_Integer n = 0;
  if (lua_rawgeti(L, c->names, -i) != LUA_TTABLE ||
      (lua_rawgeti(L, c->names, i), lua_tostring(L, -1)[COUNT_KEYS]) >= NAME_KEYS_MAX) {
    lua_settop(L, c->top);
    return;
  }
  const key *keys = sort_keys(c, table, &n, compare_keys);
  int list = table + 2;
  for (lua_Integer k = 0; k < n && c->count < NAMES_MAX; k++) {
    lua_rawgeti(L, list, keys[k].index);
    lua_pushvalue(L, -1);
    lua_rawget(L, table);
    add_field(c, table);
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
  return lua_iscfunction(L, -1) || strncmp(MODULE_OF(name), "conrun", 6) == 0;
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
  c.standard = c.count;
  add_errors(&c);
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
  state_table(L, &cr_lua->names, NULL); /* its place: nothing raises once the map is the state's */
  lua_pop(L, 1);
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
  lua_rawseti(L, LUA_REGISTRYINDEX, cr_lua->names);
}

bool names_fresh(lua_State *L) {
  const struct cr_codec *s = cr_lua->codec;
  return s->named && s->loaded == fingerprint(L);
}
