/* SPDX-License-Identifier: MIT */
/*
** valuelib: shared.value, one cell that strands share (sync/value.c).
**
** A numeric cell holds its number as it is, any other cell ("any", or checked to be a
** "boolean" or "string") an encoded value.  Whoever writes such a cell holds its lock, so
** that `cas` is atomic; reading needs no lock.
*/
#include <string.h>

#include "lib/lib.h"

/* ------------------------------------------------------------------ helpers */

static cr_cell *check(lua_State *L) { return cr_handle_check(L, 1, CR_VALUE); }
static bool is_number(const cr_cell *c) { return c->element != CR_ELEMENTS; }

static void check_wanted(lua_State *L, const cr_cell *c, int index) {
  luaL_checkany(L, index);
  if (c->wanted != LUA_TNONE) luaL_checktype(L, index, c->wanted);
}

static int set_locked(lua_State *L, cr_cell *c, const cr_value *v) {
  bool taken = cr_lock_enter(L, &c->lock, v, 1);
  int r = cr_cell_set(c, v);
  if (taken) cr_lock_release(&c->lock);
  return r;
}

static void write(lua_State *L, cr_cell *c, int index) {
  cr_value v;
  int r;
  check_wanted(L, c, index);
  cr_encode_kept(L, index, "value", &v);
  cr_try(L, r, set_locked(L, c, &v));
  if (r == 0) return;
  cr_value_free(&v);
  cr_fail(L, r);
}

static int read(lua_State *L, cr_cell *c) {
  cr_value v;
  int r;
  cr_try(L, r, cr_cell_get(c, &v));
  if (r) return cr_fail(L, r);
  if (v.kind != CR_V_NONE) return cr_decode(L, &v);
  lua_pushnil(L); /* not yet set: its maker ran out of memory half-way */
  return 1;
}

/* ------------------------------------------------------------- construction */

/* The type's element, or CR_ELEMENTS and the Lua type to demand. */
static cr_element check_type(lua_State *L, int *wanted) {
  const char *name = luaL_checkstring(L, 1);
  cr_element e = cr_element_named(name);
  *wanted = LUA_TNONE;
  if (e != CR_ELEMENTS || strcmp(name, "any") == 0) return e;
  if (strcmp(name, "boolean") == 0)
    *wanted = LUA_TBOOLEAN;
  else if (strcmp(name, "string") == 0)
    *wanted = LUA_TSTRING;
  else
    cr_answer_type(L, name, "i8 to i64, u8 to u64, f32, f64, any, boolean, string");
  return e;
}

/* A value starts as 0, nil, false or "" if the caller says nothing. */
static void default_initial(lua_State *L, const cr_cell *c) {
  if (!lua_isnone(L, 2)) return;
  if (is_number(c))
    lua_pushinteger(L, 0);
  else if (c->wanted == LUA_TBOOLEAN)
    lua_pushboolean(L, false);
  else if (c->wanted == LUA_TSTRING)
    lua_pushliteral(L, "");
  else
    lua_pushnil(L);
}

/* shared.value(type [, x]) */
static int value_new(lua_State *L) {
  int wanted;
  cr_element e = check_type(L, &wanted);
  cr_check_most(L, 2);
  lua_settop(L, lua_gettop(L) > 2 ? 2 : lua_gettop(L));
  cr_handle *h = cr_handle_new(L, CR_VALUE);
  cr_cell *c;
  cr_make(L, c, cr_cell_new(e, wanted));
  cr_handle_fill(L, h, c);
  lua_insert(L, 1);
  lua_remove(L, 2);
  default_initial(L, c);
  if (is_number(c))
    cr_element_store(L, e, c->data, 2);
  else
    write(L, c, 2);
  lua_settop(L, 1);
  return 1;
}

/* ------------------------------------------------------------------ methods */

static int m_get(lua_State *L) {
  cr_cell *c = check(L);
  if (!is_number(c)) return read(L, c);
  cr_element_push(L, c->element, c->data);
  return 1;
}

static int m_set(lua_State *L) {
  cr_cell *c = check(L);
  if (is_number(c))
    cr_element_store(L, c->element, c->data, 2);
  else
    write(L, c, 2);
  return 0;
}

/* v:add(n) -> the new value */
static int m_add(lua_State *L) {
  cr_cell *c = check(L);
  if (!is_number(c)) return cr_raise(L, "add needs a shared value of a numeric type");
  cr_element_add(L, c->element, c->data, 2);
  return 1;
}

/* Under the lock: compare, and write if equal.  Tables are never equal, since
** reading gives a copy. */
static int compare_and_set(lua_State *L) {
  cr_cell *c = check(L);
  read(L, c);
  bool same = lua_rawequal(L, 2, -1);
  if (same) write(L, c, 3);
  lua_pushboolean(L, same);
  return 1;
}

/* v:cas(old, new) -> whether it was old and is new now */
static int m_cas(lua_State *L) {
  cr_cell *c = check(L);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if (!is_number(c)) return cr_lock_around(L, &c->lock, 0, compare_and_set);
  lua_pushboolean(L, cr_element_cas(L, c->element, c->data, 2));
  return 1;
}

static int m_tostring(lua_State *L) {
  cr_cell *c = check(L);
  m_get(L);
  cr_handle_text(L, &c->object, luaL_tolstring(L, -1, NULL));
  return 1;
}

static const luaL_Reg methods[] = {
    {"get", m_get}, {"set", m_set}, {"add", m_add}, {"cas", m_cas}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", m_tostring}, {NULL, NULL}};

void cr_shared_value_open(lua_State *L) {
  lua_pushcfunction(L, value_new);
  lua_setfield(L, -2, "value");
  cr_lib_type(L, CR_VALUE, methods, meta);
}
