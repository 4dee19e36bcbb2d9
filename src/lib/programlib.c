/* SPDX-License-Identifier: MIT */
/*
** programlib: os.execute and io.popen, for a program with many threads.
**
** They do what Lua's own do.  The C library's system and popen, which those call, are
** made for a program with one thread:
**
**   - system ignores SIGINT in the whole process while it waits, so Ctrl-C would not
**     reach the main strand as long as any thread runs a program.  Here only the main
**     strand ignores it, while it waits itself.
**   - A program gets the signal mask of the thread that starts it, and nearly all
**     signals are blocked in a worker thread.  Here it gets what a shell would give it
**     (cr_spawn).
**   - Our end of a pipe is inherited by every program that another strand starts
**     meanwhile, and its reader waits for the end of that too.  Here it is not.
*/
#include <fcntl.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib.h"

/* Starts the shell; `fd`, if it is none of the three, becomes its descriptor `as`. */
static int start_shell(const char *command, int fd, int as, pid_t *pid) {
  char *argv[] = {"sh", "-c", (char *)command, NULL};
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  if (fd >= 0) error = posix_spawn_file_actions_adddup2(&actions, fd, as);
  if (error == 0) error = cr_spawn(pid, "/bin/sh", &actions, argv, false);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* -1 and errno: its end was told to somebody else, or to nobody. */
static int await(pid_t pid) {
  int status, r;
  while ((r = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {}
  return r < 0 ? -1 : status;
}

/* ----------------------------------------------------------------- os.execute */

#define NO_SHELL (127 << 8) /* the status that a shell's exit (127) would give */

/* A person who presses Ctrl-C while the main strand waits means the program that it waits
** for; one who does while another strand waits may mean the main strand. */
static int run(const char *command) {
  pid_t pid;
  bool aside = cr_me->kind == CR_MAIN;
  if (aside) cr_signals_aside();
  int error = start_shell(command, -1, -1, &pid);
  int status = error ? NO_SHELL : await(pid);
  if (!error && status < 0) error = errno;
  if (aside) cr_signals_back();
  errno = error; /* luaL_execresult looks there */
  return status;
}

/* execute([command]) -> true | nil, "exit" | "signal", code */
static int execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  int status = run(command ? command : "exit 0");
  if (command) return luaL_execresult(L, status);
  lua_pushboolean(L, status == 0);
  return 1;
}

/* ------------------------------------------------------------------- io.popen */

/* A file of Lua's io library, which knows only the first part. */
typedef struct program {
  luaL_Stream stream;
  pid_t pid;
} program;

static int end_program(lua_State *L) {
  program *p = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  fclose(p->stream.f);
  int status = await(p->pid);
  if (status >= 0) errno = 0; /* luaL_execresult looks there */
  return luaL_execresult(L, status);
}

/* Closed until it has a file, so that an error before does no harm.  [-0, +1, m] */
static program *push_program(lua_State *L) {
  program *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (program){.stream = {.f = NULL, .closef = NULL}};
  luaL_setmetatable(L, LUA_FILEHANDLE);
  return p;
}

/* The pipe to the shell: [0] is read, [1] written. */
static int open_pipe(int fd[2]) {
  if (pipe2(fd, O_CLOEXEC) != 0) return errno;
  fd[0] = cr_fd_above(fd[0]);
  fd[1] = cr_fd_above(fd[1]);
  if (fd[0] >= 0 && fd[1] >= 0) return 0;
  int error = errno;
  for (int i = 0; i < 2; i++)
    if (fd[i] >= 0) close(fd[i]);
  return error;
}

/* The shell has `theirs` as its standard input or output. */
static int open_program(program *p, const char *command, bool reads) {
  int fd[2];
  int error = open_pipe(fd);
  if (error) return error;
  int ours = fd[reads ? 0 : 1], theirs = fd[reads ? 1 : 0];
  FILE *f = fdopen(ours, reads ? "r" : "w");
  error = f ? start_shell(command, theirs, reads ? STDOUT_FILENO : STDIN_FILENO, &p->pid) : errno;
  close(theirs);
  if (error && f) fclose(f);
  if (error && !f) close(ours);
  if (error) return error;
  p->stream.f = f;
  p->stream.closef = end_program;
  return 0;
}

/* popen(command [, "r" | "w"]) -> file | nil, message, code */
static int open_by_shell(lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, strcmp(mode, "r") == 0 || strcmp(mode, "w") == 0, 2, "invalid mode");
  program *p = push_program(L);
  fflush(NULL); /* what was written so far comes before what the program writes */
  errno = open_program(p, command, *mode == 'r');
  return p->stream.f ? 1 : luaL_fileresult(L, 0, command);
}

/* ---------------------------------------------------------------------- module */

static void replace(lua_State *L, const char *library, const char *name, lua_CFunction f) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, library) == LUA_TTABLE) {
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, name);
  }
  lua_pop(L, 2);
}

void cr_program_open(lua_State *L) {
  replace(L, LUA_OSLIBNAME, "execute", execute);
  replace(L, LUA_IOLIBNAME, "popen", open_by_shell);
}
