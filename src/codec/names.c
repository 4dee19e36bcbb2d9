/* SPDX-License-Identifier: MIT */
/*
** names: what belongs to a loaded module travels as the module's name and path.
**
** Every state can require the module for itself, so its functions, tables and
** metatables need not (and C functions cannot) be copied.  Which values have names is
** found by collect.c.
**
** The names are collected again when a protected encode misses one and
** package.loaded has changed since.  A table of mere data that a module brought
** later may therefore travel as a copy until then.
**
** A worker that gives one table as its result would collect the names of all modules to
** learn that this table has none, which costs more than the worker.  So the first values of
** a state are looked for where names come from instead: in package.loaded, and in the
** tables that a name can lead to.  A table or Lua function that is not found there has no
** name, whatever the collection would say of the rest: it only leaves out some of what
** is there.  A state that goes on sending collects.
*/
#include "codec/inside.h"

#define FIRST_VALUES 16      /* of a state: looked for */
#define FIELDS_LOOKED_AT 512 /* for one of them; a state with more in its modules collects */

/* --------------------------------------------------------------- the first values */

typedef struct search {
  lua_State *L;
  const void *address; /* of the value that is looked for */
  int left;            /* fields that may still be looked at */
} search;

/* Is the value in the table on the top of the stack, or in one in there, `deeper` keys below
** at most?  Yes when in doubt. */
static bool leads_to(search *s, int deeper) {
  lua_State *L = s->L;
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 1)) {
    bool found = lua_topointer(L, -1) == s->address || --s->left < 0;
    if (found || (deeper > 0 && lua_istable(L, -1) && leads_to(s, deeper - 1))) {
      lua_settop(L, table);
      return true;
    }
  }
  return false;
}

/* The same for package.loaded, on the top.  In a standard module only C functions have
** names, and in _G what is a standard module itself. */
static bool modules_lead_to(search *s) {
  lua_State *L = s->L;
  int table = lua_gettop(L);
  bool found = false;
  for (lua_pushnil(L); !found && lua_next(L, table); lua_settop(L, table + 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    found = lua_topointer(L, -1) == s->address;
    if (found || !lua_istable(L, -1) || names_library(name) || strcmp(name, LUA_GNAME) == 0)
      continue;
    found = leads_to(s, NAME_KEYS_MAX - 1);
  }
  return found;
}

/* May the value on the top of the stack have a name?  A C function mostly has one. */
static bool may_have_name(encoder *e) {
  lua_State *L = e->L;
  int top = lua_gettop(L);
  if (!(lua_istable(L, top) || lua_isfunction(L, top)) || lua_iscfunction(L, top)) return true;
  search s = {.L = L, .address = lua_topointer(L, top), .left = FIELDS_LOOKED_AT};
  luaL_checkstack(L, 2 * NAME_KEYS_MAX + 6, NULL);
  luaL_getmetatable(L, CR_ERROR);
  bool found = lua_topointer(L, -1) == s.address;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  found = found || modules_lead_to(&s);
  lua_settop(L, top);
  return found;
}

/* ------------------------------------------------------------------- encoding */

bool names_ready(void) { return cr_lua->codec->named; }

bool names_has(const void *address) { return seen_find(&cr_lua->codec->names, address) != NULL; }

/* The slot of the value at the top of the stack, or NULL; compares package.loaded with what
** it was at most once in an encode. */
static const seen_slot *find(encoder *e) {
  struct cr_codec *s = cr_lua->codec;
  const void *address = lua_topointer(e->L, -1);
  const seen_slot *slot = s->named ? seen_find(&s->names, address) : NULL;
  if (slot || e->names_checked) return slot;
  if (!s->named && s->unnamed < FIRST_VALUES && cr_has(CR_FIRST) && !may_have_name(e)) {
    s->unnamed++;
    return NULL;
  }
  e->names_checked = true;
  if (!names_fresh(e->L)) names_collect(e->L);
  return seen_find(&s->names, address);
}

bool names_emit(encoder *e) {
  lua_State *L = e->L;
  const seen_slot *slot = find(e);
  size_t n;
  if (!slot) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->names);
  lua_rawgeti(L, -1, -(lua_Integer)slot->number);
  bool same = lua_rawequal(L, -1, -3); /* a light userdata can have any address */
  lua_rawgeti(L, -2, slot->number);
  const char *name = lua_tolstring(L, -1, &n);
  if (same && encoder_room(e, n)) put_bytes(e, name, n);
  lua_pop(L, 3);
  return same;
}

/* For a C function that has no name, before it is refused: a module may have got
** it after the names were collected. */
bool names_emit_late(encoder *e) {
  if (e->names_late) return false;
  e->names_late = e->names_checked = true;
  names_collect(e->L);
  return names_emit(e);
}

/* ------------------------------------------------------------------- decoding */

/* [-0, +1, m] */
static void push_part(decoder *d) {
  uint16_t n = take_u16(d);
  const unsigned char *s = take(d, n);
  lua_pushlstring(d->L, (const char *)s, n);
}

/* The module whose name is on the top of the stack. [-1, +1, e] */
static void push_module(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 2);
    state_require(L);
    return;
  }
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static int run_module(lua_State *L) {
  push_module(L);
  return 0;
}

/* Another module that is the same table, and may add to it, is loaded by its name, which
** is on the top of the stack.  The sender may have it from somewhere that no other state
** can look: then what it adds, if anything, is missed when it is asked for. */
static void load_other(lua_State *L) {
  lua_pushcfunction(L, run_module);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  const char *message = lua_tostring(L, -1);
  if (!message || !strstr(message, "not found:")) lua_error(L);
  lua_pop(L, 1);
}

void names_push(decoder *d) {
  lua_State *L = d->L;
  unsigned keys = take_u8(d), others = take_u8(d);
  luaL_checkstack(L, 8, NULL);
  push_part(d); /* stays below, for the error */
  lua_pushvalue(L, -1);
  push_module(L);
  for (; others > 0; others--) {
    push_part(d);
    load_other(L);
  }
  for (; keys > 0; keys--) {
    push_part(d);
    lua_gettable(L, -2);
    lua_remove(L, -2);
  }
  if (lua_isnil(L, -1))
    cr_raise(L, "module '%s' of the receiver lacks what was sent by its name", lua_tostring(L, -2));
  lua_remove(L, -2);
}
