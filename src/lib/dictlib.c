/* SPDX-License-Identifier: MIT */
/*
** dictlib: shared.dict, a table whose entries are copied in and out.
**
** d[k] reads and writes an entry.  The names of methods come first when
** reading: d.items is the method, and the entry "items" is read by
** d:get("items").  Writing always writes the entry.
**
** Reading takes no lock.  Everything that changes the dict holds the dict's own
** lock, so `update` is atomic for all others: nobody can write between its read
** and its write.
*/
#include "lib/lib.h"

static cr_dict *check(lua_State *L) { return cr_handle_check(L, 1, CR_DICT); }

/* Raises unless the value at `index`, which came in argument `arg`, can be a key. */
static void check_key(lua_State *L, int index, int arg) {
  int type = lua_type(L, index);
  if (type == LUA_TSTRING || type == LUA_TBOOLEAN) return;
  if (type != LUA_TNUMBER)
    cr_refuse(L, arg,
              lua_pushfstring(L, "a key is a string, number or boolean, not a %s",
                              luaL_typename(L, index)));
  lua_Number n = lua_tonumber(L, index);
  if (n != n) cr_refuse(L, arg, "a key must not be NaN");
}

/* A checked key, in hand.  Floats with integer values are integers, as in Lua's
** tables. */
static void encode_key(lua_State *L, int index, cr_value *k) {
  int whole;
  lua_Integer i = 0;
  if (lua_type(L, index) == LUA_TNUMBER && (i = lua_tointegerx(L, index, &whole), whole)) {
    *k = (cr_value){.kind = CR_V_INTEGER};
    k->integer = i;
  } else
    cr_encode(L, index, 1, "key", k);
}

/* nil and NaN can be no keys, but one may ask for them, as of a table. */
static bool is_never_key(lua_State *L, int index) {
  return lua_isnil(L, index) ||
         (lua_type(L, index) == LUA_TNUMBER && lua_tonumber(L, index) != lua_tonumber(L, index));
}

/* Pushes the entry of the key at `index`; false: nothing is pushed. */
static bool push_entry(lua_State *L, cr_dict *d, int index) {
  cr_value k, v;
  if (is_never_key(L, index)) return false;
  check_key(L, index, index);
  encode_key(L, index, &k);
  int r;
  cr_try(L, r, cr_dict_get(d, &k, &v));
  cr_value_free(&k);
  if (r == ENOENT) return false;
  if (r) cr_fail(L, r);
  cr_decode(L, &v);
  return true;
}

/* Both in hand.  The key is in a box's care while the value is encoded, which may
** raise. */
static void encode_entry(lua_State *L, int key, int value, cr_value entry[2]) {
  encode_key(L, key, &entry[0]);
  if (entry[0].kind != CR_V_MESSAGE) {
    cr_encode_kept(L, value, "value", &entry[1]);
    return;
  }
  cr_value *box = cr_value_box(L, entry);
  cr_encode_kept(L, value, "value", &entry[1]);
  box->kind = CR_V_NONE;
}

static int set_locked(lua_State *L, cr_dict *d, const cr_value entry[2]) {
  cr_lock *lock = cr_dict_lock(d);
  bool taken = cr_lock_enter(L, lock, entry, 2);
  int r = cr_dict_set(d, &entry[0], &entry[1]);
  if (taken) cr_lock_release(lock);
  return r;
}

/* Writes the entry, nil removes it; key and value are absolute indexes. */
static void set_entry(lua_State *L, cr_dict *d, int key, int value) {
  cr_value entry[2];
  int r;
  encode_entry(L, key, value, entry);
  cr_try(L, r, set_locked(L, d, entry));
  if (r == 0) return;
  cr_value_free(&entry[0]);
  cr_value_free(&entry[1]);
  if (r != ENOENT) cr_fail(L, r);
}

/* ------------------------------------------------------------- construction */

/* shared.dict([t]) */
static int dict_new(lua_State *L) {
  cr_check_most(L, 1);
  if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  cr_handle *h = cr_handle_new(L, CR_DICT);
  cr_dict *d;
  cr_make(L, d, cr_dict_new());
  cr_handle_fill(L, h, d);
  if (lua_isnil(L, 1)) return 1;
  for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, 3)) {
    check_key(L, 3, 1);
    set_entry(L, d, 3, 4);
  }
  return 1;
}

/* ---------------------------------------------------------- entries by key */

static int m_index(lua_State *L) {
  cr_dict *d = check(L);
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  }
  if (!push_entry(L, d, 2)) lua_pushnil(L);
  return 1;
}

static int m_newindex(lua_State *L) {
  check_key(L, 2, 2);
  set_entry(L, check(L), 2, 3);
  return 0;
}

/* d:set(k, v), the method form of d[k] = v */
static int m_set(lua_State *L) {
  luaL_checkany(L, 3);
  check_key(L, 2, 2);
  set_entry(L, check(L), 2, 3);
  return 0;
}

/* d:get(k [, default]) */
static int m_get(lua_State *L) {
  cr_dict *d = check(L);
  lua_settop(L, 3);
  if (!push_entry(L, d, 2)) lua_pushvalue(L, 3);
  return 1;
}

static int pop_locked(lua_State *L, cr_dict *d, const cr_value *k, cr_value *v) {
  cr_lock *lock = cr_dict_lock(d);
  bool taken = cr_lock_enter(L, lock, k, 1);
  int r = cr_dict_pop(d, k, v);
  if (taken) cr_lock_release(lock);
  return r;
}

/* d:pop(k [, default]) -> the entry, which is taken out */
static int m_pop(lua_State *L) {
  cr_dict *d = check(L);
  cr_value k, v;
  lua_settop(L, 3);
  check_key(L, 2, 2);
  cr_may_take(L);
  encode_key(L, 2, &k);
  int r;
  cr_try(L, r, pop_locked(L, d, &k, &v));
  cr_value_free(&k);
  if (r == 0) return cr_receive(L, &v);
  if (r != ENOENT) return cr_fail(L, r);
  lua_settop(L, 3);
  return 1;
}

/* Under the lock: (dict, key, function) -> the new value. */
static int read_call_write(lua_State *L) {
  cr_dict *d = check(L);
  lua_pushvalue(L, 3);
  if (!push_entry(L, d, 2)) lua_pushnil(L);
  lua_call(L, 1, 1);
  set_entry(L, d, 2, 4);
  lua_settop(L, 4);
  return 1;
}

/* d:update(k, fn) -> fn(old value or nil), which is the new value */
static int m_update(lua_State *L) {
  cr_dict *d = check(L);
  check_key(L, 2, 2);
  cr_check_callable(L, 3);
  lua_settop(L, 3);
  return cr_lock_around(L, cr_dict_lock(d), 0, read_call_write);
}

/* -------------------------------------------------------------- whole dicts */

static int m_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cr_dict_size(check(L)));
  return 1;
}

static int m_clear(lua_State *L) {
  cr_dict *d = check(L);
  cr_lock *lock = cr_dict_lock(d);
  bool taken = cr_lock_enter(L, lock, NULL, 0);
  cr_dict_clear(d);
  if (taken) cr_lock_release(lock);
  return 0;
}

/* Pushes the next key and value of a walk; false at the end.  Whatever raises on the
** way, a box has what is not decoded yet. */
static bool push_next(lua_State *L, cr_dict *d, uint64_t *cursor) {
  cr_value entry[2], *box = NULL;
  int r;
  cr_try(L, r, cr_dict_next(d, cursor, &entry[0], &entry[1]));
  if (r == ENOENT) return false;
  if (r) cr_fail(L, r);
  if (entry[1].kind == CR_V_MESSAGE) {
    box = cr_values_box(L, entry, 2);
    box[0].kind = CR_V_NONE;
  }
  cr_decode(L, &entry[0]);
  if (box) box[1].kind = CR_V_NONE;
  cr_decode(L, &entry[1]);
  return true;
}

/* The cursor is the iterator's own upvalue, so the loop's key may be anything. */
static int next_entry(lua_State *L) {
  cr_dict *d = cr_handle_check(L, lua_upvalueindex(1), CR_DICT);
  uint64_t cursor = (uint64_t)lua_tointeger(L, lua_upvalueindex(2));
  if (!push_next(L, d, &cursor)) return 0;
  lua_pushinteger(L, (lua_Integer)cursor);
  lua_replace(L, lua_upvalueindex(2));
  return 2;
}

/* for k, v in d:items() */
static int m_items(lua_State *L) {
  check(L);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_entry, 2);
  return 1;
}

/* A table of all keys, or of all entries.  Each step is a call of the iterator,
** which gives back what it has in its hands if a step raises. */
static int walk(lua_State *L, bool with_values) {
  m_items(L);
  lua_newtable(L);
  for (lua_Integer n = 1;; n++) {
    lua_pushvalue(L, 2);
    lua_call(L, 0, 2);
    if (lua_isnil(L, -2)) break;
    if (with_values)
      lua_rawset(L, 3);
    else {
      lua_pop(L, 1);
      lua_rawseti(L, 3, n);
    }
  }
  lua_settop(L, 3);
  return 1;
}

static int m_keys(lua_State *L) { return walk(L, false); }
static int m_totable(lua_State *L) { return walk(L, true); }

static int m_tostring(lua_State *L) {
  enum {
    DICT = 1,
    NEXT,
    TEXT
  };
  cr_dict *d = check(L);
  lua_Integer size = (lua_Integer)cr_dict_size(d);
  lua_settop(L, DICT);
  m_items(L);
  lua_pushfstring(L, "%I %s", size, size == 1 ? "entry" : "entries");
  for (int i = 1; i <= CR_BRIEF; i++) {
    lua_pushvalue(L, NEXT);
    lua_call(L, 0, 2);
    if (lua_isnil(L, -2)) break;
    cr_brief_entry(L, i);
  }
  lua_settop(L, TEXT);
  return cr_brief_end(L, (const cr_object *)d, size > CR_BRIEF);
}

static const luaL_Reg methods[] = {{"get", m_get},     {"set", m_set},         {"pop", m_pop},
                                   {"keys", m_keys},   {"items", m_items},     {"update", m_update},
                                   {"clear", m_clear}, {"totable", m_totable}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__index", m_index}, {"__newindex", m_newindex}, {"__len", m_len},
                                {"__pairs", m_items}, {"__tostring", m_tostring}, {NULL, NULL}};

void cr_shared_dict_open(lua_State *L) {
  lua_pushcfunction(L, dict_new);
  lua_setfield(L, -2, "dict");
  cr_lib_type(L, CR_DICT, methods, meta);
}
