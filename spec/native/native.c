/* SPDX-License-Identifier: MIT */
/*
** native: what other people's C modules do, as a Lua module for specs.
**
**   fork() -> pid | 0        as luaposix or a module that makes a daemon
**   wait(pid) -> status      exit code, or -signal
**   leave(code)              _exit: a child that touches nothing any more
**   exec(program, ...)       becomes that program
**   deep(kilobytes)          uses that much of the C stack, as a recursive matcher does
**   setenv(name [, value])   a variable of the environment, or one less
**   signal(name, action)     "ignore", "default" or "block"
*/
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int native_fork(lua_State *L) {
  lua_pushinteger(L, fork());
  return 1;
}

static int native_wait(lua_State *L) {
  int status, r;
  while ((r = waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0)) < 0 && errno == EINTR) {}
  if (r < 0) return luaL_error(L, "waitpid: %s", strerror(errno));
  lua_pushinteger(L, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  return 1;
}

static int native_leave(lua_State *L) { _exit((int)luaL_checkinteger(L, 1)); }

static int native_exec(lua_State *L) {
  char *argv[16] = {NULL};
  for (int i = 1; i <= lua_gettop(L) && i < 16; i++) argv[i - 1] = (char *)luaL_checkstring(L, i);
  execvp(argv[0], argv);
  return luaL_error(L, "%s: %s", argv[0], strerror(errno));
}

/* Each turn keeps a kilobyte of the stack, and the compiler cannot leave it out. */
static int deep(lua_Integer n) {
  volatile char room[1024];
  room[0] = (char)n;
  return n > 1 ? deep(n - 1) + room[0] - (char)n : 0;
}

static int native_deep(lua_State *L) {
  lua_pushinteger(L, deep(luaL_checkinteger(L, 1)));
  return 1;
}

static int native_setenv(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *value = luaL_optstring(L, 2, NULL);
  lua_pushboolean(L, (value ? setenv(name, value, 1) : unsetenv(name)) == 0);
  return 1;
}

static int native_signal(lua_State *L) {
  static const char *const actions[] = {"ignore", "default", "block", NULL};
  int number = (int)luaL_checkinteger(L, 1);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  switch (luaL_checkoption(L, 2, NULL, actions)) {
  case 0: signal(number, SIG_IGN); break;
  case 1: signal(number, SIG_DFL); break;
  default: sigprocmask(SIG_BLOCK, &one, NULL);
  }
  return 0;
}

static const luaL_Reg functions[] = {{"fork", native_fork},     {"wait", native_wait},
                                     {"leave", native_leave},   {"exec", native_exec},
                                     {"deep", native_deep},     {"setenv", native_setenv},
                                     {"signal", native_signal}, {NULL, NULL}};

int luaopen_native(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
