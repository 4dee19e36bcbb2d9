/* SPDX-License-Identifier: MIT */
/*
** explorelib: module "conrun.core.explore": runs of a program under a schedule.
**
** Each run is this program executed afresh.  What it prints and its log (host/control.c)
** go into files in memory, so nobody has to read while it runs.  It gets as much processor
** time as a run may need and is ended by the kernel after that: a loop that never passes a
** point is a failure, and not a hang.
**
** A function is explored by sending it: as bytes, in one more such file, from which `call`
** in the run takes it.
*/
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib.h"

#define TRIAL "conrun.explore.trial"
#define LOG "CONRUN_SCHEDULE_LOG"
#define CALL "CONRUN_SCHEDULE_CALL"
#define SECONDS 10 /* of processor time that each process of a run may take */
#define PIECE 4096 /* bytes that are read at once */

enum {
  OUT,
  ERR,
  REPORT,
  INPUT,
  FILES
};

typedef struct trial {
  pid_t pid; /* 0: it is over */
  int fd[FILES];
} trial;

static void close_files(trial *t) {
  for (int i = 0; i < FILES; i++)
    if (t->fd[i] >= 0) close(t->fd[i]);
  for (int i = 0; i < FILES; i++) t->fd[i] = -1;
}

static int await(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

static int trial_gc(lua_State *L) {
  trial *t = luaL_checkudata(L, 1, TRIAL);
  if (t->pid > 0) kill(t->pid, SIGKILL);
  if (t->pid > 0) await(t->pid);
  t->pid = 0;
  close_files(t);
  return 0;
}

/* -------------------------------------------------------------------- starting */

static int open_files(trial *t) {
  for (int i = 0; i < FILES; i++) {
    t->fd[i] = cr_fd_above(memfd_create("conrun-trial", MFD_CLOEXEC));
    if (t->fd[i] < 0) return errno;
  }
  return 0;
}

static int plug(posix_spawn_file_actions_t *actions, const trial *t) {
  int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, t->fd[OUT], STDOUT_FILENO);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, t->fd[ERR], STDERR_FILENO);
  /* Onto itself: the descriptor stays open in the run. */
  if (!error) error = posix_spawn_file_actions_adddup2(actions, t->fd[REPORT], t->fd[REPORT]);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, t->fd[INPUT], t->fd[INPUT]);
  return error;
}

static void name_file(const char *variable, int fd) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  setenv(variable, path, 1);
}

static int spawn(trial *t, char **argv) {
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = plug(&actions, t);
  name_file(LOG, t->fd[REPORT]);
  name_file(CALL, t->fd[INPUT]);
  if (!error) error = cr_spawn(&t->pid, "/proc/self/exe", &actions, argv, false);
  unsetenv(LOG);
  unsetenv(CALL);
  posix_spawn_file_actions_destroy(&actions);
  if (error) t->pid = 0;
  return error;
}

/* Programs that are started from here on need not be executed twice (cr_host_pin). */
static void pin(void) {
  int now = personality(0xffffffffu);
  if (now >= 0) personality((unsigned)now | ADDR_NO_RANDOMIZE);
}

static void limit_time(pid_t pid) {
  struct rlimit most = {SECONDS, SECONDS + 1};
  prlimit(pid, RLIMIT_CPU, &most, NULL);
}

/* start(argv, input) -> trial */
static int start(lua_State *L) {
  size_t length;
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *input = luaL_optlstring(L, 2, "", &length);
  int n = (int)luaL_len(L, 1);
  char **argv = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof(void *), 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    argv[i] = (char *)luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the table keeps it */
  }
  argv[n] = NULL;
  trial *t = lua_newuserdatauv(L, sizeof *t, 0);
  *t = (trial){.fd = {-1, -1, -1, -1}};
  luaL_setmetatable(L, TRIAL);
  int error = open_files(t);
  if (!error && length > 0 && write(t->fd[INPUT], input, length) != (ssize_t)length) error = EIO;
  pin();
  if (!error) error = spawn(t, argv);
  if (error) cr_raise(L, "cannot start a run: %s", strerror(error));
  limit_time(t->pid);
  return 1;
}

/* --------------------------------------------------------------------- the end */

static void push_file(lua_State *L, int fd) {
  luaL_Buffer b;
  off_t at = 0;
  ssize_t n;
  luaL_buffinit(L, &b);
  while ((n = pread(fd, luaL_prepbuffsize(&b, PIECE), PIECE, at)) > 0) {
    luaL_addsize(&b, (size_t)n);
    at += n;
  }
  luaL_pushresult(&b);
}

/* finish(trial) -> exit code | -signal, stdout, stderr, log */
static int finish(lua_State *L) {
  trial *t = luaL_checkudata(L, 1, TRIAL);
  luaL_argcheck(L, t->pid > 0, 1, "it is over");
  int status = await(t->pid);
  t->pid = 0;
  lua_pushinteger(L, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  for (int i = OUT; i <= REPORT; i++) push_file(L, t->fd[i]);
  close_files(t);
  return 4;
}

/* ------------------------------------------------------------------- functions */

/* bytes(...) -> string: the values, which must not mention shared objects. */
static int bytes(lua_State *L) {
  cr_value v;
  cr_encode(L, 1, lua_gettop(L), "argument", &v);
  bool whole = v.kind == CR_V_MESSAGE && atomic_load(&v.message->refs) == 0;
  if (whole) lua_pushlstring(L, (const char *)v.message->bytes, v.message->length);
  cr_value_free(&v);
  if (!whole)
    cr_raise(L, "a function that is explored makes its shared objects itself, in each run anew");
  return 1;
}

static void push_call(lua_State *L) {
  const char *path = getenv(CALL);
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) cr_raise(L, "there is no function to be called");
  push_file(L, fd);
  close(fd);
}

/* call(): in the run: calls what was sent. */
static int call(lua_State *L) {
  size_t length;
  lua_settop(L, 0);
  push_call(L);
  const char *text = lua_tolstring(L, 1, &length);
  cr_message *m = cr_message_new(length);
  if (!m) return luaL_error(L, "not enough memory");
  memcpy(m->bytes, text, length);
  m->length = length;
  cr_value v = {.kind = CR_V_MESSAGE};
  v.message = m;
  int n = cr_receive(L, &v);
  lua_call(L, n - 1, 0);
  return 0;
}

/* --------------------------------------------------------------------- module */

static const luaL_Reg functions[] = {
    {"start", start}, {"finish", finish}, {"bytes", bytes}, {"call", call}, {NULL, NULL}};

int luaopen_conrun_core_explore(lua_State *L) {
  if (luaL_newmetatable(L, TRIAL)) {
    lua_pushcfunction(L, trial_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
