/* SPDX-License-Identifier: MIT */
/*
** origin: what is copied remembers where it comes from.
**
** An object of a class goes to a worker and comes back: it must be of the same class
** again.  So functions, and tables that are classes, have an origin, a number that no
** other function or class of the program has.  It is given where they are sent first,
** travels with each copy, and each state keeps two tables of it:
**
**   origins   value -> origin, doubled, + 1 if the value is this state's own (weak keys)
**   known     origin -> value, the own one or the newest copy (weak values)
**
** A state that decodes what is its own uses its own; what the message says about it is
** read and dropped.  For a copy there are two rules, since a class is a thing that
** changes, while a function only refers to some:
**
**   class     A state has one copy.  A message that was encoded later than all that
**             came before makes the copy as the class was then (so a redefined method
**             reaches the workers); what was encoded earlier changes nothing.
**   function  The copy is used again if it still is what the message says: the upvalues
**             are the same values.  Otherwise the message brings another function, with
**             the values of its moment, and the older one stays with whoever has it.
**             A function that assigns to its upvalues is always another one, for its
**             variables must not be those of an earlier message.  See function.c.
**
** What is a class?  A table that is another's metatable, or has a field `__index`, or has
** no metatable and among its keys the name of another metamethod, or can be called and has
** a key that begins with two underscores (the classes of middleclass).  Once it is one, it
** stays one.  Modules are none, they travel by their names.
*/
#include "codec/inside.h"

#define KEYS_LOOKED_AT 8 /* of a table that may be a class */

/* The last number that was given, in the program. */
static _Atomic uint64_t *last_origin(void) {
  return &CR_PART(codec_part, cr_arena_root()->codec)->origin;
}

/* Above all that a program counts to, and below what a Lua integer holds when doubled. */
void cr_origin_begin(uint64_t random) {
  atomic_store(last_origin(), UINT64_C(1) << 61 | (random >> 3 & ~UINT64_C(0xffffffff)));
}

static bool has(int ref) { return ref != LUA_NOREF; }

/* The entry of the value at the top of the stack in a table of the registry, or 0. */
static lua_Integer entry(lua_State *L, int ref) {
  if (!has(ref)) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 2);
  return n;
}

/* Sets it.  [-0, +0, m] */
static void set_entry(lua_State *L, int *ref, lua_Integer n) {
  state_table(L, ref, "k");
  lua_pushvalue(L, -2);
  lua_pushinteger(L, n);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

static void enter(lua_State *L, uint64_t origin, bool own) {
  set_entry(L, &cr_lua->origins, (lua_Integer)(origin << 1 | own));
  state_table(L, &cr_lua->known, "v");
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)origin);
  lua_pop(L, 1);
}

bool origin_has(lua_State *L) { return entry(L, cr_lua->origins) != 0; }

uint64_t origin_of(lua_State *L) {
  uint64_t origin = (uint64_t)entry(L, cr_lua->origins) >> 1;
  if (origin) return origin;
  origin = atomic_fetch_add_explicit(last_origin(), 1, memory_order_relaxed) + 1;
  enter(L, origin, true);
  return origin;
}

uint64_t origin_moment(void) {
  return atomic_fetch_add_explicit(last_origin(), 1, memory_order_relaxed) + 1;
}

bool origin_push(lua_State *L, uint64_t origin, int type) {
  if (has(cr_lua->known)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->known);
    int found = lua_rawgeti(L, -1, (lua_Integer)origin);
    lua_remove(L, -2);
    if (found == type) return true;
    lua_pop(L, 1);
  }
  return false;
}

bool origin_is_own(lua_State *L) { return entry(L, cr_lua->origins) & 1; }

void origin_keep(lua_State *L, uint64_t origin) { enter(L, origin, false); }

bool origin_is_newer(lua_State *L, uint64_t moment) {
  return (lua_Integer)moment > entry(L, cr_lua->moments);
}

void origin_note(lua_State *L, uint64_t moment) {
  set_entry(L, &cr_lua->moments, (lua_Integer)moment);
}

/* -------------------------------------------------------------------- classes */

static bool is_metamethod(const char *key) {
  static const char *const names[] = {
      "add",      "band",  "bnot", "bor", "bxor", "call", "close",     "concat",   "div",
      "eq",       "gc",    "idiv", "le",  "len",  "lt",   "metatable", "mod",      "mul",
      "newindex", "pairs", "pow",  "shl", "shr",  "sub",  "tostring",  "transfer", "unm"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(key + 2, names[i]) == 0) return true;
  return false;
}

/* Looks at a few keys: a table of metamethods has few others. */
static bool has_class_key(lua_State *L, bool any) {
  int top = lua_gettop(L);
  bool found = false;
  lua_pushnil(L);
  for (int i = 0; !found && i < KEYS_LOOKED_AT && lua_next(L, top); i++) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    found = key[0] == '_' && key[1] == '_' && (any || is_metamethod(key));
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return found;
}

bool origin_is_class(lua_State *L) {
  int top = lua_gettop(L);
  if (origin_has(L)) return true;
  lua_pushliteral(L, "__index");
  bool class = lua_rawget(L, top) != LUA_TNIL, callable = false, plain = true;
  if (!class && lua_getmetatable(L, top)) {
    plain = false;
    lua_pushliteral(L, "__call");
    callable = lua_rawget(L, -2) != LUA_TNIL;
  }
  lua_settop(L, top);
  if (class || !(plain || callable) || lua_rawlen(L, top) > 0) return class;
  return has_class_key(L, callable);
}
