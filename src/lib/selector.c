/* SPDX-License-Identifier: MIT */
/*
** selector: a list of objects that is kept, of which the next ready one is waited for again
** and again (an event loop's multiplexer).  `conrun.select(list)` looks at every object in
** each call; this looks at those of which it does not know that they are not ready.
**
** Those are in line.  Whoever is not in line is watched and was not ready when that began;
** so when it becomes ready, its number is told to the strand (arena/told.c), which puts it
** in line.  A wait takes the first of the line: if that is ready, it goes to the end of the
** line, so that each has its turn, and is the answer; if not, it is watched, asked once
** more, and leaves the line.  Where numbers may have got lost, all go in line (gather.c says
** when).
**
** A selector is its state's own and is not sent.
**
** User values:
**
**   OBJECTS   place -> handle; false where one was removed: a place is not used again
**   PLACES    serial number of what is watched -> place
**   LINE      userdata: for each place the next in line, or 0: it is not in line
*/
#include <string.h>

#include "lib/lib.h"

#define SELECTOR "conrun.selector"
#define LAST UINT32_MAX /* the next of who is last in line */

enum {
  OBJECTS = 1,
  PLACES,
  LINE
};

typedef struct selector {
  uint32_t places, room; /* given out; in LINE */
  uint32_t live;         /* that have an object */
  uint32_t first, last;  /* in line; 0: nobody is */
  uint64_t taken;        /* how often the strand had taken numbers when it was told of all */
} selector;

typedef struct selection {
  cr_several several; /* count: places */
  selector *s;
  uint32_t *line; /* of the present look */
} selection;

static selector *check(lua_State *L) { return luaL_checkudata(L, 1, SELECTOR); }

/* The line of the selector at index 1; it is kept by that. */
static uint32_t *line_of(lua_State *L) {
  lua_getiuservalue(L, 1, LINE);
  uint32_t *line = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return line;
}

/* --------------------------------------------------------------------- the line */

static void put_in_line(selector *s, uint32_t *line, uint32_t place) {
  if (line[place] != 0) return;
  line[place] = LAST;
  if (s->first == 0)
    s->first = place;
  else
    line[s->last] = place;
  s->last = place;
}

static uint32_t take_first(selector *s, uint32_t *line) {
  uint32_t place = s->first;
  s->first = line[place] == LAST ? 0 : line[place];
  line[place] = 0;
  return place;
}

/* Makes room for one more place; it is 0, as all were. */
static void make_room(lua_State *L, selector *s) {
  if (s->places + 1 < s->room) return;
  uint32_t room = s->room ? 2 * s->room : 16;
  uint32_t *longer = lua_newuserdatauv(L, room * sizeof *longer, 0);
  memset(longer, 0, room * sizeof *longer);
  if (s->room) memcpy(longer, line_of(L), s->room * sizeof *longer);
  lua_setiuservalue(L, 1, LINE);
  s->room = room;
}

/* ------------------------------------------------------------------ its objects */

/* Pushes what is at that place, and returns its object; NULL: it was removed. */
static cr_object *push_at(lua_State *L, uint32_t place) {
  lua_getiuservalue(L, 1, OBJECTS);
  bool gone = lua_rawgeti(L, -1, place) == LUA_TBOOLEAN;
  lua_remove(L, -2);
  return gone ? NULL : cr_select_check(L, place, 1);
}

/* The place of what is watched under that number, or 0. */
static uint32_t place_of(lua_State *L, uint64_t serial) {
  lua_getiuservalue(L, 1, PLACES);
  lua_rawgeti(L, -1, (lua_Integer)serial);
  uint32_t place = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 2);
  return place;
}

static void set_place(lua_State *L, uint64_t serial, uint32_t place) {
  lua_getiuservalue(L, 1, PLACES);
  if (place)
    lua_pushinteger(L, place);
  else
    lua_pushnil(L);
  lua_rawseti(L, -2, (lua_Integer)serial);
  lua_pop(L, 1);
}

static void set_object(lua_State *L, uint32_t place, int value) {
  lua_getiuservalue(L, 1, OBJECTS);
  lua_pushvalue(L, value);
  lua_rawseti(L, -2, place);
  lua_pop(L, 1);
}

/* The object on the top of the stack, which is an item of argument `arg`, gets the next
** place, unless it has one; a new one is in line. */
static uint32_t enter(lua_State *L, selector *s, int arg) {
  int object = lua_gettop(L);
  uint64_t serial = cr_select_watched(cr_select_check(L, s->places + 1, arg))->serial;
  uint32_t place = place_of(L, serial);
  if (place) return place;
  make_room(L, s);
  place = s->places + 1;
  set_object(L, place, object); /* until the place is given out, nobody looks at it */
  set_place(L, serial, place);
  s->places = place;
  s->live++;
  put_in_line(s, line_of(L), place);
  return place;
}

/* --------------------------------------------------------------------- waiting */

static void all_in_line(selection *n) {
  for (uint32_t place = 1; place <= n->s->places; place++) put_in_line(n->s, n->line, place);
}

/* Puts in line what was told. */
static void take_told(lua_State *L, selection *n) {
  cr_told told;
  cr_told_take(&told, &n->s->taken);
  if (told.lost) all_in_line(n);
  for (uint32_t i = 0; i < told.n; i++) {
    uint32_t place = place_of(L, told.serial[i]);
    if (place) put_in_line(n->s, n->line, place);
  }
}

static bool is_ready(cr_object *o) {
  if (cr_select_ready(o)) return true;
  cr_object_watch(cr_select_watched(o)); /* what comes in between is seen by the next look */
  return cr_select_ready(o);
}

/* Pushes the next one in line that is ready, and its place. */
static bool push_next(lua_State *L, cr_several *several, bool watch) {
  selection *n = (selection *)several;
  (void)watch;          /* it is one look in any case */
  n->line = line_of(L); /* a callback may have added objects since the last look */
  several->count = n->s->places;
  take_told(L, n);
  while (n->s->first != 0) {
    uint32_t place = n->s->first;
    cr_object *o = push_at(L, place); /* may raise: then it is in line still */
    take_first(n->s, n->line);
    if (o && is_ready(o)) {
      put_in_line(n->s, n->line, place);
      several->owed = o->type == CR_FUTURE && cr_has_callbacks(lua_touserdata(L, -1));
      lua_pushinteger(L, place);
      return true;
    }
    lua_pop(L, 1);
  }
  return false;
}

static cr_future *future_at(lua_State *L, const cr_several *several, size_t i) {
  (void)several;
  cr_object *o = push_at(L, (uint32_t)i + 1);
  return o && o->type == CR_FUTURE ? (cr_future *)o : NULL;
}

/* wait([timeout]) -> object, place | nil, "timeout" */
static int wait_next(lua_State *L) {
  selection n = {{.look = push_next, .future = future_at}, check(L), NULL};
  cr_time deadline = cr_check_timeout(L, 2);
  luaL_argcheck(L, n.s->live > 0, 1, "the selector is empty: there is nothing to wait for");
  return cr_await_first(L, &n.several, deadline) ? 2 : cr_outcome(L, true, ETIMEDOUT);
}

/* ----------------------------------------------------------------------- methods */

/* add(object) -> place */
static int add(lua_State *L) {
  selector *s = check(L);
  lua_settop(L, 2);
  lua_pushinteger(L, enter(L, s, 2));
  return 1;
}

/* remove(object) -> was it there? */
static int remove_object(lua_State *L) {
  selector *s = check(L);
  lua_settop(L, 2);
  uint64_t serial = cr_select_watched(cr_select_check(L, 1, 2))->serial;
  uint32_t place = place_of(L, serial);
  if (place) {
    lua_pushboolean(L, false);
    set_object(L, place, 3);
    set_place(L, serial, 0);
    s->live--;
  }
  lua_pushboolean(L, place != 0);
  return 1;
}

static int length(lua_State *L) {
  lua_pushinteger(L, check(L)->live);
  return 1;
}

static int text(lua_State *L) {
  lua_pushfstring(L, "selector: %d objects", (int)check(L)->live);
  return 1;
}

static const luaL_Reg methods[] = {
    {"wait", wait_next}, {"add", add}, {"remove", remove_object}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__len", length}, {"__tostring", text}, {NULL, NULL}};

/* new([list]) -> selector */
int cr_selector_new(lua_State *L) {
  bool has_list = !lua_isnoneornil(L, 1);
  if (has_list) luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  selector *s = lua_newuserdatauv(L, sizeof *s, LINE);
  memset(s, 0, sizeof *s);
  lua_insert(L, 1);
  for (int i = OBJECTS; i <= PLACES; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, 1, i);
  }
  if (luaL_newmetatable(L, SELECTOR)) {
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, 1);
  s->taken = CR_TOLD_NEVER;
  lua_settop(L, 2);
  lua_Integer n = has_list ? luaL_len(L, 2) : 0;
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, 2, i);
    enter(L, s, 1);
    lua_settop(L, 2);
  }
  lua_settop(L, 1);
  return 1;
}
