/* SPDX-License-Identifier: MIT */
/*
** locklib: module "conrun.lock", and how other bindings use a lock.
**
** A lock that is not recursive remembers the Lua line that took it, so that
** taking it twice is answered with that line and not with a hang.  Noting the
** line is the dearest part of an acquire; a recursive lock, which cannot be
** taken twice by mistake, saves it.
*/
#include <stdio.h>
#include <string.h>

#include "lib/lib.h"

static cr_lock *check(lua_State *L) { return cr_handle_check(L, 1, CR_LOCK); }

/* ------------------------------------------------------- used by all bindings */

static int raise_deadlock(lua_State *L, const cr_lock *l) {
  char where[CR_WHERE_MAX], message[CR_WHERE_MAX + 128];
  snprintf(message, sizeof message,
           "deadlock: this strand holds the lock already%s, so it would wait for ever "
           "(release it first, or use lock.recursive())",
           cr_lock_where(l, ", taken at ", where));
  return cr_error_raise(L, "deadlock", message);
}

_Static_assert(LUA_IDSIZE <= CR_SOURCE_MAX, "a lock has room for the name of a source");

/* The lock is held by the caller, who alone writes these fields; the line, which
** says that they are filled in, is last.  The name is only written where it is
** another: strands that run the same file keep it in both their caches.  It has an
** end, or the strand that wrote it died while it did. */
static void note(const lua_Debug *ar, cr_lock *l) {
  if (strncmp(l->source, ar->short_src, sizeof ar->short_src) != 0)
    memcpy(l->source, ar->short_src, sizeof ar->short_src);
  l->line = ar->currentline;
}

/* 0, EOWNERDEAD or ETIMEDOUT; raises a deadlock.  Where we are is asked before: others should
** not have to wait for it. */
static int take(lua_State *L, cr_lock *l, cr_time deadline) {
  lua_Debug ar;
  cr_may_take(L);
  bool noted = !l->recursive && lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar);
  int r = cr_lock_acquire(l, 0);
  if (r == ETIMEDOUT && deadline != 0) {
    cr_here(L);
    while ((r = cr_lock_acquire(l, deadline)) == EINTR) cr_look_up(L);
    if (r == EDEADLK) return raise_deadlock(L, l);
  }
  if (r != 0 && r != EOWNERDEAD) return r;
  if (noted) note(&ar, l);
  cr_took();
  return r;
}

int cr_lock_around(lua_State *L, cr_lock *l, int base, lua_CFunction f) {
  bool mine = cr_lock_mine(l);
  int r = mine ? 0 : take(L, l, CR_FOREVER);
  if (r != 0 && r != EOWNERDEAD) return cr_fail(L, r);
  lua_pushcfunction(L, f);
  lua_insert(L, base + 1);
  int status = lua_pcall(L, lua_gettop(L) - base - 1, LUA_MULTRET, 0);
  if (!mine) cr_lock_release(l);
  if (status != LUA_OK) lua_error(L);
  return lua_gettop(L) - base;
}

/* The lock may be ours already: a change within the function of an `update`.
** Only who has to wait puts what it carries into a box. */
bool cr_lock_enter(lua_State *L, cr_lock *l, const cr_value v[], int n) {
  int r = cr_lock_acquire(l, 0);
  if (r == 0 || r == EOWNERDEAD) return true;
  if (cr_lock_mine(l)) return false;
  cr_value *box = cr_values_box(L, v, n);
  cr_here(L);
  while ((r = cr_lock_acquire(l, CR_FOREVER)) == EINTR) cr_look_up(L);
  if (r != 0 && r != EOWNERDEAD) cr_fail(L, r);
  for (int i = 0; i < n; i++) box[i].kind = CR_V_NONE;
  return true;
}

/* The results of an acquire whose first one (true, or a guard) is pushed already. */
static int acquired(lua_State *L, int r) {
  if (r == 0) return 1;
  if (r != EOWNERDEAD) return cr_fail(L, r);
  lua_pushliteral(L, "abandoned");
  return 2;
}

int cr_lock_m_acquire(lua_State *L, cr_lock *l) {
  int r = take(L, l, cr_check_timeout(L, 2));
  if (r == ETIMEDOUT) return cr_outcome(L, false, r);
  lua_pushboolean(L, true);
  return acquired(L, r);
}

int cr_lock_m_hold(lua_State *L, cr_lock *l, const cr_guarded *kind) {
  cr_time deadline = cr_check_timeout(L, 2);
  cr_guard *g = cr_guard_push_given(L, kind, l->recursive);
  int r = take(L, l, deadline);
  if (r == ETIMEDOUT) return cr_outcome(L, true, r);
  if (r == 0 || r == EOWNERDEAD) cr_guard_give(L, g, l->recursive, cr_lock_taken(l));
  return acquired(L, r);
}

int cr_lock_m_with(lua_State *L, cr_lock *l, const cr_guarded *kind) {
  cr_check_callable(L, 2);
  cr_guard *g = cr_guard_push(L, kind);
  lua_insert(L, 2);
  int r = take(L, l, CR_FOREVER);
  if (r != 0 && r != EOWNERDEAD) return cr_fail(L, r);
  g->armed = true;
  lua_toclose(L, 2);
  return cr_guard_call(L);
}

/* --------------------------------------------------------- module functions */

static int make(lua_State *L, bool recursive) {
  cr_check_most(L, 0);
  cr_handle *h = cr_handle_new(L, CR_LOCK);
  cr_lock *made;
  cr_make(L, made, cr_lock_new(recursive));
  cr_handle_fill(L, h, made);
  return 1;
}

static int lock_new(lua_State *L) {
  cr_called(L, lock_new);
  return make(L, false);
}
static int lock_recursive(lua_State *L) { return make(L, true); }

/* ------------------------------------------------------------------ methods */

static int m_acquire(lua_State *L) { return cr_lock_m_acquire(L, check(L)); }

static int m_release(lua_State *L) {
  if (cr_lock_release(check(L)) == EPERM)
    return cr_raise(L, "cannot release a lock that this strand does not hold");
  return 0;
}

static int m_locked(lua_State *L) {
  lua_pushboolean(L, cr_lock_held(check(L)));
  return 1;
}

/* EPERM means that it was released by hand already, which is allowed. */
static void let_go(cr_handle *h) { cr_lock_release((cr_lock *)h->object); }

static bool has(const cr_handle *h, uint64_t taken) {
  return cr_lock_has((const cr_lock *)h->object, taken);
}

static const cr_guarded guarded = {let_go, has};

static int m_hold(lua_State *L) { return cr_lock_m_hold(L, check(L), &guarded); }
static int m_with(lua_State *L) { return cr_lock_m_with(L, check(L), &guarded); }

static int m_tostring(lua_State *L) {
  cr_lock *l = check(L);
  cr_strand *s = cr_lock_holder(l);
  const char *state = s ? lua_pushfstring(L, "held by '%s'", s->name) : "free";
  cr_handle_text(L, &l->object, state);
  return 1;
}

static const luaL_Reg functions[] = {
    {"new", lock_new}, {"recursive", lock_recursive}, {NULL, NULL}};

static const luaL_Reg methods[] = {{"acquire", m_acquire}, {"release", m_release},
                                   {"locked", m_locked},   {"hold", m_hold},
                                   {"with", m_with},       {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", m_tostring}, {NULL, NULL}};

int luaopen_conrun_lock(lua_State *L) {
  luaL_newlib(L, functions);
  cr_lib_type(L, CR_LOCK, methods, meta);
  cr_answers_module(L, "conrun.lock");
  return 1;
}
