/* SPDX-License-Identifier: MIT */
/*
** state: what one Lua state keeps for this floor.
**
** A strand is one thread with one Lua state, so a thread-local pointer finds it.
** A new state gets almost nothing: tables in the registry, names and workspaces
** are made at their first use, since many workers never use most of them.
**
** Closing comes after lua_close, because finalizers of handles run in that and
** still look here.
*/
#include <stdlib.h>

#include "codec/inside.h"

_Thread_local cr_state *cr_lua;
cr_lua_loans cr_lua_lent;

/* Where a state that was prepared has its tables; the address of it is the key to their
** places in the registry, as bytes. */
typedef struct prepared {
  int decoded, recent, origins, known;
} prepared;
static const char prepared_key;

/* A new table with the metatable at the top of the stack, in the registry. */
static int prepare_table(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -2);
  lua_setmetatable(L, -2);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* A metatable. */
static void push_weak(lua_State *L, const char *mode) {
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
}

void state_weak(lua_State *L, const char *mode) {
  lua_newtable(L);
  push_weak(L, mode);
  lua_setmetatable(L, -2);
}

void cr_state_prepare(lua_State *L) {
  prepared p;
  push_weak(L, "v");
  p.decoded = prepare_table(L);
  p.known = prepare_table(L);
  push_weak(L, "k");
  p.origins = prepare_table(L);
  lua_createtable(L, 1, 0);
  p.recent = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushlstring(L, (const char *)&p, sizeof p);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &prepared_key);
  lua_pop(L, 2);
}

static void take_prepared(lua_State *L, cr_state *s) {
  prepared p;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &prepared_key) == LUA_TSTRING) {
    memcpy(&p, lua_tostring(L, -1), sizeof p);
    s->decoded = p.decoded;
    s->recent = p.recent;
    s->origins = p.origins;
    s->known = p.known;
  }
  lua_pop(L, 1);
}

void cr_state_open(lua_State *L) {
  struct {
    cr_state state;
    struct cr_codec codec;
  } *both = calloc(1, sizeof *both);
  if (!both) raise_memory(L);
  cr_state *s = &both->state;
  s->codec = &both->codec;
  s->handles = s->names = s->findable = s->codes = s->decoded = s->recent = LUA_NOREF;
  s->origins = s->known = s->moments = s->carried = s->sent = s->package = s->preload = LUA_NOREF;
  s->guards[0] = s->guards[1] = LUA_NOREF;
  for (int i = 0; i < CR_TYPES; i++) s->meta_ref[i] = LUA_NOREF;
  take_prepared(L, s);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  s->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  cr_lua = s;
}

void cr_state_close(void) {
  cr_state *s = cr_lua;
  if (!s) return;
  cr_lua = NULL; /* first: a signal handler looks there */
  atomic_signal_fence(memory_order_seq_cst);
  workspace_free(&s->codec->work);
  while (s->codec->inner) workspace_drop(s->codec);
  seen_free(&s->codec->names);
  free(s->codec->words);
  free(s); /* the codec's part is in the same block, behind it */
}

void state_table(lua_State *L, int *ref, const char *mode) {
  if (*ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, *ref);
    return;
  }
  lua_newtable(L);
  if (mode) {
    push_weak(L, mode);
    lua_setmetatable(L, -2);
  }
  lua_pushvalue(L, -1);
  *ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

lua_CFunction cr_c_module(const char *name) {
  for (const luaL_Reg *m = cr_lua_lent.modules; m && m->name; m++)
    if (strcmp(m->name, name) == 0) return m->func;
  return NULL;
}

/* `require` would find conrun's own modules too, but a script may have put something else
** in its place, and it asks all searchers, with more than a kilobyte of stack for what they
** say: a page more for each idle thread. */
void state_require(lua_State *L) {
  if (cr_lua_lent.module && cr_lua_lent.module(L, lua_tostring(L, -1))) {
    lua_remove(L, -2);
    return;
  }
  lua_getglobal(L, "require");
  lua_insert(L, -2);
  lua_call(L, 1, 1);
}
