/* SPDX-License-Identifier: MIT */
/*
** semaphorelib: module "conrun.semaphore".
**
** Any strand may release, also one that acquired nothing: that is how a
** semaphore counts things that come from elsewhere.  A bounded one refuses to
** go above its first value.  The permits of a strand that ends go back (see
** sync/semaphore.c for when they do not), which is why acquire and release name
** the strand's own holding of the object.
*/
#include "lib/lib.h"

static cr_handle *handle(lua_State *L) { return cr_handle_check_open(L, 1, CR_SEMAPHORE); }

static int make(lua_State *L, bool bounded) {
  cr_check_most(L, 1);
  lua_Integer n = luaL_optinteger(L, 1, 1);
  luaL_argcheck(L, n >= 0, 1, "the first value must not be negative");
  cr_handle *h = cr_handle_new(L, CR_SEMAPHORE);
  cr_semaphore *made;
  cr_make(L, made, cr_semaphore_new((uint64_t)n, bounded));
  cr_handle_fill(L, h, made);
  return 1;
}

static int semaphore_new(lua_State *L) {
  cr_called(L, semaphore_new);
  return make(L, false);
}
static int semaphore_bounded(lua_State *L) { return make(L, true); }

/* 0 or ETIMEDOUT. */
static int take(lua_State *L, cr_handle *h, cr_time deadline) {
  cr_semaphore *s = (cr_semaphore *)h->object;
  cr_may_take(L);
  int r = cr_semaphore_acquire(s, h->hold, 0);
  if (r == ETIMEDOUT && deadline != 0) {
    cr_here(L);
    while ((r = cr_semaphore_acquire(s, h->hold, deadline)) == EINTR) cr_look_up(L);
  }
  if (r == 0) cr_took();
  return r == 0 || r == ETIMEDOUT ? r : cr_fail(L, r);
}

static int m_acquire(lua_State *L) {
  cr_handle *h = handle(L);
  int r = take(L, h, cr_check_timeout(L, 2));
  if (r) return cr_outcome(L, false, r);
  lua_pushboolean(L, true);
  return 1;
}

static int m_release(lua_State *L) {
  cr_handle *h = handle(L);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, n >= 1, 2, "how many to release must be 1 or more");
  int r = cr_semaphore_release((cr_semaphore *)h->object, h->hold, (uint64_t)n);
  if (r == EOVERFLOW) return cr_raise(L, "semaphore released more often than acquired");
  return r ? cr_fail(L, r) : 0;
}

static int m_value(lua_State *L) {
  cr_semaphore *s = (cr_semaphore *)handle(L)->object;
  lua_pushinteger(L, (lua_Integer)atomic_load(&s->value));
  return 1;
}

/* A bounded semaphore that was released by hand already refuses; that is fine. */
static void let_go(cr_handle *h) { cr_semaphore_release((cr_semaphore *)h->object, h->hold, 1); }

static bool has(const cr_handle *h, uint64_t taken) {
  return h->hold && atomic_load(&h->hold->aux) > taken;
}

static const cr_guarded guarded = {let_go, has};

static int m_hold(lua_State *L) {
  cr_handle *h = handle(L);
  cr_time deadline = cr_check_timeout(L, 2);
  cr_guard *g = cr_guard_push_given(L, &guarded, true);
  int r = take(L, h, deadline);
  if (r) return cr_outcome(L, true, r);
  cr_guard_give(L, g, true, 0);
  return 1;
}

static int m_with(lua_State *L) {
  cr_handle *h = handle(L);
  cr_check_callable(L, 2);
  cr_guard *g = cr_guard_push(L, &guarded);
  lua_insert(L, 2);
  take(L, h, CR_FOREVER);
  g->armed = true;
  lua_toclose(L, 2);
  return cr_guard_call(L);
}

static int m_tostring(lua_State *L) {
  cr_semaphore *s = (cr_semaphore *)handle(L)->object;
  const char *free = lua_pushfstring(L, "%I free", (lua_Integer)atomic_load(&s->value));
  cr_handle_text(L, &s->object, free);
  return 1;
}

static const luaL_Reg functions[] = {
    {"new", semaphore_new}, {"bounded", semaphore_bounded}, {NULL, NULL}};

static const luaL_Reg methods[] = {{"acquire", m_acquire}, {"release", m_release},
                                   {"value", m_value},     {"hold", m_hold},
                                   {"with", m_with},       {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", m_tostring}, {NULL, NULL}};

int luaopen_conrun_semaphore(lua_State *L) {
  luaL_newlib(L, functions);
  cr_lib_type(L, CR_SEMAPHORE, methods, meta);
  cr_answers_module(L, "conrun.semaphore");
  return 1;
}
