/* SPDX-License-Identifier: MIT */
/*
** handle: the userdata by which a Lua state holds a shared object.
**
** One state has one handle to an object at most, found by the object's address
** in a table with weak values; so handles compare equal, and what a strand has
** of the object (the permits of a semaphore) is counted in one hold.
**
** An entry may be stale: its handle was closed, and the address is another
** object's now.  So an entry counts only if its handle is to this object.  Lua
** takes a handle out of the table before it runs its finalizer.
**
** Handle types are told apart by comparing the metatable's address with the one
** registered for the type: no string, no search.  The handles that were checked
** lately are known by their address alone: an entry is made for an open handle,
** and `collect`, the only one that closes a handle and the last thing that
** happens to it before Lua frees its memory, takes the entry out.  So an entry's
** address is that of the same handle, still open.  Should a script take away a
** handle's finalizer with debug.setmetatable, the memory may become another
** userdata; that one does not begin with the address of the entry's object, which
** nobody gives back then.
*/
#include <limits.h>

#include "codec/inside.h"

/* The module that registers the metatable of a type's handles; NULL: none does. */
static const char *const modules[CR_TYPES] = {
    [CR_LOCK] = "conrun.lock",           [CR_CONDITION] = "conrun.condition",
    [CR_SEMAPHORE] = "conrun.semaphore", [CR_EVENT] = "conrun.event",
    [CR_BARRIER] = "conrun.barrier",     [CR_QUEUE] = "conrun.queue",
    [CR_PIPE] = "conrun.pipe",           [CR_FUTURE] = "conrun.future",
    [CR_VALUE] = "conrun.shared",        [CR_ARRAY] = "conrun.shared",
    [CR_LIST] = "conrun.shared",         [CR_DICT] = "conrun.shared",
    [CR_WORKER] = "conrun.worker",       [CR_POOL] = "conrun.pool",
    [CR_BUFFER] = "conrun.shared",
};

/* --------------------------------------------------------------------- types */

static known_handle *known(const cr_handle *h) {
  return &cr_lua->codec->known[((uintptr_t)h >> 4) % KNOWN_HANDLES];
}

static void forget(const cr_handle *h) {
  if (known(h)->handle == h) known(h)->handle = NULL;
}

/* Is the running function called by the collector, as a finalizer? */
static bool finalizes(lua_State *L) {
  lua_Debug ar;
  return lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar) && ar.name &&
         strcmp(ar.name, "__gc") == 0 && strcmp(ar.namewhat, "metamethod") == 0;
}

void cr_handle_close(cr_handle *h) {
  cr_hold *hold = h->hold;
  cr_lua->closed++;
  forget(h);
  h->object = NULL;
  h->hold = NULL;
  if (!cr_stray) cr_object_forget(hold);
}

/* The finalizer of handles.  A script can call it too, by the metatable and with any
** value; then it does nothing.  For a binding further down the stack may be at work with
** the handle's object (a callback, a function that a dict's `update` calls): the object
** must not go before the handle is out of reach for everybody. */
static int collect(lua_State *L) {
  cr_handle *h = cr_handle_test(L, 1, 0);
  if (h && h->hold && finalizes(L)) cr_handle_close(h);
  return 0;
}

void cr_check_part(lua_State *L) {
  if (cr_stray)
    cr_raise(L, "cannot use conrun here: a C module has forked this process from a program "
                "that was using it (fork before that, or start a conrun.process)");
}

/* From now on each check of a handle goes the long way, and raises there. */
void cr_handles_forget(void) {
  if (cr_lua) memset(cr_lua->codec->known, 0, sizeof cr_lua->codec->known);
}

void cr_collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
}

bool cr_make_room(lua_State *L) {
  uint64_t before = cr_lua->closed;
  cr_collect(L);
  return cr_lua->closed != before;
}

#define HEAVY ((size_t)1 << 16) /* bytes; less is not worth a thought */
#define STEP ((size_t)1 << 20)

void cr_weigh(lua_State *L, size_t bytes) {
  if (bytes < HEAVY) return;
  cr_lua->weight += bytes;
  if (cr_lua->weight < STEP || !lua_gc(L, LUA_GCISRUNNING)) return;
  size_t kilobytes = cr_lua->weight >> 10;
  cr_lua->weight = 0;
  lua_gc(L, LUA_GCSTEP, kilobytes < INT_MAX ? (int)kilobytes : INT_MAX);
}

void cr_handle_type(lua_State *L, enum cr_type_id type) {
  if (luaL_getmetafield(L, -1, "__name") == LUA_TNIL) {
    lua_pushstring(L, cr_type_name(type));
    lua_setfield(L, -2, "__name");
  } else {
    lua_pop(L, 1);
  }
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  const void *meta = lua_topointer(L, -1);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX); /* may raise: until then the type has what it had */
  if (cr_lua->meta_ref[type] != LUA_NOREF) luaL_unref(L, LUA_REGISTRYINDEX, cr_lua->meta_ref[type]);
  cr_lua->meta[type] = meta;
  cr_lua->meta_ref[type] = ref;
}

static int require_type(lua_State *L) {
  state_require(L);
  return 0;
}

/* The module registers the type; code objects have no methods and no module.  A type that
** is registered may still lack the methods that are written in Lua: some other part may
** have loaded the C half alone, or an interruption, or want of memory, may have ended the
** loading in the middle.  It counts as whole while it is loaded, for that makes handles. */
static void load_type(lua_State *L, enum cr_type_id type) {
  if (!modules[type]) {
    lua_newtable(L);
    cr_handle_type(L, type);
    cr_lua->whole[type] = true;
    return;
  }
  lua_pushcfunction(L, require_type);
  lua_pushstring(L, modules[type]);
  cr_lua->whole[type] = true;
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    cr_lua->whole[type] = false;
    lua_error(L);
  }
  if (!cr_lua->meta[type])
    cr_raise(L, "module '%s' does not know handles of type '%s'", modules[type],
             cr_type_name(type));
}

/* -------------------------------------------------------------------- making */

cr_handle *cr_handle_new(lua_State *L, enum cr_type_id type) {
  cr_check(type > 0 && type < CR_TYPES);
  cr_check_part(L);
  luaL_checkstack(L, 6, NULL);
  if (!cr_lua->meta[type] || !cr_lua->whole[type]) load_type(L, type);
  cr_handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  cr_lua->opened++;
  *h = (cr_handle){NULL, NULL};
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->meta_ref[type]);
  lua_setmetatable(L, -2);
  return h;
}

void cr_handle_enter(lua_State *L) {
  const cr_handle *h = lua_touserdata(L, -1);
  luaL_checkstack(L, 4, NULL);
  state_table(L, &cr_lua->handles, "v");
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, h->object);
  lua_pop(L, 1);
}

void cr_handle_fill(lua_State *L, cr_handle *h, void *object_in_hand) {
  if (!object_in_hand) raise_memory(L);
  h->hold = cr_object_born(object_in_hand);
  h->object = object_in_hand;
  if (lua_touserdata(L, -1) == h) cr_handle_enter(L);
}

/* Pushes the handle that this state has already; otherwise nothing. */
static bool push_existing(lua_State *L, const cr_object *o) {
  if (cr_lua->handles == LUA_NOREF) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr_lua->handles);
  lua_rawgetp(L, -1, o);
  lua_remove(L, -2);
  const cr_handle *h = lua_touserdata(L, -1);
  if (h && h->object == o) return true;
  lua_pop(L, 1);
  return false;
}

bool cr_handle_push_known(lua_State *L, const cr_object *o) {
  luaL_checkstack(L, 4, NULL);
  return push_existing(L, o);
}

void cr_handle_push(lua_State *L, cr_object *o) {
  luaL_checkstack(L, 6, NULL);
  if (push_existing(L, o)) return;
  cr_handle *h = cr_handle_new(L, (enum cr_type_id)o->type);
  h->hold = cr_hold_kept(o);
  if (!h->hold) h->hold = cr_object_hold(o);
  if (!h->hold) raise_memory(L);
  h->object = o;
  cr_handle_enter(L);
}

/* The holding is given to the handle as soon as there is one: no error after
** that can lose it. */
static int adopt(lua_State *L) {
  cr_hold **hold = lua_touserdata(L, 1);
  cr_object *o = lua_touserdata(L, 2);
  if (push_existing(L, o)) return 1;
  cr_handle *h = cr_handle_new(L, (enum cr_type_id)o->type);
  h->hold = cr_hold_kept(o);
  h->object = o;
  if (!h->hold) {
    h->hold = *hold;
    *hold = NULL;
  }
  cr_handle_enter(L);
  return 1;
}

void cr_handle_push_held(lua_State *L, cr_hold *hold) {
  cr_object *o = cr_held_object(hold);
  int status = LUA_ERRMEM;
  if (lua_checkstack(L, 8)) {
    lua_pushcfunction(L, adopt);
    lua_pushlightuserdata(L, &hold);
    lua_pushlightuserdata(L, o);
    status = lua_pcall(L, 2, 1, 0);
  } else {
    lua_pop(L, 1); /* of the caller's: the error takes its place */
    lua_pushliteral(L, "stack overflow");
  }
  if (hold) cr_object_drop(hold);
  if (status != LUA_OK) lua_error(L);
}

/* ------------------------------------------------------------------ checking */

/* The metatable's address of a full userdata at `index`, or NULL. */
static const void *metatable(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
  const void *meta = lua_topointer(L, -1);
  lua_pop(L, 1);
  return meta;
}

/* A light userdata with the address of a known handle would do as well. */
static const known_handle *find_known(const cr_handle *h) {
  const known_handle *k = known(h);
  return h && k->handle == h && h->object == k->object ? k : NULL;
}

cr_handle *cr_handle_test(lua_State *L, int index, int type) {
  const known_handle *k = find_known(lua_touserdata(L, index));
  if (k && (type == 0 || type == (int)k->type)) return (cr_handle *)k->handle;
  const void *meta = metatable(L, index);
  if (!meta) return NULL;
  if (type) return meta == cr_lua->meta[type] ? lua_touserdata(L, index) : NULL;
  for (int i = 1; i < CR_TYPES; i++)
    if (meta == cr_lua->meta[i]) return lua_touserdata(L, index);
  return NULL;
}

cr_handle *cr_handle_check_open(lua_State *L, int index, enum cr_type_id type) {
  cr_handle *h = cr_handle_test(L, index, (int)type);
  cr_check_part(L);
  if (h && h->object) {
    cr_point(CR_AT_USE, h->object);
    return h;
  }
  if (!h) luaL_typeerror(L, index, cr_type_name(type));
  luaL_argerror(L, index, lua_pushfstring(L, "the %s is closed", cr_type_name(type)));
  return NULL;
}

static void *check_and_remember(lua_State *L, int index, enum cr_type_id type) {
  const cr_handle *h = cr_handle_check_open(L, index, type);
  if (!h) return NULL;
  *known(h) = (known_handle){h, h->object, type};
  return h->object;
}

void *cr_handle_check(lua_State *L, int index, enum cr_type_id type) {
  const known_handle *k = find_known(lua_touserdata(L, index));
  if (k && k->type == type) {
    cr_point(CR_AT_USE, k->object);
    return k->object;
  }
  return check_and_remember(L, index, type);
}
