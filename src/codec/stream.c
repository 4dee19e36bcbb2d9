/* SPDX-License-Identifier: MIT */
/*
** stream: the values of one message one after the other.
**
** For a task that maps over a list: the caller adds arguments as they come from
** an iterator, the worker takes them one by one, and neither has the list.
** Each value is numbered for itself (FLAG_STREAM), because what was added
** before need not be alive any more, so its address tells nothing.
**
** Reader and writer are userdata, so whatever error ends their use, the
** collector gives back what they have.
*/
#include "codec/inside.h"

#define READER "conrun reader"
#define WRITER "conrun writer"

/* [-0, +0, m] gives the userdata on the top its metatable. */
static void set_type(lua_State *L, const char *name, lua_CFunction collect) {
  if (luaL_newmetatable(L, name)) {
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

/* -------------------------------------------------------------------- reading */

/* What of a decoder lasts from value to value. */
struct cr_reader {
  cr_value value;          /* borrowed */
  const unsigned char *at; /* the next value */
  uint32_t flags, left;    /* of the message; values not read yet */
  uint32_t objects;        /* numbers given out */
  int numbered;            /* registry: numbered values of an ordinary message */
};

static int collect_reader(lua_State *L) {
  cr_reader *r = luaL_checkudata(L, 1, READER);
  luaL_unref(L, LUA_REGISTRYINDEX, r->numbered);
  r->numbered = LUA_NOREF;
  return 0;
}

/* A value is known by its number in the whole message, unless that is a stream. */
static bool remembers(const cr_reader *r) {
  return (r->flags & (FLAG_AGAIN | FLAG_STREAM)) == FLAG_AGAIN;
}

static void start(lua_State *L, cr_reader *r) {
  const cr_message *m = r->value.message;
  decoder d;
  decoder_start(&d, L, m->bytes, m->length, m);
  r->at = d.at;
  r->flags = d.flags;
  r->left = d.count;
  if (remembers(r)) {
    set_type(L, READER, collect_reader);
    lua_newtable(L);
    r->numbered = luaL_ref(L, LUA_REGISTRYINDEX);
  }
}

cr_reader *cr_reader_new(lua_State *L, const cr_value *v) {
  luaL_checkstack(L, 6, NULL);
  cr_reader *r = lua_newuserdatauv(L, sizeof *r, 0);
  *r = (cr_reader){.value = *v, .numbered = LUA_NOREF};
  if (v->kind == CR_V_MESSAGE)
    start(L, r);
  else
    r->left = v->kind != CR_V_NONE;
  return r;
}

/* A composite value needs two slots below it (see decode.c). */
static void read_composite(lua_State *L, cr_reader *r, decoder *d) {
  decoder_slots(d);
  if (remembers(r)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, r->numbered);
    lua_replace(L, d->slots);
  }
  decoder_run(d);
  lua_replace(L, d->slots);
  lua_settop(L, d->slots);
}

/* [reader] [decoder] -> [value] */
static int run_composite(lua_State *L) {
  cr_reader *r = lua_touserdata(L, 1);
  decoder *d = lua_touserdata(L, 2);
  d->L = L;
  read_composite(L, r, d);
  return 1;
}

/* A value that may run Lua code. */
static void read_protected(lua_State *L, cr_reader *r, decoder *d) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 6, NULL);
  lua_pushcfunction(L, cr_transfer_failed);
  lua_pushcfunction(L, run_composite);
  lua_pushlightuserdata(L, r);
  lua_pushlightuserdata(L, d);
  if (lua_pcall(L, 2, 1, top + 1) != LUA_OK) lua_error(L);
  lua_remove(L, top + 1);
  d->L = L;
}

bool cr_reader_next(lua_State *L, cr_reader *r) {
  if (r->left == 0) return false;
  r->left--;
  if (r->value.kind != CR_V_MESSAGE) return cr_decode_borrowed(L, &r->value) == 1;
  const cr_message *m = r->value.message;
  decoder d;
  luaL_checkstack(L, 6, NULL);
  decoder_resume(&d, L, r->at, m->bytes + m->length, m);
  d.flags = r->flags;
  d.objects = r->flags & FLAG_STREAM ? 0 : r->objects;
  if (!decoder_scalar(&d)) (r->flags & FLAG_PLAIN ? read_composite : read_protected)(L, r, &d);
  r->at = d.at;
  r->objects = d.objects;
  if (r->left == 0) decoder_end(&d);
  return true;
}

/* -------------------------------------------------------------------- writing */

struct cr_writer {
  workspace work;
  encoder e;
  uint32_t count;
  bool plain; /* every value so far was */
};

static int collect_writer(lua_State *L) {
  cr_writer *w = luaL_checkudata(L, 1, WRITER);
  if (w->e.message) cr_message_free(w->e.message);
  w->e.message = NULL;
  workspace_free(&w->work);
  w->e.length = 0;
  return 0;
}

cr_writer *cr_writer_new(lua_State *L, const char *noun, bool call) {
  bool far = cr_lua->far;
  cr_far(false); /* not for what a finalizer encodes meanwhile */
  luaL_checkstack(L, 6, NULL);
  cr_writer *w = lua_newuserdatauv(L, sizeof *w, 0);
  *w = (cr_writer){.plain = true};
  w->e = (encoder){.L = L, .work = &w->work, .noun = noun, .plain = true};
  w->e.data = cr_lua->data_only && !call;
  w->e.far = far;
  set_type(L, WRITER, collect_writer);
  if (!encoder_room(&w->e, HEADER)) raise_memory(L);
  w->e.length = HEADER;
  return w;
}

static void add_composite(lua_State *L, cr_writer *w, int index) {
  encoder *e = &w->e;
  luaL_checkstack(L, 16, NULL);
  index = lua_absindex(L, index);
  if (!encode_plain(e, index, 1)) {
    w->plain = false;
    e->position = w->count + 1;
    if (encode_protected(e, index, 1) != LUA_OK) lua_error(L);
  }
}

/* A scalar needs no frame, no number and none of the Lua stack.  What there is no
** room for is tried again the long way, which knows how to say so. */
void cr_writer_add(lua_State *L, cr_writer *w, int index) {
  w->e.L = L;
  w->e.plain = true;
  if (!encoder_scalar(&w->e, index)) add_composite(L, w, index);
  w->count++;
}

void cr_writer_finish(lua_State *L, cr_writer *w, cr_value *v) {
  unsigned flags = FLAG_STREAM | (w->plain ? FLAG_PLAIN : 0);
  w->e.L = L;
  while (!encode_finish(&w->e, w->count, flags, v))
    if (!cr_make_room(L)) raise_memory(L);
  workspace_free(&w->work);
  w->e.length = 0;
}
