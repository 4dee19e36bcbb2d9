/* SPDX-License-Identifier: MIT */
/*
** futurelib: conrun.core.future, what a strand can do with a future; the last
** stage of the road drawn in pool/pool.h.  lua/conrun/future.lua adds what is
** policy: wait, as_completed, all.
**
** Results stay in the future and are decoded at each `result`, so any number of
** strands may ask any number of times, and each gets values of its own.
**
** Who asks a future anything comes to its callbacks too (state/callback.c), before the
** question, so that what they do is in the answer.
**
** Waiting for one of many is in gather.c.
*/
#include <string.h>

#include "lib/lib.h"

#define SHOWN 60 /* bytes of an error's message, in the text of its future */

static cr_future *check(lua_State *L) { return cr_handle_check(L, 1, CR_FUTURE); }

/* The future that is asked something. */
static cr_future *ask(lua_State *L) {
  cr_future *f = check(L);
  cr_zygote_poll();
  cr_due(L);
  return f;
}

/* ------------------------------------------------------------------ waiting */

int cr_future_values(lua_State *L, const cr_future *f) {
  cr_trace(.saw = CR_SAW_TAKEN, .object = f->object.serial);
  return cr_decode_borrowed(L, &f->result);
}

void cr_future_error(lua_State *L, const cr_future *f) {
  if (cr_future_state(f) == CR_CANCELLED)
    cr_news_push(L, "cancelled", "the task was cancelled");
  else if (cr_decode_borrowed(L, &f->result) == 0) /* there was no memory for it */
    cr_news_push(L, "task", "the task failed; not enough memory to say how");
}

int cr_future_raise(lua_State *L, const cr_future *f) {
  if (cr_future_done(f))
    cr_future_error(L, f);
  else
    cr_news_push(L, "timeout", "no result within the timeout");
  return lua_error(L);
}

static int new_future(lua_State *L) {
  cr_called(L, new_future);
  cr_check_most(L, 0);
  cr_handle *h = cr_handle_new(L, CR_FUTURE);
  cr_future *made;
  cr_make(L, made, cr_future_new());
  cr_handle_fill(L, h, made);
  return 1;
}

/* result([timeout]) -> values, or raises */
static int result(lua_State *L) {
  cr_future *f = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  if (cr_future_await(L, f, deadline) != 0 || cr_future_state(f) != CR_DONE)
    return cr_future_raise(L, f);
  return cr_future_values(L, f);
}

/* error([timeout]) -> error object | nil; raises only for the timeout */
static int get_error(lua_State *L) {
  cr_future *f = check(L);
  cr_time deadline = cr_check_timeout(L, 2);
  if (cr_future_await(L, f, deadline) != 0) return cr_future_raise(L, f);
  if (cr_future_state(f) == CR_DONE)
    lua_pushnil(L);
  else
    cr_future_error(L, f);
  return 1;
}

/* -------------------------------------------------------------------- state */

static const char *const state_names[] = {[CR_PENDING] = "pending",
                                          [CR_WORKING] = "running",
                                          [CR_DONE] = "done",
                                          [CR_FAILED] = "failed",
                                          [CR_CANCELLED] = "cancelled"};

/* Its state, when the callbacks that go with it have run. */
static enum cr_future_state state_of(lua_State *L, const cr_future *f) {
  enum cr_future_state state = cr_future_state(f);
  cr_future_due(L, f);
  return state;
}

static int done(lua_State *L) {
  lua_pushboolean(L, state_of(L, ask(L)) >= CR_DONE);
  return 1;
}

static int running(lua_State *L) {
  lua_pushboolean(L, state_of(L, ask(L)) == CR_WORKING);
  return 1;
}

static int cancelled(lua_State *L) {
  lua_pushboolean(L, state_of(L, ask(L)) == CR_CANCELLED);
  return 1;
}

/* cancel([{running=true}]) -> is it cancelled, or was its task asked to stop? */
static int cancel(lua_State *L) {
  static const char *const known[] = {"running", NULL};
  cr_future *f = ask(L);
  bool also_running = false;
  if (!lua_isnoneornil(L, 2)) {
    cr_check_options(L, 2, known);
    also_running = cr_option_boolean(L, 2, "running", false);
  }
  if (also_running) atomic_fetch_or(&f->flags, CR_FUTURE_STOP); /* map_async asks for it */
  int r = cr_future_cancel(f);
  lua_pushboolean(L, r == 0 || (r == EBUSY && also_running && cr_task_stop(f)));
  cr_future_due(L, f); /* of its own, perhaps */
  return 1;
}

/* stopped(future) -> was it cancelled with running=true? */
static int stopped(lua_State *L) {
  lua_pushboolean(L, atomic_load(&check(L)->flags) & CR_FUTURE_STOP);
  return 1;
}

/* Upvalue 1 is the method table. */
static int index_future(lua_State *L) {
  cr_future *f = check(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lua_pushliteral(L, "state");
  if (!lua_rawequal(L, 2, -1)) return cr_answer(L, "future");
  (void)ask(L);
  cr_future_ask(f);
  lua_pushstring(L, state_names[state_of(L, f)]);
  return 1;
}

/* The first line of the message of a failed future.  Argument: it. */
static int message_of(lua_State *L) {
  cr_future_error(L, lua_touserdata(L, 1));
  if (!lua_istable(L, -1) || lua_getfield(L, -1, "message") != LUA_TSTRING) return 0;
  const char *message = lua_tostring(L, -1);
  size_t n = strcspn(message, "\n"), most = n < SHOWN ? n : SHOWN;
  while (most > 0 && ((unsigned char)message[most] & 0xc0) == 0x80) most--; /* whole characters */
  lua_pushlstring(L, message, most);
  if (message[most] != '\0') lua_pushliteral(L, "...");
  lua_concat(L, message[most] != '\0' ? 2 : 1);
  return 1;
}

/* Shown at the prompt and in messages, so that nothing here may raise. */
static int text_of_failed(lua_State *L, cr_future *f) {
  lua_pushcfunction(L, message_of);
  lua_pushlightuserdata(L, f);
  bool good = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_isstring(L, -1);
  const char *state = good ? lua_pushfstring(L, "failed: %s", lua_tostring(L, -1)) : "failed";
  cr_handle_text(L, &f->object, state);
  return 1;
}

static int text(lua_State *L) {
  cr_future *f = check(L);
  if (cr_future_state(f) == CR_FAILED) return text_of_failed(L, f);
  cr_handle_text(L, &f->object, state_names[cr_future_state(f)]);
  return 1;
}

/* ----------------------------------------------------------------- settling */

/* Settles with a value in hand. */
static int settle(lua_State *L, cr_future *f, enum cr_future_state final, const cr_value *v) {
  int r = cr_future_settle(f, final, v);
  if (r == 0) {
    cr_due(L);
    return 0;
  }
  cr_value_free(v);
  if (r != EALREADY) return cr_fail(L, r);
  return cr_raise(L, "cannot settle a future twice: it is %s already",
                  state_names[cr_future_state(f)]);
}

static int set_result(lua_State *L) {
  cr_future *f = check(L);
  cr_value v;
  cr_encode(L, 2, lua_gettop(L) - 1, "result", &v);
  return settle(L, f, CR_DONE, &v);
}

/* serial(future) -> a number that grows from one that was made to the next */
static int serial(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->object.serial);
  return 1;
}

/* text(value) -> what an error message says of it; never raises */
static int value_text(lua_State *L) {
  luaL_checkany(L, 1);
  cr_text(L, 1);
  return 1;
}

/* settle_error(future, object): the error object is made by future.lua.  It goes without
** the value if that cannot be sent. */
static int settle_error(lua_State *L) {
  cr_future *f = check(L);
  cr_value v;
  lua_settop(L, 2);
  if (!cr_error_encode(L, &v)) return cr_fail(L, ENOMEM);
  return settle(L, f, CR_FAILED, &v);
}

/* on_done(fn): fn(future) runs in this strand; at once if it is final already.  The other is
** for conrun itself, which does not ask on behalf of the program. */
static int call_back(lua_State *L) {
  (void)check(L);
  cr_check_callable(L, 2);
  lua_settop(L, 2);
  cr_callback_add(L);
  return 0;
}

static int on_done(lua_State *L) {
  cr_future_ask(check(L));
  return call_back(L);
}

/* ------------------------------------------------------------- one of many */

/* deadline([timeout]) -> the moment, as an integer for gather */
static int deadline_of(lua_State *L) {
  lua_pushinteger(L, cr_check_timeout(L, 1));
  return 1;
}

static int is_future(lua_State *L) {
  lua_pushboolean(L, cr_handle_test(L, 1, CR_FUTURE) != NULL);
  return 1;
}

/* pool_of(future) -> this strand's handle of the pool that it was posted to, or nil.  The pool
** may be gone, and its memory another's, which is younger than the future then. */
static int pool_of(lua_State *L) {
  const cr_future *f = check(L);
  cr_object *o = (cr_object *)cr_at(cr_pool, &f->pool);
  if (!o || !cr_handle_push_known(L, o)) return 0;
  const cr_handle *h = lua_touserdata(L, -1);
  bool same = cr_handle_test(L, -1, CR_POOL) == h && h->object->serial < f->object.serial;
  return same ? 1 : 0;
}

static int keep_awaited(lua_State *L) {
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, CR_AWAITED);
  return 0;
}

/* await(future, until) -> is it final? */
static int await(lua_State *L) {
  lua_pushboolean(L, cr_future_await(L, check(L), cr_check_deadline(L, 2)) == 0);
  return 1;
}

/* ------------------------------------------------------------------- module */

static const luaL_Reg public_functions[] = {{"new", new_future}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"is_future", is_future}, {"gather", cr_gather},          {"deadline", deadline_of},
    {"await", await},         {"settle_error", settle_error}, {"text", value_text},
    {"serial", serial},       {"pool_of", pool_of},           {"keep_awaited", keep_awaited},
    {"stopped", stopped},     {"call_back", call_back},       {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"result", result},   {"error", get_error},       {"done", done},
    {"running", running}, {"cancelled", cancelled},   {"cancel", cancel},
    {"on_done", on_done}, {"set_result", set_result}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__index", index_future}, {"__tostring", text}, {NULL, NULL}};

int luaopen_conrun_core_future(lua_State *L) {
  if (cr_module_push(L, "conrun.core.future")) return 1;
  luaL_newlib(L, functions);
  cr_lib_public(L, public_functions);
  cr_lib_type(L, CR_FUTURE, methods, meta);
  cr_module_keep(L, "conrun.core.future");
  return 1;
}
