/* SPDX-License-Identifier: MIT */
/*
** mapitems: how a mapping reads its items, and what they become in a message; see map.h.
*/
#include <string.h>

#include "lib/map.h"

static lua_Integer raw_integer(lua_State *L, int index, const char *field) {
  lua_pushstring(L, field);
  lua_rawget(L, index);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

items items_open(lua_State *L, int index) {
  items s = {.index = index, .kind = ITEMS_INDEXED};
  if (!lua_istable(L, index)) return s;
  if (!lua_getmetatable(L, index)) {
    s.kind = ITEMS_PLAIN;
    return s;
  }
  lua_getfield(L, -1, "__name");
  if (lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "conrun.range") == 0) {
    s.kind = ITEMS_RANGE;
    s.first = raw_integer(L, index, "first");
    s.step = raw_integer(L, index, "step");
  }
  lua_pop(L, 2);
  return s;
}

/* What takes itself for a range may have any numbers, so they are added as Lua adds. */
static void push_item(lua_State *L, const items *s, lua_Integer i) {
  switch (s->kind) {
  case ITEMS_PLAIN: lua_rawgeti(L, s->index, i); break;
  case ITEMS_RANGE:
    lua_pushinteger(
        L, (lua_Integer)((lua_Unsigned)s->first + ((lua_Unsigned)i - 1) * (lua_Unsigned)s->step));
    break;
  default: lua_geti(L, s->index, i); break;
  }
}

/* One small value goes in place, without a message.  To read an item may run code of the user,
** so what is for another machine is said behind that. */
static void encode_one(lua_State *L, const items *s, lua_Integer i, bool far, cr_value *v) {
  push_item(L, s, i);
  cr_far(far);
  cr_encode_call(L, lua_gettop(L), 1, "item", v);
  cr_far(false);
  lua_pop(L, 1);
}

void items_encode(lua_State *L, const items *s, lua_Integer first, lua_Integer count, bool far,
                  cr_value *v) {
  if (count == 1) {
    encode_one(L, s, first, far, v);
    return;
  }
  cr_far(far);
  cr_writer *w = cr_writer_new(L, "item", true);
  for (lua_Integer i = first; i < first + count; i++) {
    push_item(L, s, i);
    cr_writer_add(L, w, -1);
    lua_pop(L, 1);
  }
  cr_writer_finish(L, w, v);
  lua_pop(L, 1);
}
