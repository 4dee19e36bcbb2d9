/* SPDX-License-Identifier: MIT */
/*
** tasks: what a carrier and an agent do with pools, whose tasks are bytes for both.
**
** The carrier (line/carry.c) takes tasks from the line of its own pool, reads what they are
** to be computed from, and settles them with what comes back.  The agent makes tasks for a
** pool of its own machine from such bytes, and reads what became of them.  Nothing is
** decoded here, so no code of the user runs in either.
*/
#include <string.h>

#include "net/inside.h"

static cr_pool *own_pool(lua_State *L) {
  cr_pool *p = cr_at(cr_pool, &cr_in_worker(cr_me)->serves);
  if (!p || p->far != CR_CARRIED) luaL_error(L, "only a carrier can do that");
  return p;
}

static cr_future *check(lua_State *L) { return cr_handle_check(L, 1, CR_FUTURE); }

/* The carrier's own task: nobody else lets go of its parts. */
static cr_future *carried(lua_State *L) {
  cr_future *f = check(L);
  if (atomic_load(&f->runner) != cr_id_of(cr_me)) luaL_error(L, "it is not this strand's task");
  return f;
}

/* ------------------------------------------------------------------ carrier */

/* carry(pool): its worker is a carrier; starts it.  By the pool's maker, before anything
** else is done with it. */
static int carry(lua_State *L) {
  cr_pool *p = cr_handle_check(L, 1, CR_POOL);
  p->far = CR_CARRIED;
  cr_pool_fill(p);
  return 0;
}

/* config(pool) -> what its carrier was started with */
static int config(lua_State *L) {
  const cr_pool *p = cr_handle_check(L, 1, CR_POOL);
  if (p->far != CR_CARRIED) return 0;
  return cr_decode_borrowed(L, &p->initargs);
}

/* slots(n): so many tasks are computed at once. */
static int slots(lua_State *L) {
  atomic_store(&own_pool(L)->slots, (uint64_t)luaL_checkinteger(L, 1));
  return 0;
}

/* task() -> a task, its mode, its code's number, the size of its arguments | nothing: none
** now */
static int take_task(lua_State *L) {
  cr_pool *p = own_pool(L);
  cr_handle *h = cr_handle_new(L, CR_FUTURE);
  int r = cr_pool_carry(p, &h->hold);
  if (r == EAGAIN || r == ESHUTDOWN) return 0;
  if (r != 0) return cr_fail(L, r);
  h->object = cr_held_object(h->hold);
  cr_handle_enter(L);
  const cr_future *f = (const cr_future *)h->object;
  lua_pushinteger(L, f->mode);
  lua_pushinteger(L, (lua_Integer)cr_at(cr_object, &((cr_future *)h->object)->code)->serial);
  lua_pushinteger(L, (lua_Integer)value_size(&f->arguments));
  return 4;
}

static int arguments(lua_State *L) {
  value_slice(L, &carried(L)->arguments, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
  return 1;
}

/* FNV-1a, of 8 bytes at a time. */
static uint64_t hash(const unsigned char *bytes, size_t n) {
  uint64_t h = UINT64_C(0xcbf29ce484222325) ^ n, word = 0;
  for (; n >= sizeof word; n -= sizeof word, bytes += sizeof word) {
    memcpy(&word, bytes, sizeof word);
    h = (h ^ word) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
  }
  word = 0;
  memcpy(&word, bytes, n);
  h = (h ^ word) * UINT64_C(0x100000001b3);
  return h ^ h >> 32;
}

static const cr_value *code_of(lua_State *L) {
  return &cr_at(cr_code, &carried(L)->code)->function;
}

/* code_key(task) -> a name for the bytes of its function, their size */
static int code_key(lua_State *L) {
  const cr_value *v = code_of(L);
  char key[40];
  if (v->kind != CR_V_MESSAGE) return luaL_error(L, "a function has a message");
  snprintf(key, sizeof key, "%016lx-%lu",
           (unsigned long)hash(v->message->bytes, v->message->length),
           (unsigned long)v->message->length);
  lua_pushstring(L, key);
  lua_pushinteger(L, (lua_Integer)value_size(v));
  return 2;
}

static int code(lua_State *L) {
  value_slice(L, code_of(L), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
  return 1;
}

static int wants_stop(lua_State *L) {
  lua_pushboolean(L, atomic_load(&check(L)->flags) & CR_FUTURE_STOP);
  return 1;
}

/* settle(task, "done" | "failed" | "cancelled" [, bytes]) */
static int settle(lua_State *L) {
  static const char *const names[] = {"done", "failed", "cancelled", NULL};
  static const enum cr_future_state states[] = {CR_DONE, CR_FAILED, CR_CANCELLED};
  cr_future *f = carried(L);
  cr_pool *p = own_pool(L);
  int state = luaL_checkoption(L, 2, NULL, names);
  cr_value v = {.head = CR_V_NONE};
  if (states[state] != CR_CANCELLED) value_take(L, 3, &v);
  if (cr_future_finish(f, states[state], &v) != 0) cr_value_free(&v);
  cr_future_let_go(f);
  cr_pool_carried(p);
  return 0;
}

/* state() -> the pool's, how many tasks are in its line */
static int state(lua_State *L) {
  static const char *const names[] = {[CR_POOL_OPEN] = "open",
                                      [CR_POOL_CLOSED] = "closed",
                                      [CR_POOL_TERMINATED] = "terminated",
                                      [CR_POOL_BROKEN] = "broken"};
  const cr_pool *p = own_pool(L);
  lua_pushstring(L, cr_ending() ? "terminated" : names[atomic_load(&p->state)]);
  lua_pushinteger(L, (lua_Integer)atomic_load(&p->queued));
  return 2;
}

/* give_up(why): the pool is broken. */
static int give_up(lua_State *L) {
  cr_pool_break(own_pool(L), luaL_checkstring(L, 1), NULL);
  return 0;
}

/* -------------------------------------------------------------------- agent */

/* host(pool): it computes tasks of a pool elsewhere. */
static int host(lua_State *L) {
  ((cr_pool *)cr_handle_check(L, 1, CR_POOL))->far = CR_HOSTED;
  return 0;
}

/* new_code(bytes) -> a function for many tasks */
static int new_code(lua_State *L) {
  cr_value v;
  cr_handle *h = cr_handle_new(L, CR_CODE);
  cr_code *made;
  cr_make(L, made, cr_code_new());
  cr_handle_fill(L, h, made);
  value_take(L, 1, &v);
  cr_value_adopt(&made->function, &v);
  return 1;
}

/* post(pool, code, mode, bytes) -> future */
static int post(lua_State *L) {
  cr_pool *p = cr_handle_check(L, 1, CR_POOL);
  cr_code *of = cr_handle_check(L, 2, CR_CODE);
  lua_Integer mode = luaL_checkinteger(L, 3);
  uint32_t how = (uint32_t)mode & CR_MAP_MODES;
  luaL_argcheck(L, mode >= 0 && mode <= (CR_MAP_MODES | CR_MAP_COLLECT) && how <= CR_MAP_STAR, 3,
                "no mode of a task");
  cr_value v;
  cr_handle *h = cr_handle_new(L, CR_FUTURE);
  value_take(L, 4, &v);
  cr_future *f = cr_task_new(&v, (enum cr_task_mode)mode);
  if (!f) cr_value_free(&v);
  if (!f) return cr_fail(L, ENOMEM);
  cr_future_ask(f);
  int r = cr_pool_post(p, of, &f, 1, &h->hold);
  if (r != 0) cr_task_discard(f);
  if (r != 0) return luaL_error(L, "the pool takes no task");
  h->object = &f->object;
  cr_handle_enter(L);
  return 1;
}

/* outcome(future) -> "done" | "failed" | "cancelled", the size of the result, did the worker
** die? | nothing: it is not final */
static int outcome(lua_State *L) {
  const cr_future *f = check(L);
  if (!cr_future_done(f)) return 0;
  enum cr_future_state s = cr_future_state(f);
  lua_pushstring(L, s == CR_DONE ? "done" : s == CR_FAILED ? "failed" : "cancelled");
  lua_pushinteger(L, (lua_Integer)value_size(&f->result));
  lua_pushboolean(L, s == CR_FAILED && cr_error_of_death(&f->result));
  return 3;
}

static int result(lua_State *L) {
  const cr_future *f = check(L);
  luaL_argcheck(L, cr_future_done(f), 1, "the future is not final");
  value_slice(L, &f->result, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
  return 1;
}

static const luaL_Reg functions[] = {{"carry", carry},
                                     {"config", config},
                                     {"slots", slots},
                                     {"task", take_task},
                                     {"arguments", arguments},
                                     {"code", code},
                                     {"code_key", code_key},
                                     {"settle", settle},
                                     {"give_up", give_up},
                                     {"state", state},
                                     {"host", host},
                                     {"wants_stop", wants_stop},
                                     {"post", post},
                                     {"new_code", new_code},
                                     {"outcome", outcome},
                                     {"result", result},
                                     {NULL, NULL}};

void tasks_open(lua_State *L) { luaL_setfuncs(L, functions, 0); }
