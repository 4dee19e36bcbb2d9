/* SPDX-License-Identifier: MIT */
/*
** interrupt: SIGINT raises "interrupted!" in the main strand.
**
** The main strand may be running Lua code or be parked in a wait.  So the handler
** does two things: it posts CR_INTERRUPT, which ends any wait, and sets a hook,
** which Lua meets at its next instruction.  Whichever is met first takes the
** notice and raises; the other then finds no notice and does nothing, so one
** SIGINT is one error, also for a script that catches it.
**
** The handler disarms itself: a second SIGINT has the default action and ends the
** program, whatever Lua code does with the first.  System calls are not
** restarted, so that a read from a terminal looks up too.
**
** The kernel may hand the signal to any thread of the process; it is passed on to
** the main thread, because only there a hook may be set.
*/
#include "host/host.h"

#include <pthread.h>
#include <signal.h>

/* The state to stop.  A signal handler has no argument of ours, hence globals;
** written by the main thread while SIGINT has its default action. */
static lua_State *target;
static cr_strand *strand;
static pthread_t thread;

static void stop(lua_State *L, lua_Debug *event) {
  (void)event;
  lua_sethook(L, NULL, 0, 0);
  uint32_t had = atomic_fetch_and(&cr_me->notices, ~(uint32_t)CR_INTERRUPT);
  if (had & CR_INTERRUPT) luaL_error(L, "interrupted!");
}

/* lua_sethook is the one function of Lua that a signal handler may call.  A
** running coroutine is another lua_State than `target`: it is stopped when it
** next yields, returns, or waits. */
static void handle(int number) {
  int error = errno;
  if (pthread_equal(pthread_self(), thread)) {
    signal(number, SIG_DFL);
    cr_post(strand, CR_INTERRUPT);
    lua_sethook(target, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  } else {
    pthread_kill(thread, number);
  }
  errno = error;
}

void cr_interrupt_arm(lua_State *L) {
  target = L;
  strand = cr_me;
  thread = pthread_self();
  struct sigaction action = {.sa_handler = handle};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
}

void cr_interrupt_disarm(void) { signal(SIGINT, SIG_DFL); }
