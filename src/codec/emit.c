/* SPDX-License-Identifier: MIT */
/*
** emit: Lua values become bytes.
**
** encoder_emit writes the value at the top of the stack.  A scalar is written at
** once; a table is written by its frame, child by child, so that a list of
** links as long as memory allows needs no C stack.  Functions and rebuilt values
** have their own files and the same manner.
**
** A table is walked with lua_next.  While its keys come as 1, 2, 3 ... they are its
** list and only the values are written; from the first other key on they are pairs.
** A list may have holes before its border, as {1, nil, 3} has: they are written as nil,
** so that the copy's length is the same.
** A list of scalars is read by its positions instead, which is faster.  That this was
** all of the table is told by counting: what has as many entries as there are values
** at 1, 2, 3 ... has no others.  (Its length does not tell, nor what lua_next finds
** behind the last position, since that may come before others.)  For a long list there
** is mostly a shorter proof, see prove in encode.c.
*/
#include <stdlib.h>

#include "codec/inside.h"

/* ------------------------------------------------------------------- room */

enum outcome encoder_no_memory(encoder *e) {
  if (e->plain) return GIVEN_UP;
  lua_pushliteral(e->L, "not enough memory");
  lua_error(e->L);
  return GIVEN_UP;
}

bool encoder_grow(encoder *e, size_t more) {
  workspace *w = e->work;
  if (w->fixed) return false;
  size_t room = w->room < 512 ? 512 : w->room;
  while (room - e->length < more && room < SIZE_MAX / 4) room *= 2;
  unsigned char *bytes = room - e->length < more ? NULL : cr_huge_realloc(w->bytes, room);
  if (!bytes) return encoder_no_memory(e) == EMITTED;
  w->bytes = bytes;
  w->room = room;
  return true;
}

static bool more_frames(workspace *w) {
  size_t room = w->frames_room ? 2 * w->frames_room : 16;
  frame *frames = realloc(w->frames, room * sizeof *frames);
  if (!frames) return false;
  w->frames = frames;
  w->frames_room = room;
  return true;
}

/* The value at the top of the stack becomes a frame.  Its step may push a few
** values; the Lua stack is what limits nesting. */
frame *encoder_open(encoder *e, enum frame_kind kind, uint32_t number) {
  workspace *w = e->work;
  if (!lua_checkstack(e->L, 12)) {
    refuse(e, "a value nested too deeply");
    return NULL;
  }
  if (w->depth == w->frames_room && !more_frames(w)) {
    encoder_no_memory(e);
    return NULL;
  }
  frame *f = &w->frames[w->depth++];
  *f = (frame){.kind = kind, .base = lua_gettop(e->L), .number = number};
  return f;
}

enum outcome encoder_number(encoder *e, const void *address, uint32_t *number) {
  *number = e->objects++;
  return seen_add(&e->work->seen, address, *number) ? EMITTED : encoder_no_memory(e);
}

/* ---------------------------------------------------------------- scalars */

static inline enum outcome emit_tag(encoder *e, unsigned tag) {
  if (!encoder_room(e, 1)) return GIVEN_UP;
  put_byte(e, tag);
  return EMITTED;
}

/* The low `n` bytes of a little-endian word are the narrower number.  All eight are
** written, where room was made for them, since that takes one store. */
static inline enum outcome emit_word(encoder *e, enum wire tag, uint64_t word, size_t n) {
  if (!encoder_room(e, 1 + sizeof word)) return GIVEN_UP;
  unsigned char *at = e->work->bytes + e->length;
  e->length += 1 + n;
  at[0] = (unsigned char)tag;
  memcpy(at + 1, &word, sizeof word);
  return EMITTED;
}

static enum outcome emit_integer(encoder *e, lua_Integer i) {
  uint64_t word = (uint64_t)i;
  if (i >= INT8_MIN && i <= INT8_MAX) return emit_word(e, WIRE_INT8, word, 1);
  if (i >= INT16_MIN && i <= INT16_MAX) return emit_word(e, WIRE_INT16, word, 2);
  if (i >= INT32_MIN && i <= INT32_MAX) return emit_word(e, WIRE_INT32, word, 4);
  return emit_word(e, WIRE_INT64, word, 8);
}

static inline enum outcome emit_number(encoder *e, int index) {
  if (lua_isinteger(e->L, index)) {
    lua_Integer i = lua_tointeger(e->L, index);
    return (lua_Unsigned)i <= SMALL_MAX ? emit_tag(e, WIRE_SMALL + (unsigned)i)
                                        : emit_integer(e, i);
  }
  lua_Number x = lua_tonumber(e->L, index);
  uint64_t word;
  memcpy(&word, &x, sizeof word);
  return emit_word(e, WIRE_FLOAT, word, sizeof word);
}

static inline enum outcome emit_string(encoder *e, int index) {
  size_t n;
  const char *s = lua_tolstring(e->L, index, &n);
  if (!encoder_room(e, STRING_HEAD + n)) return GIVEN_UP;
  if (n > TEXT_MAX) {
    put_string(e, s, n);
    return EMITTED;
  }
  unsigned char *at = e->work->bytes + e->length;
  e->length += 1 + n;
  at[0] = (unsigned char)(WIRE_TEXT + n);
  memcpy(at + 1, s, n);
  return EMITTED;
}

static inline bool is_scalar(int type) {
  const unsigned scalars =
      1u << LUA_TNUMBER | 1u << LUA_TSTRING | 1u << LUA_TBOOLEAN | 1u << LUA_TNIL;
  return scalars >> type & 1;
}

static inline enum outcome emit_scalar(encoder *e, int type, int index) {
  switch (type) {
  case LUA_TSTRING: return emit_string(e, index);
  case LUA_TNUMBER: return emit_number(e, index);
  case LUA_TBOOLEAN: return emit_tag(e, lua_toboolean(e->L, index) ? WIRE_TRUE : WIRE_FALSE);
  default: return emit_tag(e, WIRE_NIL);
  }
}

bool encoder_scalar(encoder *e, int index) {
  int type = lua_type(e->L, index);
  return is_scalar(type) && emit_scalar(e, type, index) == EMITTED;
}

/* ------------------------------------------------------------------ tables */

static enum outcome emit_again(encoder *e, const seen_slot *slot) {
  if (slot->pending) return refuse(e, "a value whose __transfer returns the value itself");
  e->again = true;
  return emit_word(e, WIRE_AGAIN, slot->number, sizeof slot->number);
}

/* The counts come when they are known. */
static enum outcome begin_table(encoder *e, frame *f, const void *address, bool meta) {
  *f = (frame){.kind = FRAME_TABLE, .meta = meta, .listing = true, .base = lua_gettop(e->L)};
  if (encoder_number(e, address, &f->number) != EMITTED || !encoder_room(e, 9)) return GIVEN_UP;
  put_byte(e, meta ? WIRE_OBJECT : WIRE_TABLE);
  f->patch = e->length;
  e->length += 8;
  return EMITTED;
}

/* A frame whose table goes on as `f` says. */
static enum outcome open_table(encoder *e, const frame *f) {
  frame *new = encoder_open(e, FRAME_TABLE, f->number);
  if (!new) return GIVEN_UP;
  *new = *f;
  return OPENED;
}

/* The next key, a number, is at -2: is it the next position of the list?  (What is no
** integer is 0 as one.) */
static bool lists(lua_State *L, const frame *f) {
  return lua_tointeger(L, -2) == (lua_Integer)f->list + 1;
}

#define HOLE 64u /* positions without a value that any list may have before the next */

/* Does the next key, a number, come behind a hole that is in the list?  Then the hole is
** written.  What is mostly holes is no list. */
static bool skips(encoder *e, frame *f) {
  lua_Unsigned hole = (lua_Unsigned)lua_tointeger(e->L, -2) - f->list - 1;
  if (hole > HOLE + f->list || f->list + hole >= lua_rawlen(e->L, f->base)) return false;
  if (!encoder_room(e, hole)) return false;
  memset(e->work->bytes + e->length, WIRE_NIL, hole);
  e->length += hole;
  f->list += (uint32_t)hole;
  return true;
}

/* Is the number on top a float?  Within the bounds the conversion to an integer is
** defined, and there every integer of Lua is exact as a float: so what has a fraction
** need not be asked. */
static inline bool takes_float(lua_State *L, lua_Number *x) {
  const lua_Number bound = (lua_Number)(INT64_C(1) << 53);
  lua_Number number = *x = lua_tonumber(L, -1);
  if (number > -bound && number < bound && (lua_Number)(int64_t)number != number) return true;
  return !lua_isinteger(L, -1);
}

#define READ_AT_ONCE 8u /* values that are left on the stack until they are popped together */

/* The float on top of the stack and those that follow it in the list are one item.
** False: no room. */
static bool emit_floats(encoder *e, frame *f, lua_Number x) {
  lua_State *L = e->L;
  int base = f->base;
  uint32_t list = f->list, n;
  if (!encoder_room(e, 1 + sizeof n)) return false;
  put_byte(e, WIRE_FLOATS);
  size_t patch = e->length;
  e->length += sizeof n;
  do {
    if (!encoder_room(e, sizeof x)) return false;
    put_bytes(e, &x, sizeof x);
    list++;
    if (list % READ_AT_ONCE == 0) lua_settop(L, base + 2);
  } while (lua_rawgeti(L, base, (lua_Integer)list + 1) == LUA_TNUMBER && takes_float(L, &x));
  n = list - f->list;
  f->list = list;
  memcpy(e->work->bytes + patch, &n, sizeof n);
  return true;
}

/* Has the table exactly n entries? */
static bool counts(lua_State *L, int base, uint32_t n) {
  uint32_t count = 0;
  int top = lua_gettop(L);
  lua_pushnil(L);
  while (count <= n && lua_next(L, base)) {
    count++;
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return count == n;
}

/* Writes the list of a table if that is all it has, and all scalars; false: it is
** not, and nothing is written.  The first pair is on the stack, and stays there. */
static bool scalar_list(encoder *e, frame *f) {
  lua_State *L = e->L;
  size_t length = e->length;
  lua_Number x;
  bool good = true;
  while (good) {
    int type = lua_rawgeti(L, f->base, (lua_Integer)f->list + 1);
    if (type == LUA_TNIL) break;
    if (type == LUA_TNUMBER && takes_float(L, &x))
      good = emit_floats(e, f, x);
    else if ((good = is_scalar(type) && emit_scalar(e, type, -1) == EMITTED))
      f->list++;
    lua_settop(L, f->base + 2);
  }
  lua_settop(L, f->base + 2);
  bool whole = f->list == e->whole && lua_topointer(L, f->base) == e->proved;
  if (good && (whole || counts(L, f->base, f->list))) return true;
  f->list = 0;
  e->length = length;
  return false;
}

/* Scalars, which most tables consist of, are written where they are, without a
** round through the frame for each.  The stack is [table] [key], the last key, or
** nil.  EMITTED: all pairs are written; OPENED: a pair is on the stack of which
** something is more than a scalar. */
static enum outcome scalar_pairs(encoder *e, frame *f) {
  lua_State *L = e->L;
  bool fresh = f->list == 0 && f->pairs == 0;
  for (; lua_next(L, f->base); lua_pop(L, 1)) {
    int key = lua_type(L, -2), value = lua_type(L, -1);
    bool listed = f->listing && key == LUA_TNUMBER && lists(L, f);
    if (fresh && listed && scalar_list(e, f)) break;
    fresh = false;
    if (!listed && f->listing && key == LUA_TNUMBER) listed = skips(e, f);
    if (!is_scalar(value) || (!listed && !is_scalar(key))) return OPENED;
    if (listed) {
      f->list++;
    } else {
      f->listing = false;
      f->pairs++;
      if (emit_scalar(e, key, -2) != EMITTED) return GIVEN_UP;
    }
    if (emit_scalar(e, value, -1) != EMITTED) return GIVEN_UP;
  }
  return EMITTED;
}

static void write_counts(encoder *e, const frame *f) {
  memcpy(e->work->bytes + f->patch, &f->list, 4);
  memcpy(e->work->bytes + f->patch + 4, &f->pairs, 4);
}

/* A plain encode leaves every table to the other that could be more than data.  One
** that holds nothing but scalars needs no frame; the Lua stack that it takes is among
** what the frame below it, or the caller, has made sure of. */
static enum outcome emit_plain_table(encoder *e, const void *address) {
  frame f;
  if (!names_ready() || names_has(address)) return GIVEN_UP;
  if (lua_getmetatable(e->L, -1)) return GIVEN_UP;
  if (begin_table(e, &f, address, false) != EMITTED) return GIVEN_UP;
  lua_pushnil(e->L);
  enum outcome r = scalar_pairs(e, &f);
  f.stage = STAGE_PAIR;
  if (r == OPENED) return open_table(e, &f);
  if (r == EMITTED) write_counts(e, &f);
  return r;
}

/* What stands before the table of a class. */
static void emit_class(encoder *e) {
  uint64_t origin = origin_of(e->L);
  if (!e->moment) e->moment = origin_moment();
  encoder_room(e, 1 + 2 * sizeof origin);
  put_byte(e, WIRE_CLASS);
  put_bytes(e, &origin, sizeof origin);
  put_bytes(e, &e->moment, sizeof e->moment);
}

/* Data (what a sandbox sends).  Nothing that it has made may run in who receives it: no
** function, no metatable, no __transfer.  What it has got from elsewhere can be sent back:
** the receiver takes what it knows by that name, or by that origin, and nothing is read of
** what the sandbox has made of it.  So a module's table is no reference as a value, it
** is copied as any other. */
static bool emit_known(encoder *e) {
  if (!origin_has(e->L) || origin_is_own(e->L)) return false;
  uint64_t origin = origin_of(e->L);
  encoder_room(e, 2 + sizeof origin);
  put_byte(e, WIRE_KNOWN);
  put_byte(e, lua_isfunction(e->L, -1));
  put_bytes(e, &origin, sizeof origin);
  return true;
}

static enum outcome emit_data_function(encoder *e) {
  if (emit_known(e) || names_emit(e)) return EMITTED;
  if (!lua_iscfunction(e->L, -1)) return refuse(e, "a function of a sandbox");
  return names_emit_late(e) ? EMITTED : refuse_value(e);
}

static enum outcome emit_data_metatable(encoder *e) {
  return emit_known(e) || names_emit(e) ? EMITTED : refuse(e, "a metatable of a sandbox");
}

/* Protected: a table that may be anything. */
static enum outcome emit_any_table(encoder *e, const void *address, bool class) {
  frame f;
  if (e->data ? emit_known(e) : names_emit(e)) return EMITTED;
  if (luaL_getmetafield(e->L, -1, "__transfer") != LUA_TNIL) return transfer_emit(e);
  if (!e->data && (class || origin_is_class(e->L))) emit_class(e);
  bool meta = lua_getmetatable(e->L, -1);
  if (meta) lua_pop(e->L, 1);
  if (begin_table(e, &f, address, meta) != EMITTED || open_table(e, &f) != OPENED) return GIVEN_UP;
  lua_pushnil(e->L);
  return OPENED;
}

static enum outcome emit_table(encoder *e, bool class) {
  const void *address = lua_topointer(e->L, -1);
  const seen_slot *slot = seen_find(&e->work->seen, address);
  if (slot) return emit_again(e, slot);
  return e->plain ? emit_plain_table(e, address) : emit_any_table(e, address, class);
}

/* The next key and its value, one of which has something in it. */
static enum outcome next_pair(encoder *e, frame *f) {
  if (f->listing && lua_type(e->L, -2) == LUA_TNUMBER && lists(e->L, f)) {
    f->list++;
    f->stage = STAGE_VALUE;
  } else {
    f->listing = false;
    f->pairs++;
    f->stage = STAGE_KEY;
    lua_pushvalue(e->L, -2);
  }
  return encoder_emit(e);
}

/* All pairs are written: the counts are known now.  The frame is gone unless a
** metatable follows. */
static enum outcome end_pairs(encoder *e, frame *f) {
  write_counts(e, f);
  if (f->meta && lua_getmetatable(e->L, f->base)) {
    f->stage = STAGE_METATABLE;
    return e->data ? emit_data_metatable(e) : emit_table(e, true);
  }
  if (f->meta) return refuse(e, "a table whose metatable is taken away meanwhile");
  e->work->depth--;
  return OPENED;
}

static enum outcome next_pairs(encoder *e, frame *f) {
  enum outcome r = scalar_pairs(e, f);
  if (r == OPENED) return next_pair(e, f);
  return r == EMITTED ? end_pairs(e, f) : GIVEN_UP;
}

/* Goes on after the child that f->stage names; returns OPENED when another frame
** is on top now.  (Opening one may move the frames: then f is not touched again.) */
static enum outcome step_table(encoder *e, frame *f) {
  lua_State *L = e->L;
  enum outcome r = EMITTED;
  while (r == EMITTED) {
    switch (f->stage) {
    case STAGE_KEY: /* [table] [key] [value] [key] */
      lua_settop(L, f->base + 2);
      f->stage = STAGE_VALUE;
      r = encoder_emit(e);
      break;
    case STAGE_VALUE: /* [table] [key] [value] */
      lua_settop(L, f->base + 1);
      f->stage = STAGE_NEXT;
      break;
    case STAGE_PAIR: r = next_pair(e, f); break;
    case STAGE_METATABLE:
      lua_settop(L, f->base);
      e->work->depth--;
      return OPENED;
    default: r = next_pairs(e, f);
    }
  }
  return r;
}

/* ------------------------------------------------------------- other values */

static enum outcome emit_function(encoder *e) {
  if (e->plain) return GIVEN_UP;
  const seen_slot *slot = seen_find(&e->work->seen, lua_topointer(e->L, -1));
  if (slot) return emit_again(e, slot);
  if (e->data) return emit_data_function(e);
  if (origin_has(e->L)) return function_emit(e); /* it has been copied before */
  if (names_emit(e)) return EMITTED;
  if (!lua_iscfunction(e->L, -1)) return function_emit(e);
  return names_emit_late(e) ? EMITTED : refuse_value(e);
}

static enum outcome refuse_far(encoder *e, const cr_handle *h) {
  char what[64];
  const char *name = cr_type_of(h->object)->name;
  snprintf(what, sizeof what, "%s %s to another machine", strchr("aeiou", name[0]) ? "an" : "a",
           name);
  return refuse(e, what);
}

/* The message mentions the object before the handle can be collected. */
static enum outcome emit_handle(encoder *e, const cr_handle *h) {
  uint64_t number;
  if (!h->object) return refuse(e, "a closed handle");
  if (e->far) return refuse_far(e, h);
  if (!e->message) e->message = cr_message_new(0);
  if (!e->message || cr_message_mention(e->message, h->object, &number) != 0)
    return encoder_no_memory(e);
  return emit_word(e, WIRE_HANDLE, number, 4);
}

static enum outcome emit_userdata(encoder *e) {
  if (e->plain) return GIVEN_UP;
  const cr_handle *h = cr_handle_test(e->L, -1, 0);
  if (h) return emit_handle(e, h);
  const seen_slot *slot = seen_find(&e->work->seen, lua_topointer(e->L, -1));
  if (slot) return emit_again(e, slot);
  if (luaL_getmetafield(e->L, -1, "__transfer") != LUA_TNIL) return transfer_emit(e);
  return refuse_value(e);
}

/* Some modules have a light userdata as a constant: cjson.null. */
static enum outcome emit_light(encoder *e) {
  return !e->plain && names_emit(e) ? EMITTED : refuse_value(e);
}

enum outcome encoder_emit(encoder *e) {
  int type = lua_type(e->L, -1);
  if (is_scalar(type)) return emit_scalar(e, type, -1);
  switch (type) {
  case LUA_TTABLE: return emit_table(e, false);
  case LUA_TFUNCTION: return emit_function(e);
  case LUA_TUSERDATA: return emit_userdata(e);
  case LUA_TLIGHTUSERDATA: return emit_light(e);
  default: return refuse_value(e);
  }
}

/* ------------------------------------------------------------------ the loop */

static enum outcome step(encoder *e, frame *f) {
  switch (f->kind) {
  case FRAME_FUNCTION: return function_step(e, f);
  case FRAME_TRANSFER: return transfer_step(e, f);
  default: return step_table(e, f);
  }
}

/* The value at the top of the stack, with all that is in it.  Given up, it
** leaves the stack in disorder; the caller knows its height. */
enum outcome encoder_run(encoder *e) {
  enum outcome r = encoder_emit(e);
  while (r != GIVEN_UP && e->work->depth > 0) r = step(e, &e->work->frames[e->work->depth - 1]);
  e->work->depth = 0;
  return r == GIVEN_UP ? GIVEN_UP : EMITTED;
}
