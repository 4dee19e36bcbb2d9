/* SPDX-License-Identifier: MIT */
/*
** conditionlib: module "conrun.core.condition"; `wait_for` is added by
** lua/conrun/condition.lua.
**
** A wait always ends with the lock held again, also when it ends by an error, unless that
** says that the lock would be waited for for ever (kind "deadlock").
** So a notice that comes while it waits is looked at in this order: leave the
** waiters, handle the notice with neither lock nor place (callbacks may use
** both), take the lock again, and only then raise.  A notification that came
** at the same moment is passed on if the waiter raises.  If nothing raises, the strand
** waits again; but if somebody was notified while it did not wait, this might have been
** the strand: the wait returns as if notified, and the caller's predicate decides.
*/
#include "lib/lib.h"

static cr_condition *check(lua_State *L) { return cr_handle_check(L, 1, CR_CONDITION); }
static cr_lock *lock_of(lua_State *L) { return cr_condition_lock(check(L)); }

static int condition_new(lua_State *L) {
  cr_called(L, condition_new);
  cr_check_most(L, 1);
  cr_lock *lock = lua_isnoneornil(L, 1) ? NULL : cr_handle_check(L, 1, CR_LOCK);
  lua_settop(L, 1);
  if (!lock) { /* a lock of its own, which the condition then keeps */
    cr_handle *own = cr_handle_new(L, CR_LOCK);
    cr_make(L, lock, cr_lock_new(true));
    cr_handle_fill(L, own, lock);
  }
  cr_handle *h = cr_handle_new(L, CR_CONDITION);
  cr_condition *made;
  cr_make(L, made, cr_condition_new(lock));
  cr_handle_fill(L, h, made);
  return 1;
}

/* ---------------------------------------------------------- as the lock does */

static int m_acquire(lua_State *L) { return cr_lock_m_acquire(L, lock_of(L)); }

/* held(value): does this strand hold the lock of that condition?  nil: it is none. */
static int held(lua_State *L) {
  if (cr_handle_test(L, 1, CR_CONDITION))
    lua_pushboolean(L, cr_lock_mine(lock_of(L)));
  else
    lua_pushnil(L);
  return 1;
}

static int m_release(lua_State *L) {
  if (cr_lock_release(lock_of(L)) == EPERM)
    return cr_raise(L, "cannot release a condition whose lock this strand does not hold");
  return 0;
}

static int m_locked(lua_State *L) {
  lua_pushboolean(L, cr_lock_held(lock_of(L)));
  return 1;
}

static void let_go(cr_handle *h) { cr_lock_release(cr_condition_lock((cr_condition *)h->object)); }

static bool has(const cr_handle *h, uint64_t taken) {
  return cr_lock_has(cr_condition_lock((cr_condition *)h->object), taken);
}

static const cr_guarded guarded = {let_go, has};

static int m_hold(lua_State *L) { return cr_lock_m_hold(L, lock_of(L), &guarded); }
static int m_with(lua_State *L) { return cr_lock_m_with(L, lock_of(L), &guarded); }

/* --------------------------------------------------------- wait and notify */

/* The lock comes back before anything may raise, so what would is put aside.  But who
** would wait for it for ever goes without it (EDEADLK), and what it was told goes to
** another. */
static int relock(lua_State *L, cr_condition *c, uint32_t depth, bool notified) {
  uint32_t aside = 0;
  int r;
  while ((r = cr_condition_relock(c, depth)) == EINTR) {
    uint32_t notices = cr_heed(L);
    aside |= notices & ~(uint32_t)CR_DEADLOCK;
    if (notices & CR_DEADLOCK) {
      r = EDEADLK;
      break;
    }
  }
  if (aside) cr_post(cr_me, aside);
  if (r == EDEADLK && notified) cr_condition_pass_on(c);
  return r;
}

typedef struct wait {
  cr_condition *condition;
  cr_time deadline;
  bool notified, abandoned; /* how it ended: who held the lock last died with it */
  bool again;               /* nothing came of it but a notice, which is dealt with */
} wait;

/* One wait, from the lock to the lock. */
static void wait_once(lua_State *L, wait *w) {
  cr_condition *c = w->condition;
  uint32_t depth, before = cr_condition_notified(c);
  int status = LUA_OK;
  if (cr_condition_enter(c, &depth) == EPERM)
    cr_raise(L, "cannot wait: acquire the condition's lock first");
  int r = cr_condition_park(c, w->deadline);
  w->notified = cr_condition_leave(c);
  w->again = r == EINTR && !w->notified;
  if (r == EINTR) status = cr_look_up_protected(L);
  r = relock(L, c, depth, w->notified);
  if (r == EDEADLK) cr_deadlock_raise(L);
  if (status != LUA_OK) {
    if (w->notified) cr_condition_notify(c, 1);
    lua_error(L);
  }
  w->abandoned |= r == EOWNERDEAD;
  if (w->again && cr_condition_notified(c) != before) {
    w->again = false;
    w->notified = true;
  }
}

static int m_wait(lua_State *L) {
  wait w = {.condition = check(L), .deadline = cr_check_timeout(L, 2)};
  luaL_checkstack(L, LUA_MINSTACK, NULL); /* nothing may raise between enter and relock */
  cr_here(L);
  do wait_once(L, &w);
  while (w.again);
  if (!w.notified) return cr_outcome(L, false, ETIMEDOUT);
  lua_pushboolean(L, true);
  if (!w.abandoned) return 1;
  lua_pushliteral(L, "abandoned");
  return 2;
}

static int notify(lua_State *L, uint32_t n) {
  if (cr_condition_notify(check(L), n) == EPERM)
    return cr_raise(L, "cannot notify: acquire the condition's lock first");
  return 0;
}

static int m_notify(lua_State *L) {
  lua_Integer n = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, n >= 0, 2, "how many to wake must not be negative");
  return notify(L, n > CR_STRANDS ? CR_STRANDS : (uint32_t)n);
}

static int m_notify_all(lua_State *L) { return notify(L, CR_STRANDS); }

static int m_tostring(lua_State *L) {
  cr_condition *c = check(L);
  cr_strand *s = cr_lock_holder(cr_condition_lock(c));
  const char *state = s ? lua_pushfstring(L, "lock held by '%s'", s->name) : "lock free";
  cr_handle_text(L, &c->object, state);
  return 1;
}

static const luaL_Reg functions[] = {{"new", condition_new}, {NULL, NULL}};

static const luaL_Reg methods[] = {{"acquire", m_acquire},
                                   {"release", m_release},
                                   {"locked", m_locked},
                                   {"hold", m_hold},
                                   {"with", m_with},
                                   {"wait", m_wait},
                                   {"notify", m_notify},
                                   {"notify_all", m_notify_all},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__tostring", m_tostring}, {NULL, NULL}};

int luaopen_conrun_core_condition(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, held);
  lua_setfield(L, -2, "held");
  luaL_newlib(L, functions);
  cr_lib_type(L, CR_CONDITION, methods, meta);
  cr_answers_module(L, "conrun.condition");
  lua_setfield(L, -2, "public");
  return 1;
}
