/* SPDX-License-Identifier: MIT */
/*
** system: what a hub and an agent ask of the operating system; and the module.
*/
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/inside.h"

/* random() -> 16 hexadecimal digits that nobody can guess */
static int random_text(lua_State *L) {
  uint64_t n;
  char text[17];
  if (getrandom(&n, sizeof n, 0) != (ssize_t)sizeof n)
    return luaL_error(L, "the system gives no random numbers");
  snprintf(text, sizeof text, "%016lx", (unsigned long)n);
  lua_pushstring(L, text);
  return 1;
}

/* begin_agent(): origins of what this process makes are nobody else's. */
static int begin_agent(lua_State *L) {
  uint64_t n;
  if (getrandom(&n, sizeof n, 0) != (ssize_t)sizeof n)
    return luaL_error(L, "the system gives no random numbers");
  cr_origin_begin(n);
  return 0;
}

static int hostname(lua_State *L) {
  char name[256];
  if (gethostname(name, sizeof name) != 0) memcpy(name, "?", 2);
  name[sizeof name - 1] = '\0';
  lua_pushstring(L, name);
  return 1;
}

static int pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* ------------------------------------------------------------------ signals */

/* Of an agent: how often somebody wanted it to end, and who is to look. */
static volatile sig_atomic_t ends;
static cr_strand *strand;

static void count_end(int number) {
  int error = errno;
  (void)number;
  ends = ends + 1;
  cr_post(strand, CR_CALLBACKS);
  errno = error;
}

/* count_signals(): from now on SIGINT and SIGTERM are counted, and do nothing else. */
static int count_signals(lua_State *L) {
  struct sigaction action = {.sa_handler = count_end, .sa_flags = SA_RESTART};
  (void)L;
  strand = cr_me;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  return 0;
}

/* signals() -> how many came */
static int signals(lua_State *L) {
  lua_pushinteger(L, ends);
  return 1;
}

/* -------------------------------------------------------------------- files */

/* The end of a call: true, or nil and why. */
static int answer(lua_State *L, bool good, const char *what) {
  int error = errno;
  if (good) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, strerror(error));
  return 2;
}

/* folder(path) -> true | nil, why: a folder for its owner alone, with those above it */
static int folder(lua_State *L) {
  char path[4096];
  const char *wanted = luaL_checkstring(L, 1);
  if (snprintf(path, sizeof path, "%s/", wanted) >= (int)sizeof path)
    return luaL_error(L, "path too long");
  bool good = true;
  for (char *slash = path + 1; good && (slash = strchr(slash, '/')); slash++) {
    *slash = '\0';
    good = mkdir(path, 0700) == 0 || errno == EEXIST;
    *slash = '/';
  }
  return answer(L, good, wanted);
}

static bool write_all(int fd, const char *text, size_t n) {
  while (n > 0) {
    ssize_t done = write(fd, text, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    text += done;
    n -= (size_t)done;
  }
  return true;
}

/* Under another name first, so that nobody reads half of it, nor a file of other rights. */
static bool write_private(const char *path, const char *text, size_t n) {
  char other[4096];
  if (snprintf(other, sizeof other, "%s.%d", path, (int)getpid()) >= (int)sizeof other) {
    errno = ENAMETOOLONG;
    return false;
  }
  (void)unlink(other);
  int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool good = write_all(fd, text, n) && rename(other, path) == 0;
  int error = errno;
  close(fd);
  if (!good) (void)unlink(other);
  errno = error;
  return good;
}

/* private_file(path, text) -> true | nil, why: a file for its owner alone */
static int private_file(lua_State *L) {
  size_t n;
  const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &n);
  return answer(L, write_private(path, text, n), path);
}

/* become(program, argument...): does not return, or returns nil and why. */
static int become(lua_State *L) {
  char *words[16] = {NULL};
  int n = lua_gettop(L);
  if (n >= 16) return luaL_argerror(L, 16, "too many arguments");
  words[0] = (char *)luaL_checkstring(L, 1);
  for (int i = 1; i < n; i++) words[i] = (char *)luaL_checkstring(L, i + 1);
  fflush(NULL);
  execvp(words[0], words);
  return answer(L, false, words[0]);
}

static const luaL_Reg functions[] = {{"random", random_text},
                                     {"begin_agent", begin_agent},
                                     {"hostname", hostname},
                                     {"pid", pid},
                                     {"private_file", private_file},
                                     {"folder", folder},
                                     {"become", become},
                                     {"count_signals", count_signals},
                                     {"signals", signals},
                                     {NULL, NULL}};

void system_open(lua_State *L) { luaL_setfuncs(L, functions, 0); }

int luaopen_conrun_core_net(lua_State *L) {
  if (!cr_rights_within(0)) return cr_raise(L, "a sandbox has no part in a cluster");
  lua_newtable(L);
  system_open(L);
  value_open(L);
  tasks_open(L);
  connection_open(L);
  return 1;
}
