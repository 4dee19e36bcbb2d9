/* SPDX-License-Identifier: MIT */
/*
** queuelib: module "conrun.queue".
**
** A put encodes first and touches the queue afterwards, so that a value that
** cannot be sent raises and leaves the queue as it was.  Both directions try
** first; only who has to wait notes the Lua line and puts what it carries into
** a box, because handling a notice may raise.
**
** put_many and get_many move values in batches through the queue's own
** operations for several items, one latch and one wake-up per batch.
*/
#include "lib/lib.h"

#define BATCH 64
#define BATCH_TYPE "conrun.batch"

static cr_queue *check(lua_State *L) { return cr_handle_check(L, 1, CR_QUEUE); }

static bool is_priority(const cr_queue *q) { return cr_queue_kind(q) == CR_PRIORITY; }

/* --------------------------------------------------------- module functions */

/* As in Python, no bound and a bound of 0 or less mean the same. */
static int make(lua_State *L, enum cr_queue_order order) {
  cr_check_most(L, 1);
  lua_Integer maxsize = luaL_optinteger(L, 1, 0);
  cr_handle *h = cr_handle_new(L, CR_QUEUE);
  cr_queue *q;
  cr_make(L, q, cr_queue_new(order, maxsize > 0 ? (uint64_t)maxsize : 0));
  cr_handle_fill(L, h, q);
  return 1;
}

static int queue_new(lua_State *L) {
  cr_called(L, queue_new);
  return make(L, CR_FIFO);
}
static int queue_lifo(lua_State *L) { return make(L, CR_LIFO); }
static int queue_priority(lua_State *L) { return make(L, CR_PRIORITY); }

/* ---------------------------------------------------------------- put and get */

/* What could not be put at once waits in a box. */
static int put_waiting(lua_State *L, cr_queue *q, const cr_value *v, cr_priority priority,
                       cr_time deadline) {
  cr_value *box = cr_value_box(L, v);
  int r;
  cr_here(L);
  while ((r = cr_queue_put(q, box, priority, deadline)) == EINTR) cr_look_up(L);
  if (r == 0) box->kind = CR_V_NONE;
  return r;
}

/* q:put(v [,t]), for a priority queue q:put(v, priority [,t]) */
static int m_put(lua_State *L) {
  cr_queue *q = check(L);
  luaL_checkany(L, 2);
  cr_priority priority = 0;
  int last = 3;
  if (is_priority(q)) {
    priority = lua_isinteger(L, 3) ? (cr_priority)lua_tointeger(L, 3) : luaL_checknumber(L, 3);
    luaL_argcheck(L, priority == priority, 3, "a priority must not be NaN");
    last = 4;
  }
  cr_time deadline = cr_check_timeout(L, last);
  cr_value v;
  cr_encode(L, 2, 1, "value", &v);
  size_t weight = v.kind == CR_V_MESSAGE ? v.message->length : 0;
  int r;
  if (weight > 0) cr_parcel(&v);
  cr_try(L, r, cr_queue_put(q, &v, priority, 0));
  if (r == ETIMEDOUT && deadline != 0)
    r = put_waiting(L, q, &v, priority, deadline);
  else if (r)
    cr_value_free(&v);
  cr_due(L);
  if (r) return cr_outcome(L, false, r);
  cr_weigh(L, weight);
  lua_pushboolean(L, true);
  return 1;
}

/* 0, ETIMEDOUT or ESHUTDOWN, or raises. */
static int get(lua_State *L, cr_queue *q, cr_value *v, cr_time deadline) {
  cr_may_take(L);
  int r;
  cr_try(L, r, cr_queue_get(q, v, 0));
  if (r == ETIMEDOUT && deadline != 0) {
    cr_here(L);
    while ((r = cr_queue_get(q, v, deadline)) == EINTR) cr_look_up(L);
  }
  return r;
}

static int m_get(lua_State *L) {
  cr_queue *q = check(L);
  cr_value v;
  int r = get(L, q, &v, cr_check_timeout(L, 2));
  int n = r ? cr_outcome(L, true, r) : cr_receive(L, &v);
  cr_due(L);
  return n;
}

/* q:peek([t]) -> v | nil, "timeout" | "closed": what get would give; it stays. */
static int m_peek(lua_State *L) {
  cr_queue *q = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  cr_value v;
  int r;
  cr_try(L, r, cr_queue_peek(q, &v, 0));
  if (r == ETIMEDOUT && deadline != 0) {
    cr_here(L);
    while ((r = cr_queue_peek(q, &v, deadline)) == EINTR) cr_look_up(L);
  }
  int n = r ? cr_outcome(L, true, r) : cr_receive(L, &v);
  cr_due(L);
  return n;
}

/* A step of a loop over the items; a nil item cannot be told from the end. */
static int push_next(lua_State *L, cr_queue *q) {
  cr_value v;
  int r = get(L, q, &v, CR_FOREVER);
  if (r == ESHUTDOWN) return 0;
  if (r) return cr_fail(L, r);
  int n = cr_receive(L, &v);
  cr_due(L);
  if (lua_isnil(L, -n)) return cr_raise(L, "a nil in the queue: items cannot go on, use get");
  return n;
}

/* The iterator of q:items(). */
static int next_item(lua_State *L) {
  return push_next(L, cr_handle_check(L, lua_upvalueindex(1), CR_QUEUE));
}

/* for v in q do: the queue is its own iterator. */
static int m_call(lua_State *L) { return push_next(L, check(L)); }

static int m_items(lua_State *L) {
  check(L);
  lua_settop(L, 1);
  lua_pushcclosure(L, next_item, 1);
  return 1;
}

/* ------------------------------------------------------------------- batches */

/* Values in the hands of the binding, owned by a to-be-closed userdata. */
typedef struct batch {
  size_t first, count; /* those from first to count - 1 are still ours */
  bool hole;           /* one that was taken is nil */
  cr_value value[BATCH];
} batch;

static int batch_free(lua_State *L) {
  batch *b = luaL_testudata(L, 1, BATCH_TYPE);
  while (b && !cr_stray && b->first < b->count) cr_value_free(&b->value[b->first++]);
  return 0;
}

static batch *batch_new(lua_State *L) {
  batch *b = lua_newuserdatauv(L, sizeof *b, 0);
  b->first = b->count = 0;
  b->hole = false;
  if (luaL_newmetatable(L, BATCH_TYPE)) {
    lua_pushcfunction(L, batch_free);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, batch_free);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  return b;
}

/* Fills the batch with list items from position `at` on, up to `n`. */
static void batch_fill(lua_State *L, batch *b, lua_Integer at, lua_Integer n) {
  b->first = b->count = 0;
  for (; at <= n && b->count < BATCH; at++) {
    lua_geti(L, 2, at);
    cr_encode_kept(L, lua_gettop(L), "item", &b->value[b->count]);
    b->count++;
    lua_pop(L, 1);
  }
}

/* Puts the whole batch: as much as fits at once, and waits with the next one. */
static int batch_put(lua_State *L, cr_queue *q, batch *b, cr_time deadline) {
  while (b->first < b->count) {
    b->first += cr_queue_put_some(q, &b->value[b->first], b->count - b->first);
    if (b->first == b->count) return 0;
    int r = cr_queue_put(q, &b->value[b->first], 0, deadline);
    if (r == EINTR)
      cr_look_up(L);
    else if (r)
      return r;
    else
      b->first++;
  }
  return 0;
}

/* q:put_many(list [,t]) -> true | false, "timeout" | "closed", number put */
static int m_put_many(lua_State *L) {
  cr_queue *q = check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (is_priority(q)) return cr_raise(L, "put_many is not for priority queues: use put");
  cr_time deadline = cr_check_timeout(L, 3);
  lua_Integer n = cr_list_length(L, 2), put = 0;
  batch *b = batch_new(L);
  cr_here(L);
  while (put < n) {
    batch_fill(L, b, put + 1, n);
    int r = batch_put(L, q, b, deadline);
    put += (lua_Integer)b->first;
    cr_due(L);
    if (r == 0) continue;
    cr_outcome(L, false, r);
    lua_pushinteger(L, put);
    return 3;
  }
  lua_pushboolean(L, true);
  return 1;
}

/* The value becomes the item at `i` of the list on top of the stack. */
static void put_item(lua_State *L, batch *b, cr_value *v, lua_Integer i) {
  cr_receive(L, v);
  if (lua_isnil(L, -1)) b->hole = true;
  lua_rawseti(L, -2, i);
}

/* Moves what is there now into the list on top of the stack, at most `n`. */
static size_t take_some(lua_State *L, cr_queue *q, batch *b, lua_Integer have, size_t n) {
  b->first = 0;
  b->count = 0;
  b->count = cr_queue_get_some(q, b->value, n < BATCH ? n : BATCH);
  for (size_t i = 0; i < b->count; i++) {
    b->first = i + 1; /* the decode takes it, also when it raises */
    put_item(L, b, &b->value[i], have + (lua_Integer)i + 1);
  }
  return b->count;
}

/* q:get_many(max [,t]) -> a list of 1..max items | nil, "timeout" | "closed":
** waits until one is there, then takes what is there without waiting. */
static int m_get_many(lua_State *L) {
  cr_queue *q = check(L);
  lua_Integer max = luaL_checkinteger(L, 2);
  luaL_argcheck(L, max >= 1, 2, "ask for 1 item or more");
  cr_time deadline = cr_check_timeout(L, 3);
  batch *b = batch_new(L);
  lua_newtable(L);
  cr_may_take(L);
  lua_Integer have = (lua_Integer)take_some(L, q, b, 0, (size_t)max);
  if (have == 0) {
    int r = get(L, q, &b->value[0], deadline);
    if (r) return cr_outcome(L, true, r);
    put_item(L, b, &b->value[0], ++have);
  }
  while (have < max) {
    size_t more = take_some(L, q, b, have, (size_t)(max - have));
    if (more == 0) break;
    have += (lua_Integer)more;
  }
  if (b->hole) cr_list_seal(L, -1, have);
  cr_due(L);
  return 1;
}

/* ------------------------------------------------------------- size and state */

/* The queue that is asked something: who only polls it comes to its callbacks too. */
static cr_queue *ask(lua_State *L) {
  cr_queue *q = check(L);
  cr_due(L);
  return q;
}

static int m_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cr_queue_size(ask(L)));
  return 1;
}

static int m_empty(lua_State *L) {
  lua_pushboolean(L, cr_queue_size(ask(L)) == 0);
  return 1;
}

static int m_full(lua_State *L) {
  cr_queue *q = ask(L);
  uint64_t max = cr_queue_maxsize(q);
  lua_pushboolean(L, max != 0 && cr_queue_size(q) >= max);
  return 1;
}

static int m_maxsize(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cr_queue_maxsize(check(L)));
  return 1;
}

static int m_closed(lua_State *L) {
  lua_pushboolean(L, cr_queue_closed(ask(L)));
  return 1;
}

static int m_task_done(lua_State *L) {
  int r = cr_queue_task_done(check(L));
  if (r == ERANGE) return cr_raise(L, "task_done called more often than items were put");
  return r ? cr_fail(L, r) : 0;
}

static int m_join(lua_State *L) {
  cr_queue *q = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  int r = cr_queue_join(q, 0);
  if (r == ETIMEDOUT && deadline != 0) {
    cr_here(L);
    while ((r = cr_queue_join(q, deadline)) == EINTR) cr_look_up(L);
  }
  cr_due(L);
  if (r) return cr_outcome(L, false, r);
  lua_pushboolean(L, true);
  return 1;
}

static int m_close(lua_State *L) {
  static const char *const known[] = {"now", NULL};
  cr_queue *q = check(L);
  bool now = false;
  if (!lua_isnoneornil(L, 2)) {
    cr_check_options(L, 2, known);
    now = cr_option_boolean(L, 2, "now", false);
  }
  cr_queue_close(q, now);
  return 0;
}

/* __close(queue, error): nothing more comes.  After an error the items are nobody's. */
static int leave(lua_State *L) {
  if (!cr_stray) cr_queue_close(check(L), !lua_isnoneornil(L, 2));
  return 0;
}

static int m_tostring(lua_State *L) {
  cr_queue *q = check(L);
  const char *state = lua_pushfstring(L, "%I items%s", (lua_Integer)cr_queue_size(q),
                                      cr_queue_closed(q) ? ", closed" : "");
  cr_handle_text(L, (const cr_object *)q, state);
  return 1;
}

static const luaL_Reg functions[] = {
    {"new", queue_new}, {"lifo", queue_lifo}, {"priority", queue_priority}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"put", m_put},           {"get", m_get},     {"put_many", m_put_many},
    {"get_many", m_get_many}, {"items", m_items}, {"size", m_size},
    {"empty", m_empty},       {"full", m_full},   {"maxsize", m_maxsize},
    {"closed", m_closed},     {"join", m_join},   {"task_done", m_task_done},
    {"close", m_close},       {"peek", m_peek},   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", m_tostring},
                                {"__len", m_size},
                                {"__call", m_call},
                                {"__close", leave},
                                {NULL, NULL}};

int luaopen_conrun_queue(lua_State *L) {
  luaL_newlib(L, functions);
  cr_lib_type(L, CR_QUEUE, methods, meta);
  cr_answers_module(L, "conrun.queue");
  return 1;
}
