/* SPDX-License-Identifier: MIT */
/*
** listlib: shared.list, a list whose items are copied in and out.
**
** Reading an item takes no lock.  Everything that changes the list holds the
** list's own lock, so that what needs several steps (`remove`: find, then take
** out) is one step for the others.  Values are encoded before the lock is
** taken.  An item is never nil: a list has no holes.
*/
#include "lib/lib.h"

static cr_list *check(lua_State *L) { return cr_handle_check(L, 1, CR_LIST); }

/* Pushes item `i` (from 0); false: there is none, and nothing is pushed. */
static bool push_item(lua_State *L, cr_list *l, uint64_t i) {
  cr_value v;
  int r;
  cr_try(L, r, cr_list_get(l, i, &v));
  if (r == ERANGE) return false;
  if (r) cr_fail(L, r);
  cr_decode(L, &v);
  return true;
}

/* The item at `index`, encoded, in hand. */
static void encode(lua_State *L, int index, cr_value *v) {
  luaL_checkany(L, index);
  if (lua_isnil(L, index)) cr_refuse(L, index, "a list cannot have nil items (pop takes out)");
  cr_encode_kept(L, index, "item", v);
}

typedef int (*change)(cr_list *l, uint64_t i, const cr_value *v);

static int change_locked(lua_State *L, cr_list *l, change f, uint64_t i, const cr_value *v) {
  cr_lock *lock = cr_list_lock(l);
  bool taken = cr_lock_enter(L, lock, v, 1);
  int r = f(l, i == UINT64_MAX ? cr_list_size(l) : i, v);
  if (taken) cr_lock_release(lock);
  return r;
}

/* Changes the list with the item at `index`; 0 or ERANGE. Position UINT64_MAX
** means behind the last. */
static int change_with(lua_State *L, cr_list *l, change f, uint64_t i, int index) {
  cr_value v;
  int r;
  encode(L, index, &v);
  cr_try(L, r, change_locked(L, l, f, i, &v));
  if (r == 0) return 0;
  cr_value_free(&v);
  return r == ERANGE ? r : cr_fail(L, r);
}

/* ------------------------------------------------------------- construction */

/* shared.list([t]) */
static int list_new(lua_State *L) {
  cr_check_most(L, 1);
  if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  cr_handle *h = cr_handle_new(L, CR_LIST);
  cr_list *l;
  cr_make(L, l, cr_list_new());
  cr_handle_fill(L, h, l);
  lua_Integer n = lua_isnil(L, 1) ? 0 : cr_list_length(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_geti(L, 1, i) == LUA_TNIL) cr_refuse(L, 1, lua_pushfstring(L, "item %I is nil", i));
    change_with(L, l, cr_list_set, UINT64_MAX, 3);
    lua_settop(L, 2);
  }
  return 1;
}

/* --------------------------------------------------------- items by position */

static int m_index(lua_State *L) {
  cr_list *l = check(L);
  if (lua_type(L, 2) != LUA_TNUMBER) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL) cr_answer(L, "list");
    return 1;
  }
  lua_Integer i = luaL_checkinteger(L, 2);
  if (i < 1 || !push_item(L, l, (uint64_t)i - 1)) lua_pushnil(L);
  return 1;
}

static int bad_position(lua_State *L, cr_list *l, int index, lua_Integer i) {
  return cr_refuse(L, index,
                   lua_pushfstring(L, "position %I is out of range (the list has %I)", i,
                                   (lua_Integer)cr_list_size(l)));
}

static int put(lua_State *L, change f) {
  cr_list *l = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  if (i < 1 || change_with(L, l, f, (uint64_t)i - 1, 3) == ERANGE) bad_position(L, l, 2, i);
  return 0;
}

static int m_newindex(lua_State *L) { return put(L, cr_list_set); }
static int m_insert(lua_State *L) { return put(L, cr_list_insert); }

static int m_append(lua_State *L) {
  change_with(L, check(L), cr_list_set, UINT64_MAX, 2);
  return 0;
}

/* 0, ENOENT if the list is empty, ERANGE or ENOMEM. */
static int pop_locked(lua_State *L, cr_list *l, bool last, lua_Integer i, cr_value *v) {
  cr_lock *lock = cr_list_lock(l);
  bool taken = cr_lock_enter(L, lock, NULL, 0);
  uint64_t size = cr_list_size(l);
  int r = size ? cr_list_pop(l, last ? size - 1 : (uint64_t)i - 1, v) : ENOENT;
  if (taken) cr_lock_release(lock);
  return r;
}

/* l:pop([i]) -> the item, the last one if no position is given | nil, "empty" */
static int m_pop(lua_State *L) {
  cr_list *l = check(L);
  bool last = lua_isnoneornil(L, 2);
  lua_Integer i = last ? 0 : luaL_checkinteger(L, 2);
  cr_value v;
  int r;
  cr_may_take(L);
  cr_try(L, r, pop_locked(L, l, last, i, &v));
  if (r == 0) return cr_receive(L, &v);
  if (r == ERANGE) return bad_position(L, l, 2, i);
  if (r != ENOENT) return cr_fail(L, r);
  lua_pushnil(L);
  lua_pushliteral(L, "empty");
  return 2;
}

/* -------------------------------------------------------------- whole lists */

static int m_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cr_list_size(check(L)));
  return 1;
}

static int m_clear(lua_State *L) {
  cr_list *l = check(L);
  cr_lock *lock = cr_list_lock(l);
  bool taken = cr_lock_enter(L, lock, NULL, 0);
  cr_list_clear(l);
  if (taken) cr_lock_release(lock);
  return 0;
}

/* Under the lock: (list, value) -> whether an equal item was there and is out. */
static int find_and_remove(lua_State *L) {
  cr_list *l = check(L);
  bool found = false;
  for (uint64_t i = 0; !found && push_item(L, l, i); i++) {
    found = lua_rawequal(L, 2, -1);
    lua_pop(L, 1);
    cr_value v;
    int r = found ? cr_list_pop(l, i, &v) : 0;
    if (r) return cr_fail(L, r);
    if (found) cr_value_free(&v);
  }
  lua_pushboolean(L, found);
  return 1;
}

static int m_remove(lua_State *L) {
  cr_list *l = check(L);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  return cr_lock_around(L, cr_list_lock(l), 0, find_and_remove);
}

/* Under the lock: a table of copies of all items. */
static int copy_all(lua_State *L) {
  cr_list *l = check(L);
  lua_newtable(L);
  for (uint64_t i = 0; push_item(L, l, i); i++) lua_rawseti(L, -2, (lua_Integer)i + 1);
  return 1;
}

static int m_totable(lua_State *L) {
  cr_list *l = check(L);
  lua_settop(L, 1);
  return cr_lock_around(L, cr_list_lock(l), 0, copy_all);
}

/* for i, item in l:items() -- sees what is there when it comes to it */
static int next_item(lua_State *L) {
  cr_list *l = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  lua_settop(L, 1);
  lua_pushinteger(L, i + 1);
  return push_item(L, l, (uint64_t)i) ? 2 : 0;
}

static int m_items(lua_State *L) {
  check(L);
  lua_pushcfunction(L, next_item);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

static int m_tostring(lua_State *L) {
  cr_list *l = check(L);
  lua_Integer size = (lua_Integer)cr_list_size(l);
  lua_pushfstring(L, "%I %s", size, size == 1 ? "item" : "items");
  for (int i = 1; i <= CR_BRIEF && push_item(L, l, (uint64_t)i - 1); i++) cr_brief_item(L, i);
  return cr_brief_end(L, (const cr_object *)l, size > CR_BRIEF);
}

static const luaL_Reg methods[] = {{"append", m_append},   {"insert", m_insert}, {"pop", m_pop},
                                   {"remove", m_remove},   {"items", m_items},   {"clear", m_clear},
                                   {"totable", m_totable}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__index", m_index}, {"__newindex", m_newindex}, {"__len", m_len},
                                {"__pairs", m_items}, {"__tostring", m_tostring}, {NULL, NULL}};

void cr_shared_list_open(lua_State *L) {
  lua_pushcfunction(L, list_new);
  lua_setfield(L, -2, "list");
  cr_lib_type(L, CR_LIST, methods, meta);
}
