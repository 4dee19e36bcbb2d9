/* SPDX-License-Identifier: MIT */
/*
** arraylib: shared.array, a fixed row of typed numbers.
**
** Reading and writing an element is one table-free metamethod call and one
** atomic access.  There is no lock in here: who needs several elements at once
** to be consistent uses a conrun.lock, and `add` and `cas` change one element
** at once.  Views (`slice`) are made by lua/conrun/shared.lua.
*/
#include "lib/lib.h"

static cr_array *check(lua_State *L) { return cr_handle_check(L, 1, CR_ARRAY); }

static void *at(const cr_array *a, uint64_t i) {
  return (char *)a->data + i * cr_element_size(a->element);
}

static void refuse_index(lua_State *L, const cr_array *a, int index) {
  lua_Integer i = luaL_checkinteger(L, index);
  cr_refuse(L, index,
            lua_pushfstring(L, "index %I is out of range (1 to %I)", i, (lua_Integer)a->length));
}

/* The element that the integer at `index` names, 1-based, or raises. */
static void *check_element(lua_State *L, const cr_array *a, int index) {
  lua_Unsigned i = (lua_Unsigned)lua_tointeger(L, index) - 1; /* not an integer: out of range */
  if (i >= a->length) refuse_index(L, a, index);
  return at(a, i);
}

/* ------------------------------------------------------------- construction */

static cr_element check_type(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  cr_element e = cr_element_named(name);
  if (e == CR_ELEMENTS) cr_answer_type(L, name, "i8 to i64, u8 to u64, f32, f64");
  return e;
}

static lua_Integer check_length(lua_State *L) {
  lua_Integer n = lua_istable(L, 2) ? cr_list_length(L, 2) : luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 0, 2, "a length must not be negative");
  luaL_argcheck(L, (uint64_t)n <= cr_arena_size() / 8, 2, "longer than the arena");
  return n;
}

/* The number to store is put at index 2, so that an error names that argument. */
static void fill_from(lua_State *L, cr_array *a, int list, lua_Integer n) {
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, list, i);
    if (!lua_isnumber(L, -1))
      cr_raise(L, "bad argument #2 to 'array' (item %I: number expected, got %s)", i,
               luaL_typename(L, -1));
    lua_replace(L, 2);
    cr_element_store(L, a->element, at(a, (uint64_t)i - 1), 2);
  }
}

/* shared.array(type, n | table) */
static int array_new(lua_State *L) {
  cr_check_most(L, 2);
  cr_element e = check_type(L);
  lua_Integer n = check_length(L);
  lua_settop(L, 2);
  cr_handle *h = cr_handle_new(L, CR_ARRAY);
  cr_array *a;
  cr_make(L, a, cr_array_new(e, (uint64_t)n));
  cr_handle_fill(L, h, a);
  cr_weigh(L, cr_block_size(a));
  if (lua_istable(L, 2)) {
    lua_pushvalue(L, 2);
    fill_from(L, a, 4, n);
  }
  lua_settop(L, 3);
  return 1;
}

/* ------------------------------------------------------------------ methods */

/* a[i], or a method by its name; upvalue 1 is the method table. */
static int m_index(lua_State *L) {
  cr_array *a = check(L);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    cr_element_push(L, a->element, check_element(L, a, 2));
    return 1;
  }
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL) cr_answer(L, "array");
  return 1;
}

static int m_newindex(lua_State *L) {
  cr_array *a = check(L);
  void *element = check_element(L, a, 2);
  cr_element_store(L, a->element, element, 3);
  return 0;
}

static int m_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->length);
  return 1;
}

/* a:fill(x [, i [, j]]) */
static int m_fill(lua_State *L) {
  cr_array *a = check(L);
  lua_Integer i = luaL_optinteger(L, 3, 1), j = luaL_optinteger(L, 4, (lua_Integer)a->length);
  luaL_argcheck(L, i >= 1, 3, "index out of range");
  luaL_argcheck(L, j <= (lua_Integer)a->length, 4, "index out of range");
  luaL_checknumber(L, 2);
  for (; i <= j; i++) cr_element_store(L, a->element, at(a, (uint64_t)i - 1), 2);
  return 0;
}

/* a:totable([i [, j]]) */
static int m_totable(lua_State *L) {
  cr_array *a = check(L);
  lua_Integer i = luaL_optinteger(L, 2, 1), j = luaL_optinteger(L, 3, (lua_Integer)a->length);
  luaL_argcheck(L, i >= 1, 2, "index out of range");
  luaL_argcheck(L, j <= (lua_Integer)a->length, 3, "index out of range");
  lua_Integer n = j >= i ? j - i + 1 : 0;
  lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (lua_Integer k = 1; k <= n; k++) {
    cr_element_push(L, a->element, at(a, (uint64_t)(i + k) - 2));
    lua_rawseti(L, -2, k);
  }
  return 1;
}

/* a:add(i, x) -> the new value */
static int m_add(lua_State *L) {
  cr_array *a = check(L);
  void *element = check_element(L, a, 2);
  cr_element_add(L, a->element, element, 3);
  return 1;
}

/* a:cas(i, old, new) -> whether it was old and is new now */
static int m_cas(lua_State *L) {
  cr_array *a = check(L);
  void *element = check_element(L, a, 2);
  lua_pushboolean(L, cr_element_cas(L, a->element, element, 3));
  return 1;
}

static int m_type(lua_State *L) {
  lua_pushstring(L, cr_element_name(check(L)->element));
  return 1;
}

static int m_tostring(lua_State *L) {
  cr_array *a = check(L);
  lua_pushfstring(L, "%I %s", (lua_Integer)a->length, cr_element_name(a->element));
  for (int i = 1; i <= CR_BRIEF && (uint64_t)i <= a->length; i++) {
    cr_element_push(L, a->element, at(a, (uint64_t)i - 1));
    cr_brief_item(L, i);
  }
  return cr_brief_end(L, &a->object, a->length > CR_BRIEF);
}

static const luaL_Reg methods[] = {{"fill", m_fill}, {"totable", m_totable}, {"add", m_add},
                                   {"cas", m_cas},   {"type", m_type},       {NULL, NULL}};

static const luaL_Reg meta[] = {{"__index", m_index},
                                {"__newindex", m_newindex},
                                {"__len", m_len},
                                {"__tostring", m_tostring},
                                {NULL, NULL}};

void cr_shared_array_open(lua_State *L) {
  lua_pushcfunction(L, array_new);
  lua_setfield(L, -2, "array");
  cr_lib_type(L, CR_ARRAY, methods, meta);
}
