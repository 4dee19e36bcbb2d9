/* SPDX-License-Identifier: MIT */
/*
** full: a terminal as a whole, for --top: the other screen, keys as they are pressed.
**
** The terminal is put back however the program ends, but by SIGKILL: at the return of
** --top, by a signal that ends it, and while it is stopped.  The handlers do only what a
** handler may; they are the reason for the global.  Keys that send signals go on doing so.
*/
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "host/host.h"

static struct {
  volatile sig_atomic_t open;
  struct termios before, keys; /* as it was found, and as it is meanwhile; r/o once open */
} full;

/* The other screen, whose lines do not wrap, without a cursor; and back. */
static const char enter[] = "\033[?1049h\033[?7l\033[?25l\033[H\033[J";
static const char leave[] = "\033[?25h\033[?7h\033[?1049l";

static void send(const char *text, size_t n) {
  while (n > 0) {
    ssize_t done = write(STDOUT_FILENO, text, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return; /* it is gone; that shows when a key is read */
    text += done;
    n -= (size_t)done;
  }
}

static void put_back(void) {
  if (!full.open) return;
  send(leave, sizeof leave - 1);
  tcsetattr(STDIN_FILENO, TCSANOW, &full.before);
}

static void take(void) {
  tcsetattr(STDIN_FILENO, TCSANOW, &full.keys);
  send(enter, sizeof enter - 1);
}

static void end(int number) {
  put_back();
  full.open = 0;
  signal(number, SIG_DFL);
  raise(number);
}

static void stop(int number) {
  int error = errno;
  (void)number;
  put_back();
  raise(SIGSTOP);
  errno = error;
}

static void go_on(int number) {
  int error = errno;
  (void)number;
  if (full.open) take();
  errno = error;
}

static void look_again(int number) { (void)number; } /* ends the wait for a key */

/* What came in with one signal is not disturbed by another. */
static void handle(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigfillset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

static const int deadly[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE};

bool cr_full_possible(void) {
  const char *term = getenv("TERM");
  return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
         strcmp(term, "dumb") != 0;
}

bool cr_full_open(void) {
  if (tcgetattr(STDIN_FILENO, &full.before) != 0) return false;
  full.keys = full.before;
  full.keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  full.keys.c_cc[VMIN] = 1;
  full.keys.c_cc[VTIME] = 0;
  full.open = 1;
  for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) handle(deadly[i], end);
  handle(SIGTSTP, stop);
  handle(SIGCONT, go_on);
  handle(SIGWINCH, look_again);
  take();
  return true;
}

void cr_full_close(void) {
  put_back();
  full.open = 0;
}

/* ---------------------------------------------------------------------- for Lua */

/* key(seconds) -> what was typed, "" if nothing was; nil: the terminal is gone */
static int key(lua_State *L) {
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  char text[64];
  int r = poll(&p, 1, (int)(luaL_checknumber(L, 1) * 1000));
  ssize_t n = r > 0 ? read(STDIN_FILENO, text, sizeof text) : 0;
  if (r > 0 && n <= 0 && errno != EINTR) return 0;
  lua_pushlstring(L, text, n > 0 ? (size_t)n : 0);
  return 1;
}

/* size() -> columns, rows */
static int size(lua_State *L) {
  struct winsize now = {0};
  ioctl(STDOUT_FILENO, TIOCGWINSZ, &now);
  lua_pushinteger(L, now.ws_col > 0 ? now.ws_col : 80);
  lua_pushinteger(L, now.ws_row > 0 ? now.ws_row : 24);
  return 2;
}

static int draw(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  send(text, n);
  return 0;
}

void cr_full_push(lua_State *L) {
  static const luaL_Reg functions[] = {{"key", key}, {"size", size}, {"draw", draw}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushboolean(L, cr_color_on(STDOUT_FILENO));
  lua_setfield(L, -2, "colors");
}
