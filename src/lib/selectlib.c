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

static bool is_ready(cr_object *o) {
  switch (o->type) {
  case CR_EVENT: return cr_event_is_set((cr_event *)o);
  case CR_QUEUE: return cr_queue_size((cr_queue *)o) > 0 || cr_queue_closed((cr_queue *)o);
  case CR_FUTURE: return cr_future_done((cr_future *)o);
  case CR_WORKER: return cr_worker_over((cr_worker *)o);
  case CR_PIPE: return cr_pipe_poll((cr_pipe *)o, 0) != ETIMEDOUT;
  default: return false;
  }
}

/* What changes when the object becomes ready; NULL: it never does. */
static cr_object *to_watch(cr_object *o) {
  switch (o->type) {
  case CR_EVENT:
  case CR_QUEUE:
  case CR_FUTURE:
  case CR_WORKER: return o;
  case CR_PIPE: return cr_pipe_incoming((cr_pipe *)o);
  default: return NULL;
  }
}

/* Pushes item `i` of the list and returns its object. */
static cr_object *push_object(lua_State *L, lua_Integer i) {
  lua_geti(L, 1, i);
  cr_handle *h = cr_handle_test(L, -1, 0);
  if (h && h->object && to_watch(h->object)) return h->object;
  const char *got = luaL_tolstring(L, -1, NULL);
  lua_pushfstring(L, "item %I is no worker, future, queue, event or receiving pipe end but %s", i,
                  got);
  luaL_argerror(L, 1, lua_tostring(L, -1));
  return NULL;
}

/* Pushes the first ready object and its index; otherwise all are watched. */
static bool push_ready(lua_State *L, lua_Integer n, bool watch) {
  for (lua_Integer i = 1; i <= n; i++) {
    cr_object *o = push_object(L, i);
    if (watch) cr_object_watch(to_watch(o));
    if (is_ready(o)) {
      lua_pushinteger(L, i);
      return true;
    }
    lua_pop(L, 1);
  }
  return false;
}

/* The record of the wait is taken back before anything may raise: cr_look_up
** runs outside of it. */
static int sleep_on_bell(uint32_t seen, cr_time deadline) {
  cr_wait_begin(CR_ON_SELECT, NULL, NULL);
  int r = cr_bell_wait(seen, deadline);
  cr_wait_end(true);
  return r;
}

/* select(list [,t]) -> object, index | nil, "timeout" */
static int wait_first(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  cr_time deadline = cr_check_timeout(L, 2);
  luaL_argcheck(L, luaL_len(L, 1) > 0, 1, "the list is empty: there is nothing to wait for");
  if (push_ready(L, luaL_len(L, 1), deadline != 0)) return 2;
  if (deadline == 0) return cr_outcome(L, true, ETIMEDOUT);
  cr_here(L);
  for (;;) {
    uint32_t seen = cr_bell();
    if (push_ready(L, luaL_len(L, 1), true)) return 2;
    int r = sleep_on_bell(seen, deadline);
    if (r == EINTR)
      cr_look_up(L);
    else if (r)
      return cr_outcome(L, true, r);
  }
}

/* conrun.select(list) itself: the module is callable. */
static int call(lua_State *L) {
  lua_remove(L, 1);
  return wait_first(L);
}

static const luaL_Reg functions[] = {{"select", wait_first}, {NULL, NULL}};

int luaopen_conrun_select(lua_State *L) {
  luaL_newlib(L, functions);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, call);
  lua_setfield(L, -2, "__call");
  lua_setmetatable(L, -2);
  return 1;
}
