/* SPDX-License-Identifier: MIT */
/*
** maplib: whole lists through a pool; part of conrun.core.pool.
**
** A mapping is one call of map or imap on its way: a ring of the chunks that
** were posted and not collected, oldest first.
**
**   post       encodes a slice of the items as one task, whose worker applies
**              the function to each; a new chunk at the end of the ring
**   collect    takes the oldest chunk, waits for it, decodes its results
**   collect_any  the same with whichever is final first
**   run        the loop of both for a whole list, for map
**
** Chunks are futures, but no Lua handle is made for them and no table for an
** item: the ring has the holdings, and values go from the list into the message
** and from the message into the list.  That, and that small tasks are posted some at
** a time, is what makes them cheap.
**
** Leaving a mapping (its <close>, or __gc) cancels what still waits in the
** pool's line and drops the holdings.
**
** While an iteration takes its next step other code of the program may run: the
** items' own iterator, callbacks during the wait.  Should that step or leave the same
** iteration, the chunk that is waited for would go.  So a step is a turn: stepping
** within a turn is refused, leaving is put off to the turn's end.  In the same way each
** function here that waits for a chunk or decodes it is at work until it returns or
** raises, and the ring is left alone by all others meanwhile.
*/
#include "lib/map.h"

#define MAPPING "conrun.mapping"
#define TURN "conrun.mapping.turn"
#define WORK "conrun.mapping.work"
#define ROOM_MOST 65536 /* chunks in a ring */
enum {
  MAPPING_POOL = 1, /* user values */
  MAPPING_CODE,
  MAPPING_TURN, /* what closes a turn; made with the mapping, whose it is */
  MAPPING_WORK, /* the same for a function that is at work */
  MAPPING_VALUES = MAPPING_WORK
};

typedef struct chunk {
  cr_future *future; /* NULL: it was collected */
  cr_hold *hold;
  lua_Integer first, count; /* items, from 1 */
} chunk;

typedef struct mapping {
  const cr_handle *pool;
  cr_handle *code; /* kept alive by user values */
  enum cr_task_mode mode;
  size_t room, head, count; /* of the ring: its size, the oldest chunk, how many */
  size_t made;              /* behind these, chunks that are tasks in hand, not posted yet */
  size_t most;              /* chunks that are posted at once */
  lua_Integer newest;       /* the first item of the last chunk of an imap; 0: there was none */
  uint32_t lane;            /* of the pool's line */
  bool turn, busy;          /* a step is being taken; a function is at work with chunks */
  bool left;                /* the mapping is to be left after that */
  chunk ring[];
} mapping;

/* The calling function's first argument, of that type.  The metatable of it is the
** function's first upvalue: to compare the two costs a fifth of finding it by its name, and
** a step of imap checks eight times. */
static void *check_type(lua_State *L, const char *type) {
  void *object = lua_touserdata(L, 1); /* a table may have been given the metatable, too */
  bool same = false;
  if (object && lua_getmetatable(L, 1)) {
    same = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
  }
  return same ? object : luaL_checkudata(L, 1, type);
}

static mapping *check(lua_State *L) { return check_type(L, MAPPING); }

static chunk *chunk_at(mapping *m, size_t i) { return &m->ring[(m->head + i) % m->room]; }

/* The handle may have been collected already when finalizers still run at the state's end. */
static cr_pool *pool_of(lua_State *L, const mapping *m) {
  if (!m->pool->object || !m->code->object) luaL_error(L, "the pool of the mapping is closed");
  return (cr_pool *)m->pool->object;
}

static cr_code *code_of(const mapping *m) { return (cr_code *)m->code->object; }

/* The mapping on the top of the stack gets what closes its turns, or its work. */
static void add_end(lua_State *L, const char *type, int value) {
  lua_newuserdatauv(L, 0, 1);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, type);
  lua_setiuservalue(L, -2, value);
}

/* mapping(pool, fn, star, room, collect, options) -> mapping, for at most `room` chunks; with
** `collect` an item's error is its result; of the options the priority is looked at */
static int new_mapping(lua_State *L) {
  enum {
    POOL = 1,
    FN,
    STAR,
    ROOM,
    COLLECT,
    OPTIONS,
    CODE
  };
  cr_pool_check_rights(L, cr_handle_check(L, POOL, CR_POOL));
  cr_check_callable(L, FN);
  lua_Integer room = luaL_checkinteger(L, ROOM);
  luaL_argcheck(L, room >= 1 && room <= ROOM_MOST, ROOM, "number of chunks out of range");
  uint32_t mode = lua_toboolean(L, STAR) ? CR_MAP_STAR : CR_MAP_LIST;
  if (lua_toboolean(L, COLLECT)) mode |= CR_MAP_COLLECT;
  lua_settop(L, OPTIONS);
  uint32_t lane = lua_istable(L, OPTIONS) ? cr_option_lane(L, OPTIONS) : CR_LANE_USUAL;
  bool bounded = ((cr_pool *)cr_handle_check(L, POOL, CR_POOL))->max_queued > 0;
  cr_pool_keep_up(L, cr_handle_check(L, POOL, CR_POOL), true);
  cr_far(((cr_pool *)cr_handle_check(L, POOL, CR_POOL))->far);
  cr_code_push(L, FN, "function");
  mapping *m = lua_newuserdatauv(L, sizeof *m + (size_t)room * sizeof m->ring[0], MAPPING_VALUES);
  *m = (mapping){.pool = lua_touserdata(L, POOL),
                 .code = lua_touserdata(L, CODE),
                 .mode = (enum cr_task_mode)mode,
                 .most = bounded ? 1 : CR_POST_MOST,
                 .lane = lane,
                 .room = (size_t)room};
  lua_pushvalue(L, POOL);
  lua_setiuservalue(L, -2, MAPPING_POOL);
  lua_pushvalue(L, CODE);
  lua_setiuservalue(L, -2, MAPPING_CODE);
  luaL_setmetatable(L, MAPPING);
  add_end(L, TURN, MAPPING_TURN);
  add_end(L, WORK, MAPPING_WORK);
  return 1;
}

/* The holding goes before anything else can happen to the chunk. */
static void drop_chunk(chunk *c) {
  cr_hold *hold = c->hold;
  c->future = NULL;
  c->hold = NULL;
  cr_object_drop(hold);
}

static void drop_oldest(mapping *m) {
  drop_chunk(chunk_at(m, 0));
  m->head = (m->head + 1) % m->room;
  m->count--;
}

static void discard_made(mapping *m) {
  while (m->made > 0) cr_task_discard(chunk_at(m, m->count + --m->made)->future);
}

static void leave_now(mapping *m) {
  discard_made(m);
  while (m->count > 0) {
    cr_future_cancel(chunk_at(m, 0)->future);
    drop_oldest(m);
  }
  cr_code_done(m->code);
}

/* Leaves it if that was asked for and nobody is in the middle of something. */
static void leave_if_asked(mapping *m) {
  if (!m->left || m->turn || m->busy || cr_stray) return;
  m->left = false;
  leave_now(m);
}

/* __close and __gc; never waits. */
static int leave(lua_State *L) {
  if (cr_stray) return 0;
  mapping *m = check(L);
  m->left = true;
  leave_if_asked(m);
  return 0;
}

static int refuse_step(lua_State *L) {
  luaL_where(L, 2);
  lua_pushliteral(L, "cannot step an iteration from inside of its own step");
  lua_concat(L, 2);
  return lua_error(L);
}

/* turn(mapping) -> a value for <close>: until then the iteration is this step's. */
static int turn(lua_State *L) {
  mapping *m = check(L);
  if (m->turn) return refuse_step(L);
  lua_getiuservalue(L, 1, MAPPING_TURN);
  m->turn = true;
  return 1;
}

static int end_turn(lua_State *L) {
  check_type(L, TURN);
  lua_getiuservalue(L, 1, 1);
  mapping *m = lua_touserdata(L, -1);
  m->turn = false;
  leave_if_asked(m);
  return 0;
}

/* The calling function is at work with the chunks of the mapping at index 1 until it
** returns or raises: a slot on its stack is closed then.  [-0, +1, e] */
static void begin_work(lua_State *L, mapping *m) {
  if (m->busy) refuse_step(L);
  lua_getiuservalue(L, 1, MAPPING_WORK);
  lua_toclose(L, -1);
  m->busy = true;
}

static int end_work(lua_State *L) {
  check_type(L, WORK);
  lua_getiuservalue(L, 1, 1);
  mapping *m = lua_touserdata(L, -1);
  m->busy = false;
  leave_if_asked(m);
  return 0;
}

/* --------------------------------------------------------------------- post */

static cr_future *make_task(lua_State *L, const mapping *m, const items *s, lua_Integer first,
                            lua_Integer count) {
  cr_value v;
  bool far = pool_of(L, m)->far != 0;
  items_encode(L, s, first, count, far, &v);
  cr_future *f = cr_pool_task(L, &v, m->mode);
  f->lane = m->lane;
  cr_future_ask(f); /* the map does */
  return f;
}

/* Nothing can raise between the task and its place in the ring; encoding the items may
** have run code that took the last one. */
static void make_chunk(lua_State *L, mapping *m, const items *s, lua_Integer first,
                       lua_Integer count) {
  cr_future *f = make_task(L, m, s, first, count);
  if (m->count + m->made == m->room) {
    cr_task_discard(f);
    luaL_error(L, "the mapping has no room for another chunk");
  }
  *chunk_at(m, m->count + m->made) = (chunk){f, NULL, first, count};
  m->made++;
}

/* Posts the chunks that were made; EAGAIN: the line is full.  Raises otherwise, and there
** are none. */
static int try_post(lua_State *L, mapping *m) {
  cr_future *f[CR_POST_MOST];
  cr_hold *hold[CR_POST_MOST];
  if (!m->pool->object) discard_made(m);
  cr_pool *p = pool_of(L, m);
  for (size_t i = 0; i < m->made; i++) f[i] = chunk_at(m, m->count + i)->future;
  int r = cr_pool_post(p, code_of(m), f, m->made, hold);
  if (r == EAGAIN) return r;
  if (r) {
    discard_made(m);
    cr_pool_refuse(L, p, r);
  }
  for (size_t i = 0; i < m->made; i++) chunk_at(m, m->count + i)->hold = hold[i];
  m->count += m->made;
  m->made = 0;
  return 0;
}

static int raise_full(lua_State *L) {
  return cr_news_raise(L, "timeout", "the pool's line had no room within the timeout");
}

/* What is made stays the mapping's while it waits for room, and goes with it if the wait
** raises. */
static void post_made(lua_State *L, mapping *m, cr_time until) {
  while (m->made > 0 && try_post(L, m) != 0)
    if (!cr_pool_room(L, pool_of(L, m), until)) {
      discard_made(m);
      raise_full(L);
    }
}

/* Reads items[first ...], so many, from the arguments of the same names. */
static items check_slice(lua_State *L, lua_Integer *first, lua_Integer *count) {
  enum {
    ITEMS = 2,
    FIRST,
    COUNT
  };
  luaL_checkany(L, ITEMS);
  items s = items_open(L, ITEMS);
  *first = luaL_checkinteger(L, FIRST);
  *count = luaL_checkinteger(L, COUNT);
  luaL_argcheck(L, *first >= 1, FIRST, "position out of range");
  luaL_argcheck(L, *count >= 1 && *count <= LUA_MAXINTEGER - *first, COUNT, "number out of range");
  return s;
}

/* pending(mapping) -> how many chunks are in the ring */
static int pending(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->count);
  return 1;
}

/* post(mapping, items, first, count, number, until) -> as pending: a chunk of items[first ...];
** it is item `number` of the call that comes first in it. */
static int post(lua_State *L) {
  mapping *m = check(L);
  lua_Integer first, count, number = luaL_checkinteger(L, 5);
  items s = check_slice(L, &first, &count);
  luaL_argcheck(L, number >= 1 && number <= LUA_MAXINTEGER - count, 5, "number out of range");
  if (m->busy) return refuse_step(L);
  cr_time until = lua_isnoneornil(L, 6) ? CR_FOREVER : cr_check_deadline(L, 6);
  if (number == m->newest) return pending(L); /* the interruption came just behind its post */
  discard_made(m); /* of a post that was interrupted in its wait, and is called again */
  make_chunk(L, m, &s, first, count);
  post_made(L, m, until);
  m->newest = chunk_at(m, m->count - 1)->first = number;
  return pending(L);
}

/* future(mapping, items, first, count) -> a handle to the chunk's future, which
** is not put into the ring: for map_async. */
static int post_future(lua_State *L) {
  cr_hold *hold = NULL;
  const mapping *m = check(L);
  lua_Integer first, count;
  items s = check_slice(L, &first, &count);
  for (bool posted = false; !posted;) {
    cr_pool_room(L, pool_of(L, m), CR_FOREVER);
    cr_future *f = make_task(L, m, &s, first, count);
    if (!m->pool->object) cr_task_discard(f);
    posted = cr_pool_add(L, pool_of(L, m), code_of(m), f, &hold);
  }
  cr_handle_push_held(L, hold);
  return 1;
}

/* ------------------------------------------------------------------ collect */

static bool collects(const mapping *m) { return m->mode & CR_MAP_COLLECT; }

/* Hands out the oldest chunk, which is final: its results into the list at 2,
** from 1 on; pushes its first item and count.  It leaves the ring also when it
** raises, so that an iteration can go on behind the error. */
static int hand_out(lua_State *L, mapping *m) {
  const chunk c = *chunk_at(m, 0);
  bool failed = cr_future_state(c.future) != CR_DONE && !collects(m);
  if (failed)
    cr_future_error(L, c.future);
  else
    results_take(L, c.future, c.count, 2, 1, collects(m));
  drop_oldest(m);
  cr_took();
  if (failed) return lua_error(L);
  lua_pushinteger(L, c.first);
  lua_pushinteger(L, c.count);
  return 2;
}

/* The arguments of the functions below, of which it returns the third. */
static cr_time begin_collect(lua_State *L, mapping *m) {
  luaL_checktype(L, 2, LUA_TTABLE);
  cr_time until = cr_check_deadline(L, 3);
  lua_settop(L, 3);
  if (m->count == 0) luaL_error(L, "no chunk is on its way");
  begin_work(L, m);
  return until;
}

/* collect(mapping, list, until) -> first item, count
** Waits for the oldest chunk; raises its error or "timeout". */
static int collect(lua_State *L) {
  mapping *m = check(L);
  cr_time until = begin_collect(L, m);
  if (cr_future_await(L, chunk_at(m, 0)->future, until) != 0)
    return cr_future_raise(L, chunk_at(m, 0)->future);
  return hand_out(L, m);
}

typedef struct unordered {
  cr_several several; /* the chunks of the ring */
  mapping *mapping;
  size_t final; /* the first of them that is */
} unordered;

static cr_future *chunk_future(lua_State *L, const cr_several *s, size_t i) {
  (void)L;
  return chunk_at(((const unordered *)s)->mapping, i)->future;
}

static bool find_final(lua_State *L, cr_several *s, bool watch) {
  unordered *u = (unordered *)s;
  for (u->final = 0; u->final < s->count; u->final++) {
    cr_future *f = chunk_future(L, s, u->final);
    if (watch) cr_object_watch(&f->object);
    if (cr_future_done(f)) return true;
  }
  return false;
}

/* Waits until one is final and brings it to the front; the others stay in no
** particular order, which nobody asks for. */
static bool front_final(lua_State *L, mapping *m, cr_time until) {
  unordered u = {{.look = find_final, .future = chunk_future, .count = m->count}, m, 0};
  if (!cr_await_first(L, &u.several, until)) return false;
  chunk final = *chunk_at(m, u.final);
  *chunk_at(m, u.final) = *chunk_at(m, 0);
  *chunk_at(m, 0) = final;
  return true;
}

/* collect_any(mapping, list, until): as collect, whichever is first. */
static int collect_any(lua_State *L) {
  mapping *m = check(L);
  cr_time until = begin_collect(L, m);
  if (!front_final(L, m, until)) return cr_future_raise(L, chunk_at(m, 0)->future);
  return hand_out(L, m);
}

/* ---------------------------------------------------------------------- run */

enum {
  RUN_MAPPING = 1,
  RUN_ITEMS,
  RUN_TOTAL,
  RUN_SIZE,
  RUN_UNTIL,
  RUN_PROGRESS
};
enum {
  RUN_RESULTS = RUN_PROGRESS + 1,
  RUN_ERROR
};
#define RESULTS_AT_ONCE (1 << 22) /* what a list says of its length is not to be relied upon */
#define LONG_RING 256             /* chunks: a few less on their way leave no worker without */

/* Small tasks are posted several at a time.  A message may have taken long to encode,
** and an item's own code may wait for an earlier one: then the workers get what
** there is. */
static bool is_time_to_post(const mapping *m, const items *s) {
  const cr_future *newest = chunk_at((mapping *)m, m->count + m->made - 1)->future;
  return m->made >= m->most || s->kind == ITEMS_INDEXED || newest->arguments.kind == CR_V_MESSAGE;
}

/* Makes and posts tasks as long as there are items and the ring has room.  A long
** ring is let run down by some first, for the same reason. */
static lua_Integer fill(lua_State *L, mapping *m, lua_Integer next, cr_time until) {
  lua_Integer total = lua_tointeger(L, RUN_TOTAL), size = lua_tointeger(L, RUN_SIZE);
  size_t some = m->room >= LONG_RING ? CR_POST_MOST : 1;
  if (next > total || m->room - m->count < some) return next;
  items s = items_open(L, RUN_ITEMS);
  while (m->count + m->made < m->room && next <= total) {
    lua_Integer count = total - next + 1 < size ? total - next + 1 : size;
    make_chunk(L, m, &s, next, count);
    next += count;
    if (is_time_to_post(m, &s)) post_made(L, m, until);
  }
  if (m->made > 0) post_made(L, m, until);
  return next;
}

/* Waits for the oldest chunk.  It is asked for the middle one first, because
** every wait costs a wake-up by the worker and a switch to here: when the middle
** one is done, most of those before it are too.  The order of waiting does not
** matter, since a map needs them all. */
static void await_oldest(lua_State *L, mapping *m, cr_time until) {
  cr_future *oldest = chunk_at(m, 0)->future;
  if (cr_future_done(oldest)) return;
  if (m->count > 2 && lua_isnil(L, RUN_PROGRESS))
    cr_future_await(L, chunk_at(m, m->count / 2)->future, until);
  if (cr_future_await(L, oldest, until) != 0) cr_future_raise(L, oldest);
}

/* The first error in the order of the items is kept, the rest is only waited
** for.  A list with a nil in it says in its field `n` how many results it has. */
static void take_oldest(lua_State *L, mapping *m) {
  const chunk *c = chunk_at(m, 0);
  bool failed = cr_future_state(c->future) != CR_DONE && !collects(m);
  if (failed && lua_isnil(L, RUN_ERROR)) {
    cr_future_error(L, c->future);
    lua_replace(L, RUN_ERROR);
  } else if (!failed && lua_isnil(L, RUN_ERROR)) {
    if (results_take(L, c->future, c->count, RUN_RESULTS, c->first, collects(m)))
      cr_list_seal(L, RUN_RESULTS, lua_tointeger(L, RUN_TOTAL));
  }
}

static void tell_progress(lua_State *L, const mapping *m) {
  const chunk *c = &m->ring[m->head];
  if (lua_isnil(L, RUN_PROGRESS)) return;
  lua_pushvalue(L, RUN_PROGRESS);
  lua_pushinteger(L, c->first + c->count - 1);
  lua_call(L, 1, 0);
}

/* run(mapping, items, total, size, until, progress) -> list
** Maps all items in chunks of `size`.  All tasks end before an error is raised;
** a timeout or an interruption leaves at once, and closing the mapping cancels
** what is left. */
static int run(lua_State *L) {
  mapping *m = check(L);
  luaL_checkany(L, RUN_ITEMS);
  cr_time until = cr_check_deadline(L, RUN_UNTIL);
  lua_Integer total = luaL_checkinteger(L, RUN_TOTAL);
  luaL_argcheck(L, total >= 0 && total < LUA_MAXINTEGER, RUN_TOTAL, "number out of range");
  luaL_argcheck(L, luaL_checkinteger(L, RUN_SIZE) >= 1, RUN_SIZE, "size out of range");
  lua_settop(L, RUN_PROGRESS);
  lua_createtable(L, total < RESULTS_AT_ONCE ? (int)total : RESULTS_AT_ONCE, 0);
  lua_pushnil(L);
  begin_work(L, m);
  lua_Integer next = fill(L, m, 1, until);
  while (m->count > 0) {
    await_oldest(L, m, until);
    take_oldest(L, m);
    tell_progress(L, m);
    drop_oldest(m);
    next = fill(L, m, next, until);
  }
  cr_due(L);
  bool failed = !lua_isnil(L, RUN_ERROR);
  lua_settop(L, failed ? RUN_ERROR : RUN_RESULTS);
  return failed ? lua_error(L) : 1;
}

/* take(future, list, at, count, collect) -> is one nil?
** The results of a final chunk, or its error in each place, for map_async. */
static int take(lua_State *L) {
  cr_future *f = cr_handle_check(L, 1, CR_FUTURE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer at = luaL_checkinteger(L, 3), count = luaL_checkinteger(L, 4);
  bool collect = lua_toboolean(L, 5);
  luaL_argcheck(L, at >= 1, 3, "position out of range");
  luaL_argcheck(L, count >= 0 && count <= LUA_MAXINTEGER - at, 4, "number out of range");
  luaL_argcheck(L, cr_future_done(f), 1, "the future is not final");
  lua_pushboolean(L, results_take(L, f, count, 2, at, collect));
  return 1;
}

/* ------------------------------------------------------------------- module */

static const luaL_Reg functions[] = {{"mapping", new_mapping},
                                     {"post", post},
                                     {"future", post_future},
                                     {"collect", collect},
                                     {"run", run},
                                     {"collect_any", collect_any},
                                     {"take", take},
                                     {"pending", pending},
                                     {"turn", turn},
                                     {NULL, NULL}};

static const luaL_Reg meta[] = {{"__close", leave}, {"__gc", leave}, {NULL, NULL}};
static const luaL_Reg turn_meta[] = {{"__close", end_turn}, {NULL, NULL}};
static const luaL_Reg work_meta[] = {{"__close", end_work}, {NULL, NULL}};

/* Pushes the metatable, which its functions have as their upvalue. */
static void open_type(lua_State *L, const char *type, const luaL_Reg *list) {
  luaL_newmetatable(L, type);
  lua_pushvalue(L, -1);
  luaL_setfuncs(L, list, 1);
}

void cr_map_open(lua_State *L) {
  open_type(L, TURN, turn_meta);
  open_type(L, WORK, work_meta);
  lua_pop(L, 2);
  open_type(L, MAPPING, meta);
  luaL_setfuncs(L, functions, 1);
}
