/* SPDX-License-Identifier: MIT */
/*
** gather: waiting for the first of many futures, again and again until none is left: what
** as_completed and wait (lua/conrun/future.lua) stand on.
**
** The first call is a pass over the list that moves the final futures out and asks each
** other to ring this strand's bell.  From then on whoever settles one leaves its number in
** the strand's record (arena/told.c), so a call costs what has become final and not what
** is left.  A future changes once, so it is watched once.  The list is passed over again
** where the numbers may not be all: some found no place; another wait of this strand took
** some; or the caller is another strand, to which the iteration was sent.
**
** Arguments of `gather`:
**
**   PENDING   the list; what was taken out of it is `false`, until a pass closes the gaps
**   READY     gets those that are final behind what is there, in the order in which they
**             became it
**   KNOWN     serial number -> place in PENDING of each that is watched; and under keys that
**             no serial number has, LEFT: how many are pending; FOUND: how many are in READY;
**             OWNER: the strand for which all this is so; TAKEN: how often it had taken
**             numbers when this list was told of all
**   UNTIL     the moment
**
** A callback that runs within the wait may gather from the same list, and any step may find
** no memory.  So all that one look must tell the next is in these tables, and a future is in
** PENDING, or counted in READY, at each moment at which an error can come.
*/
#include <stdlib.h>

#include "lib/lib.h"

enum {
  PENDING = 1,
  READY,
  KNOWN,
  UNTIL
};
enum {
  LEFT = 0,
  OWNER = -1,
  TAKEN = -2,
  FOUND = -3
};

typedef struct gathering {
  cr_several several; /* count: places in PENDING */
  lua_Integer before; /* FOUND when the wait began */
} gathering;

static lua_Integer known(lua_State *L, lua_Integer key) {
  lua_rawgeti(L, KNOWN, key);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static void know(lua_State *L, lua_Integer key, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_rawseti(L, KNOWN, key);
}

/* Pushes what is at that place; NULL: it was taken out. */
static const cr_handle *push_pending(lua_State *L, lua_Integer place) {
  bool gone = lua_rawgeti(L, PENDING, place) != LUA_TUSERDATA;
  return gone ? NULL : cr_handle_check_open(L, -1, CR_FUTURE);
}

static cr_future *pending_future(lua_State *L, const cr_several *s, size_t i) {
  (void)s;
  const cr_handle *h = push_pending(L, (lua_Integer)i + 1);
  return h ? (cr_future *)h->object : NULL;
}

static void take_out(lua_State *L, lua_Integer place) {
  lua_pushboolean(L, false);
  lua_rawseti(L, PENDING, place);
}

/* The future on the top of the stack, from that place, is final.  Nothing after READY takes
** memory.  [-1, +0, m] */
static void move_to_ready(lua_State *L, gathering *g, const cr_handle *h, lua_Integer place) {
  lua_Integer found = known(L, FOUND) + 1;
  g->several.owed |= cr_has_callbacks(h);
  lua_pushnil(L);
  lua_rawseti(L, KNOWN, (lua_Integer)h->object->serial);
  lua_rawseti(L, READY, found);
  know(L, FOUND, found);
  know(L, LEFT, known(L, LEFT) - 1);
  take_out(L, place);
}

/* Is it final?  If not, it will be told.  Asked once more, for what came in between. */
static bool is_final(cr_future *f) {
  cr_future_ask(f);
  if (cr_future_done(f)) return true;
  cr_object_watch(&f->object);
  return cr_future_done(f);
}

/* Looks at all, and closes the gaps. */
static void pass_over(lua_State *L, gathering *g) {
  lua_Integer kept = 0, n = (lua_Integer)lua_rawlen(L, PENDING);
  for (lua_Integer i = 1; i <= n; i++) {
    const cr_handle *h = push_pending(L, i);
    if (!h) {
      lua_pop(L, 1);
    } else if (is_final((cr_future *)h->object)) {
      move_to_ready(L, g, h, i);
    } else {
      know(L, (lua_Integer)h->object->serial, kept + 1);
      take_out(L, i);
      lua_rawseti(L, PENDING, ++kept);
    }
  }
  for (lua_Integer i = n; i > kept; i--) { /* nothing is kept of what has been found */
    lua_pushnil(L);
    lua_rawseti(L, PENDING, i);
  }
}

static void take_one(lua_State *L, gathering *g, uint64_t serial) {
  lua_Integer place = known(L, (lua_Integer)serial);
  const cr_handle *h = place > 0 ? push_pending(L, place) : NULL;
  if (!h || !cr_future_done((cr_future *)h->object)) return;
  move_to_ready(L, g, h, place);
}

/* Takes what was told; false: that may not be all.  Before the numbers are taken, the state
** says that they are not: an error between here and the end of the look costs a pass. */
static bool take_told(lua_State *L, gathering *g) {
  cr_told told;
  bool owner = known(L, OWNER) == (lua_Integer)cr_id_of(cr_me);
  uint64_t seen = owner ? (uint64_t)known(L, TAKEN) : CR_TOLD_NEVER;
  int top = lua_gettop(L);
  know(L, OWNER, 0);
  cr_told_take(&told, &seen);
  for (uint32_t i = 0; i < told.n; i++) {
    take_one(L, g, told.serial[i]);
    lua_settop(L, top);
  }
  know(L, TAKEN, (lua_Integer)seen);
  return !told.lost;
}

/* ----------------------------------------------------------------------- order */

typedef struct finished {
  cr_time at;
  lua_Integer place; /* in READY, after the first */
} finished;

static int compare(const void *a, const void *b) {
  const finished *p = a, *q = b;
  return p->at != q->at ? (p->at > q->at) - (p->at < q->at)
                        : (p->place > q->place) - (p->place < q->place);
}

/* Brings the futures of READY after so many into the order in which they became final. */
static void put_in_order(lua_State *L, lua_Integer first) {
  lua_Integer n = known(L, FOUND) - first;
  if (n < 2) return;
  finished *all = lua_newuserdatauv(L, (size_t)n * sizeof *all, 0);
  lua_createtable(L, n < INT32_MAX ? (int)n : 0, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, READY, first + i);
    const cr_future *f = (cr_future *)cr_handle_check_open(L, -1, CR_FUTURE)->object;
    all[i - 1] = (finished){atomic_load(&f->final_at), i};
    lua_rawseti(L, -2, i);
  }
  qsort(all, (size_t)n, sizeof *all, compare);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, all[i - 1].place);
    lua_rawseti(L, READY, first + i);
  }
  lua_pop(L, 2);
}

/* ------------------------------------------------------------------------ look */

static bool look(lua_State *L, cr_several *s, bool watch) {
  gathering *g = (gathering *)s;
  lua_Integer before = known(L, FOUND);
  (void)watch; /* it is one pass in any case: most lists are not final yet */
  if (!take_told(L, g)) pass_over(L, g);
  put_in_order(L, before);
  know(L, OWNER, (lua_Integer)cr_id_of(cr_me));
  g->several.count = (size_t)lua_rawlen(L, PENDING);
  return known(L, FOUND) != g->before || known(L, LEFT) == 0;
}

/* gather(pending, ready, known, until) -> count left, count in ready, in time
** Waits until at least one of the pending futures is final, or none is left.  In a callback
** within the wait somebody may have taken them out of ready, too. */
int cr_gather(lua_State *L) {
  for (int i = PENDING; i <= KNOWN; i++) luaL_checktype(L, i, LUA_TTABLE);
  cr_time until = cr_check_deadline(L, UNTIL);
  lua_settop(L, UNTIL);
  gathering g = {{.look = look, .future = pending_future}, known(L, FOUND)};
  bool in_time = cr_await_first(L, &g.several, until);
  lua_settop(L, UNTIL);
  lua_pushinteger(L, known(L, LEFT));
  lua_pushinteger(L, known(L, FOUND));
  lua_pushboolean(L, in_time);
  return 3;
}
