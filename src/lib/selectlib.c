/* SPDX-License-Identifier: MIT */
/*
** selectlib: module "conrun.select": waits for the first of several objects.
**
** The strand asks every object of the list to ring its bell at the next change,
** then looks at each, and sleeps on the bell only if none is ready.  A change
** between asking and sleeping has rung the bell, so none is missed.  The list
** is read anew in each round, for callbacks may run in between.
**
** Ready means that the obvious call would not wait: a queue or pipe has an item
** or is closed, an event is set, a future is settled, a worker is over.
*/
#include "lib/lib.h"

bool cr_select_ready(cr_object *o) {
  switch (o->type) {
  case CR_EVENT: return cr_event_is_set((cr_event *)o);
  case CR_QUEUE: return cr_queue_size((cr_queue *)o) > 0 || cr_queue_closed((cr_queue *)o);
  case CR_FUTURE: cr_future_ask((cr_future *)o); return cr_future_done((cr_future *)o);
  case CR_WORKER: return cr_worker_over((cr_worker *)o);
  case CR_PIPE: return cr_pipe_poll((cr_pipe *)o, 0) != ETIMEDOUT;
  default: return false;
  }
}

/* NULL: no object that becomes ready. */
cr_object *cr_select_watched(cr_object *o) {
  switch (o->type) {
  case CR_EVENT:
  case CR_QUEUE:
  case CR_FUTURE:
  case CR_WORKER: return o;
  case CR_PIPE: return cr_pipe_incoming((cr_pipe *)o);
  default: return NULL;
  }
}

cr_object *cr_select_check(lua_State *L, lua_Integer i, int arg) {
  cr_handle *h = cr_handle_test(L, -1, 0);
  cr_check_part(L);
  if (h && h->object && cr_select_watched(h->object)) {
    cr_point(CR_AT_USE, h->object);
    return h->object;
  }
  const char *got = luaL_tolstring(L, -1, NULL);
  lua_pushfstring(L, "item %I is no worker, future, queue, event or receiving pipe end but %s", i,
                  got);
  luaL_argerror(L, arg, lua_tostring(L, -1));
  return NULL;
}

/* Pushes item `i` of the list and returns its object. */
static cr_object *push_object(lua_State *L, lua_Integer i) {
  lua_geti(L, 1, i);
  return cr_select_check(L, i, 1);
}

/* Pushes the first ready object and its index; otherwise all are watched. */
static bool push_ready(lua_State *L, cr_several *s, bool watch) {
  s->count = (size_t)luaL_len(L, 1);
  for (lua_Integer i = 1; i <= (lua_Integer)s->count; i++) {
    cr_object *o = push_object(L, i);
    if (watch) cr_object_watch(cr_select_watched(o));
    if (cr_select_ready(o)) {
      s->owed = o->type == CR_FUTURE && cr_has_callbacks(lua_touserdata(L, -1));
      lua_pushinteger(L, i);
      return true;
    }
    lua_pop(L, 1);
  }
  return false;
}

static cr_future *future_at(lua_State *L, const cr_several *s, size_t i) {
  (void)s;
  cr_object *o = push_object(L, (lua_Integer)i + 1);
  return o->type == CR_FUTURE ? (cr_future *)o : NULL;
}

/* select(list [,t]) -> object, index | nil, "timeout" */
static int wait_first(lua_State *L) {
  cr_several s = {.look = push_ready, .future = future_at};
  luaL_checktype(L, 1, LUA_TTABLE);
  cr_time deadline = cr_check_timeout(L, 2);
  luaL_argcheck(L, luaL_len(L, 1) > 0, 1, "the list is empty: there is nothing to wait for");
  return cr_await_first(L, &s, deadline) ? 2 : cr_outcome(L, true, ETIMEDOUT);
}

/* conrun.select(list) itself: the module is callable. */
static int call(lua_State *L) {
  lua_remove(L, 1);
  return wait_first(L);
}

static const luaL_Reg functions[] = {
    {"select", wait_first}, {"new", cr_selector_new}, {NULL, NULL}};

int luaopen_conrun_select(lua_State *L) {
  luaL_newlib(L, functions);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, call);
  lua_setfield(L, -2, "__call");
  lua_setmetatable(L, -2);
  return 1;
}
