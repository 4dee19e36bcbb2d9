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
**   call(name, ...) -> errno a system call with numbers, strings or nothing as arguments; 0 if it
**                            went well
*/
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

static const struct {
  const char *name;
  long number;
} calls[] = {{"openat", SYS_openat},
             {"openat2", SYS_openat2},
             {"open_by_handle_at", SYS_open_by_handle_at},
             {"memfd_create", SYS_memfd_create},
             {"inotify_init1", SYS_inotify_init1},
             {"statx", SYS_statx},
             {"unlinkat", SYS_unlinkat},
             {"mkdirat", SYS_mkdirat},
             {"renameat2", SYS_renameat2},
             {"fchmodat", SYS_fchmodat},
             {"socket", SYS_socket},
             {"socketpair", SYS_socketpair},
             {"connect", SYS_connect},
             {"bind", SYS_bind},
             {"sendmsg", SYS_sendmsg},
             {"sendto", SYS_sendto},
             {"execve", SYS_execve},
             {"execveat", SYS_execveat},
             {"clone", SYS_clone},
             {"clone3", SYS_clone3},
             {"kill", SYS_kill},
             {"tgkill", SYS_tgkill},
             {"pidfd_open", SYS_pidfd_open},
             {"ptrace", SYS_ptrace},
             {"process_vm_readv", SYS_process_vm_readv},
             {"io_uring_setup", SYS_io_uring_setup},
             {"bpf", SYS_bpf},
             {"unshare", SYS_unshare},
             {"mount", SYS_mount},
             {"personality", SYS_personality},
             {"ioctl", SYS_ioctl},
             {"prctl", SYS_prctl},
             {"getpid", SYS_getpid}};

static long argument(lua_State *L, int i) {
  if (lua_type(L, i) == LUA_TSTRING) return (long)lua_tostring(L, i);
  return (long)luaL_optinteger(L, i, 0);
}

static int native_call(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  size_t i = 0, count = sizeof calls / sizeof calls[0];
  while (i < count && strcmp(calls[i].name, name) != 0) i++;
  if (i == count) return luaL_argerror(L, 1, "not in my list");
  long r = syscall(calls[i].number, argument(L, 2), argument(L, 3), argument(L, 4), argument(L, 5),
                   argument(L, 6), argument(L, 7));
  lua_pushinteger(L, r < 0 ? errno : 0);
  return 1;
}

static const luaL_Reg functions[] = {
    {"fork", native_fork},     {"wait", native_wait}, {"leave", native_leave},
    {"exec", native_exec},     {"deep", native_deep}, {"setenv", native_setenv},
    {"signal", native_signal}, {"call", native_call}, {NULL, NULL}};

int luaopen_native(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
