/* SPDX-License-Identifier: MIT */
/*
** transfer: types that say how they are rebuilt.
**
** A metatable may have a field __transfer: __transfer(object) returns a
** constructor and arguments; those are sent, and the receiver puts
** constructor(arguments...) in the object's place.  The object is numbered, so
** one that is sent twice in a message is rebuilt once.  Its own arguments cannot
** refer to it, since it does not exist before they do: that is refused.
**
** What __transfer returns is new and known to nobody else, so the encoder keeps
** it alive until the message is complete: its addresses are in the map of what
** was seen.
*/
#include "codec/inside.h"

/* ------------------------------------------------------------------- encoding */

/* Keeps the value at the top of the stack alive until the encode ends. */
static void anchor(encoder *e) {
  lua_State *L = e->L;
  if (lua_isnil(L, e->anchor)) {
    lua_newtable(L);
    lua_replace(L, e->anchor);
  }
  lua_rawseti(L, e->anchor, (lua_Integer)lua_rawlen(L, e->anchor) + 1);
}

static bool callable(lua_State *L, int i) {
  if (lua_isfunction(L, i)) return true;
  if (luaL_getmetafield(L, i, "__call") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

/* Calls __transfer, which is above the object; leaves object and results. */
static uint32_t call(encoder *e, int object) {
  lua_State *L = e->L;
  lua_pushvalue(L, object);
  lua_call(L, 1, LUA_MULTRET);
  luaL_checkstack(L, 8, NULL);
  int n = lua_gettop(L) - object;
  if (n == 0 || !callable(L, object + 1)) {
    lua_settop(L, object);
    refuse(e, "a value whose __transfer returns no constructor");
  }
  for (int i = 1; i <= n; i++) {
    lua_pushvalue(L, object + i);
    if (!lua_isnil(L, -1))
      anchor(e);
    else
      lua_pop(L, 1);
  }
  return (uint32_t)n;
}

/* What is rebuilt by a function of one's own choice is no data (emit.c). */
static enum outcome refuse_rebuilt(encoder *e, int object) {
  lua_settop(e->L, object);
  return refuse(e, "a value with __transfer out of a sandbox");
}

enum outcome transfer_emit(encoder *e) {
  lua_State *L = e->L;
  int object = lua_gettop(L) - 1;
  if (e->data) return refuse_rebuilt(e, object);
  uint32_t number, n = call(e, object);
  encoder_number(e, lua_topointer(L, object), &number);
  seen_find(&e->work->seen, lua_topointer(L, object))->pending = true;
  encoder_room(e, 5);
  put_byte(e, WIRE_TRANSFER);
  put_u32(e, n);
  frame *f = encoder_open(e, FRAME_TRANSFER, number);
  f->base = object;
  f->n = n;
  return OPENED;
}

enum outcome transfer_step(encoder *e, frame *f) {
  lua_State *L = e->L;
  enum outcome r = EMITTED;
  while (r == EMITTED) {
    lua_settop(L, f->base + (int)f->n);
    if (f->i == f->n) {
      lua_settop(L, f->base);
      seen_find(&e->work->seen, lua_topointer(L, f->base))->pending = false;
      e->work->depth--;
      return OPENED;
    }
    f->i++;
    lua_pushvalue(L, f->base + (int)f->i);
    r = encoder_emit(e);
  }
  return r;
}

/* ------------------------------------------------------------------- decoding */

/* The values gather above a slot that stands for the object, and the last may be a
** table that is filled there.  Each takes a byte of the input at least, so a wrong
** count cannot ask for more than that. */
void transfer_begin(decoder *d) {
  uint32_t number = decoder_number(d), n = take_u32(d);
  if (n == 0) corrupt(d->L);
  decoder_claim(d, n);
  luaL_checkstack(d->L, (int)(n < 1000000 ? n : 1000000) + 12, "corrupt message");
  lua_pushnil(d->L);
  frame *f = decoder_open(d, FRAME_TRANSFER);
  f->number = number;
  f->n = n;
}

bool transfer_next(decoder *d, frame *f) {
  if (f->i < f->n) return false;
  lua_call(d->L, (int)f->n - 1, 1);
  lua_replace(d->L, f->base);
  decoder_keep(d, f->number);
  return true;
}

/* The child stays where it is. */
void transfer_take(frame *f) { f->i++; }
