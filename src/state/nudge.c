/* SPDX-License-Identifier: MIT */
/*
** nudge: how running Lua code is made to look up, and where it may be stopped.
**
** An interruption (worker:interrupt(), cancel{running=true}, a task_timeout, Ctrl-C, the
** end of a pool) comes by a signal.  All that a signal handler can do to running Lua code
** is to set a debug hook; Lua calls the hook before its next instruction, and the hook
** raises the error.  The handler must know in which lua_State the code runs: that is the
** main coroutine or the one resumed last, which lib/coroutinelib.c notes in cr_runs.
**
** Where the hook may raise.  A guard is made by a C function and is armed a few
** instructions later, when the code that called the function makes it a <close> variable.
** An error in between would lose what the guard has taken.  The hook sees each
** instruction, and raises before an instruction only if all of this holds:
**
**   - Since the signal, and since any function returned, one instruction has been
**     executed.  In `local g <close> = f()` the instruction that arms the guard is the
**     one right after the return of `f`, whatever f is.  The error that comes earliest
**     finds the guard armed, and unwinding closes it.
**   - Nothing was taken within the last CR_SHELTER instructions (cr_took).  That serves
**     guards that go through other functions on their way to the variable, and items of
**     queues on their way to where the program keeps them.
**   - No function of the program is just closing or finalizing something, or building anew
**     what it has received.  Such a function is given time; not for ever, because it may be
**     the one that does not end.
**
** The hook raises at no call and at no return: guards of conrun are closed by C functions,
** which have no instructions, so that nothing is raised in them or before them.
**
** A loop that takes things faster than the shelter ends would never be stopped.  So what
** takes something asks first whether the strand is to stop (cr_may_take), and raises
** before it has taken anything.  It does not if it is on the same line as the
** taking before: in `use(q:get(), q:get())` the first item is in nobody's hands yet.
**
** What must be said more than once.  After the end was asked for, or when the time of a
** task is over, the hook comes back after AGAIN instructions, so that a pcall cannot
** catch the error for good, and after ENOUGH times it pardons nothing.  It also comes
** back if a message handler, which runs on top of what was interrupted, does not end.
**
** Finalizers, and message handlers of errors that a hook raised, run in Lua with hooks
** switched off.  The switch is a byte in lua_State; find_switch finds where it is, by
** looking, and if it cannot, such code is not reached.
**
** What a script had set with debug.sethook is kept and put back.
*/
#include <stdlib.h>
#include <string.h>

#include "state/inside.h"

#define AGAIN 100000 /* instructions between two errors of a kind that is repeated */
#define ENOUGH 10    /* such errors */
#define PATIENCE 50  /* shelters that closing and finalizing functions get */
#define DEEP 100     /* levels of the stack that are looked at */
#define ALL_EVENTS (LUA_MASKCOUNT | LUA_MASKLINE | LUA_MASKRET)

_Thread_local cr_running cr_runs;

static _Thread_local struct {
  volatile int deaf;  /* the steps before a worker's work keep their errors to themselves */
  volatile int armed; /* a hook of ours is set in the running lua_State */
  volatile int early; /* instructions before which nothing is raised */
  int patience;       /* shelters that are left for closing functions */
  int told;           /* how often an error of the repeated kind was raised */
  bool raised;        /* an interruption was raised; is a handler still at it? */
  struct {            /* the script's own hook */
    lua_Hook hook;
    int mask, count;
  } own;
} me;

/* ------------------------------------------------------------- Lua's switch */

/* Where lua_State has the byte that switches hooks on; -1: not found. */
static int hook_switch = -1;

#define SEEN 32 /* bytes of a lua_State; it has a few hundred */

/* What these bytes were outside of a hook, in a hook and in a finalizer. */
static unsigned char seen[3][SEEN];

static int see_outside(lua_State *L) {
  memcpy(seen[0], L, SEEN);
  return 0;
}

static void see_in_hook(lua_State *L, lua_Debug *event) {
  (void)event;
  memcpy(seen[1], L, SEEN);
}

static int see_in_finalizer(lua_State *L) {
  memcpy(seen[2], L, SEEN);
  return 0;
}

static int look_around(lua_State *L) {
  lua_pushcfunction(L, see_outside);
  lua_sethook(L, see_in_hook, LUA_MASKCALL, 0);
  lua_call(L, 0, 0);
  lua_sethook(L, NULL, 0, 0);
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, see_in_finalizer);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

/* The byte that is 1 outside and 0 in both of the others, if it is the only one. */
static int only_switch(void) {
  int found = -1;
  for (int i = 0; i < SEEN; i++) {
    if (seen[0][i] != 1 || seen[1][i] != 0 || seen[2][i] != 0) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

void cr_nudge_prepare(void) {
  lua_State *L = luaL_newstate();
  if (!L) return;
  lua_pushcfunction(L, look_around);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) hook_switch = only_switch();
  lua_close(L);
}

static void switch_on(lua_State *L) {
  if (hook_switch >= 0) ((volatile unsigned char *)L)[hook_switch] = 1;
}

/* -------------------------------------------------------------------- hooks */

static void look(lua_State *L, lua_Debug *event);
static void look_again(lua_State *L, lua_Debug *event);

static bool is_ours(lua_Hook hook) { return hook == look || hook == look_again; }

static void set_hook(lua_State *L, lua_Hook hook, int mask, int count) {
  if (!is_ours(lua_gethook(L))) {
    me.own.mask = lua_gethookmask(L);
    me.own.count = lua_gethookcount(L);
    me.own.hook = lua_gethook(L);
  }
  me.armed = 1;
  lua_sethook(L, hook, mask, count);
}

static void restore(lua_State *L) {
  if (is_ours(lua_gethook(L))) lua_sethook(L, me.own.hook, me.own.mask, me.own.count);
  me.armed = 0;
}

/* The first event may come right after a function has returned, with no event of that. */
static void arm(lua_State *L) {
  if (!cr_runs.nudged) me.patience = me.told < ENOUGH ? PATIENCE : 0;
  me.early = 2;
  cr_runs.nudged = 1;
  set_hook(L, look, ALL_EVENTS, 1);
  switch_on(L);
}

static void come_again(lua_State *L) {
  set_hook(L, look_again, LUA_MASKCOUNT, me.told < ENOUGH ? AGAIN : 1);
}

/* lua_sethook is the one function of Lua that a signal handler may call; the getters
** only read a word each. */
void cr_nudge(void) {
  lua_State *L = cr_runs.L;
  if (L && !me.deaf) arm(L);
}

void nudge_begin(void) { me.deaf = 1; }

void nudge_ready(void) {
  me.deaf = 0;
  if (cr_notices()) cr_nudge(); /* one that came before, and was only posted */
}

/* The hook goes along with the code.  A signal that comes in the middle of this sets it
** in one of the two; if that is the one that is left, the hook finds nothing to do there
** one day, or the code comes back to it. */
void cr_run_in(lua_State *L) {
  lua_State *from = cr_runs.L;
  if (!from) return; /* the state is being closed */
  lua_Hook hook = me.armed ? lua_gethook(from) : NULL;
  if (is_ours(hook)) restore(from);
  cr_runs.L = L;
  atomic_signal_fence(memory_order_seq_cst);
  if (cr_runs.nudged)
    arm(L);
  else if (hook == look_again)
    come_again(L);
}

/* ------------------------------------------------------------ where it stands */

enum {
  CLOSING = 1,
  FINALIZING = 2,
  HOOKED = 4 /* a hook, or a message handler that was called for an error of a hook */
};

static unsigned what_runs(lua_State *L) {
  unsigned what = 0;
  lua_Debug ar;
  for (int level = 0; level < DEEP && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "n", &ar);
    if (strcmp(ar.namewhat, "hook") == 0) what |= HOOKED;
    if (strcmp(ar.namewhat, "metamethod") != 0) continue;
    if (strcmp(ar.name, "close") == 0) what |= CLOSING;
    if (strcmp(ar.name, "__gc") == 0) what |= FINALIZING;
  }
  return what;
}

bool nudge_finalizing(lua_State *L) { return what_runs(L) & FINALIZING; }

static bool is_repeated(void) { return (cr_notices() & CR_END) || cr_pool_late(); }
static bool is_wanted(void) { return is_repeated() || (cr_notices() & CR_INTERRUPT); }

/* No signal is lost by this: what was posted before `nudged` is cleared is seen, and what
** comes later sets it again. */
static void rest(lua_State *L) {
  cr_runs.nudged = 0;
  restore(L);
  if (cr_runs.nudged || is_wanted() || (cr_notices() & CR_DUMP)) arm(L);
}

static void forget(lua_State *L) {
  me.told = 0;
  me.raised = false;
  rest(L);
}

/* Is a message handler still at the last error of ours? */
static bool is_stuck(lua_State *L) { return me.raised && (what_runs(L) & HOOKED); }

/* Postpones the error if the program gives something back, reports an error, or builds
** anew what it has received. */
static bool is_pardoned(unsigned what) {
  if ((what == 0 && !cr_runs.receiving) || me.patience == 0) return false;
  me.patience--;
  cr_runs.shelter = CR_SHELTER;
  return true;
}

/* What comes after the error that is about to be raised. */
static void rest_or_come_again(lua_State *L, unsigned what) {
  bool repeated = is_repeated();
  me.raised = true;
  me.told += repeated || (what & HOOKED);
  if (!repeated && me.own.hook) return rest(L);
  cr_runs.nudged = 0;
  come_again(L);
}

/* An error in a finalizer does not leave it, so what it interrupts has not heard it, and
** the hook stays. */
_Noreturn static void stop(lua_State *L, unsigned what) {
  if (what & FINALIZING) {
    me.patience = 0;
    lua_pushliteral(L, "interrupted!");
  } else {
    notice_push(L);
    rest_or_come_again(L, what);
  }
  if (!me.own.hook) switch_on(L); /* a handler is not the place for the script's own hook */
  lua_error(L);
  abort(); /* not reached */
}

/* ---------------------------------------------------------------- the events */

/* A new line has begun, or a loop's next round. */
static void line_begins(void) {
  if (me.early == 0 && cr_runs.shelter > CR_SHELTER) cr_runs.shelter = CR_SHELTER;
}

static void instruction_begins(lua_State *L) {
  if (cr_notices() & CR_DUMP) cr_dump_if_asked(L);
  if (!is_wanted() && !is_stuck(L)) {
    forget(L);
  } else if (me.early > 0) {
    me.early--;
  } else if (cr_runs.shelter > 0) {
    cr_runs.shelter--;
  } else {
    unsigned what = what_runs(L);
    if (!is_pardoned(what)) stop(L, what);
  }
}

static void look(lua_State *L, lua_Debug *event) {
  switch (event->event) {
  case LUA_HOOKRET: me.early = me.early > 1 ? me.early : 1; break;
  case LUA_HOOKLINE: line_begins(); break;
  default: instruction_begins(L); break;
  }
}

static void look_again(lua_State *L, lua_Debug *event) {
  (void)event;
  if (is_wanted() || is_stuck(L))
    arm(L);
  else
    forget(L);
}

void nudge_over(lua_State *L) {
  cr_runs.receiving = 0; /* a decoding may have ended by an error */
  if (!is_wanted()) forget(L);
}

/* Whoever asked for the end is answered by it, and finalizers may run. */
void nudge_end(lua_State *L) {
  cr_notices_take();
  nudge_over(L);
  lua_sethook(L, NULL, 0, 0);
}

void nudge_state(lua_State *L) {
  me.armed = me.early = me.patience = me.told = 0;
  me.raised = false;
  me.own.hook = NULL;
  cr_runs = (cr_running){.L = L};
}

void cr_stop_here(lua_State *L) {
  unsigned what = is_wanted() ? what_runs(L) : 0;
  if (is_wanted() && !is_pardoned(what)) stop(L, what);
}
