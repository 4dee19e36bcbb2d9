/* SPDX-License-Identifier: MIT */
/*
** screen: lines that do not mix, and the rows of a terminal that stay at its
** bottom; module "conrun.core.screen".
**
** Within one process stdio's lock on the file keeps lines whole.  As soon as a
** worker process exists, the lines of different processes meet in the file
** descriptor, where only a lock that all of them share keeps a long line whole:
** the root's `output`.
**
** Progress bars are rows of text in the root, at most BARS for all strands, so
** that any process can draw all of them.  While there are some, the cursor stands
** at the end of the last, and whoever writes a line to the terminal takes the bars
** away, writes, and draws them again below it.  What goes to the terminal by
** another way (io.write, a program that was started) is not seen here: it stands
** behind a bar, and nothing of it is lost.
**
** Who takes which lock.  The output lock comes before stdio's, stdout's before
** stderr's; no wait for the output lock is made with one of those in hand.  `bars`
** leaves 0 only while all three are held, so who holds one of stdio's and reads 0
** may write there without the output lock.
**
** Reports of deadlocks and stacks take no lock, for they must come out when
** everything stands still.  They begin a line below the bars and leave a flag
** (cr_bars_pass), so that nothing above that line is taken away any more.
**
** A strand that dies in the middle gives up the lock by its burial.  The row of a
** strand that is gone is dropped by whoever draws next.
**
** The lock is made by the main strand, whose holding keeps it alive for the whole
** program.  Each other strand takes a holding at its first line, so that its
** burial can give the lock up.
*/
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen/screen.h"

/* A row of the terminal that a strand keeps for itself.  Under the output lock, but for
** `owner`, which any may read. */
#define BARS 8        /* rows for all strands together */
#define BAR_BYTES 500 /* of a row's text; a wide terminal of three-byte characters */
typedef struct screen_bar {
  _Atomic uint64_t owner; /* cr_id of its strand; 0: free */
  uint32_t length;        /* of the text; read with a bound, for its writer may have died */
  char text[BAR_BYTES];
} screen_bar;

/* This floor's part of what is there once in a program. */
typedef struct screen {
  _Atomic(void *) output; /* the lock that keeps printed lines whole */
  screen_bar bar[BARS];
} screen;
static screen *the_screen(void) { return CR_PART(screen, cr_arena_root()->screen); }

/* In the registry: this state's holding of the output lock. */
typedef struct output {
  cr_hold *hold; /* NULL until it is needed */
} output;
static const char output_key;

static output *get_output(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &output_key);
  output *o = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return o;
}

/* NULL if there is no memory for a holding; lines may then mix. */
static cr_lock *shared_lock(lua_State *L) {
  cr_lock *lock = atomic_load(&the_screen()->output);
  output *o = get_output(L);
  if (lock && !o->hold) o->hold = cr_object_hold(&lock->object);
  return o->hold ? lock : NULL;
}

/* ------------------------------------------------------------------- the rows */

static cr_id me(void) { return cr_id_of(cr_me); }

static bool is_alive(cr_id owner) {
  const cr_strand *s = cr_strand_named(owner);
  return s && cr_strand_state(s) == CR_RUNNING;
}

/* To the terminal, past stdio, in one piece.  A terminal that is gone is no reason
** to end here; the lines that follow will tell. */
static void send(const char *text, size_t n) {
  while (n > 0) {
    ssize_t done = write(STDERR_FILENO, text, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    text += done;
    n -= (size_t)done;
  }
}

/* Takes the rows off the screen: up to the first one, and clear from there. */
static void erase(void) {
  char text[32];
  uint32_t rows = atomic_load(&cr_worker_root()->bars) & ~(uint32_t)CR_BARS_PASSED;
  if (rows == 0) return;
  int n = rows > 1 ? snprintf(text, sizeof text, "\r\033[%uA\033[J", rows - 1)
                   : snprintf(text, sizeof text, "\r\033[J");
  send(text, (size_t)n);
}

static size_t append(char *room, size_t n, uint32_t row, const screen_bar *bar) {
  size_t length = bar->length < BAR_BYTES ? bar->length : BAR_BYTES;
  if (row > 0) room[n++] = '\n';
  memcpy(room + n, bar->text, length);
  return n + length;
}

static void draw(void) {
  char room[BARS * (BAR_BYTES + 1)];
  size_t n = 0;
  uint32_t rows = 0;
  for (screen_bar *bar = the_screen()->bar; bar < the_screen()->bar + BARS; bar++) {
    uint64_t owner = atomic_load(&bar->owner);
    if (owner && !is_alive(owner)) atomic_store(&bar->owner, owner = 0);
    if (owner) n = append(room, n, rows++, bar);
  }
  atomic_store(&cr_worker_root()->bars, rows);
  send(room, n);
}

void cr_screen_rest(void) {
  uint32_t rows = atomic_exchange(&cr_worker_root()->bars, 0);
  if (rows == 0) return;
  for (int i = 0; i < BARS; i++) atomic_store(&the_screen()->bar[i].owner, 0);
  if (!(rows & CR_BARS_PASSED)) send("\n", 1);
}

/* At the program's end, however Lua code ended it; worker processes have copied
** the registration, but the screen is the main strand's to leave. */
static void leave_screen(void) {
  if (cr_arena_exists() && atomic_load(&cr_arena_root()->main_pid) == (int32_t)getpid())
    cr_screen_rest();
}

/* ------------------------------------------------------------------ the locks */

static bool is_needed(FILE *to) {
  cr_worker_part *root = cr_worker_root();
  if (cr_stray) return false;
  return atomic_load(&root->bars) > 0 || (to == stdout && atomic_load(&root->processes) > 0);
}

/* Takes the output lock, or leaves it: what stderr gets is written now. */
static bool acquire(lua_State *L, cr_lock *lock, FILE *to) {
  int r;
  while ((r = cr_lock_acquire(lock, CR_FOREVER)) == EINTR) {
    if (to == stderr) return false;
    cr_look_up(L);
  }
  return r == 0 || r == EOWNERDEAD;
}

/* Takes the file's lock, and before it the output lock if it is needed; that one is
** returned, or NULL. */
static cr_lock *enter(lua_State *L, FILE *to) {
  flockfile(to);
  if (!is_needed(to)) return NULL;
  funlockfile(to);
  cr_lock *lock = shared_lock(L);
  if (lock && !acquire(L, lock, to)) lock = NULL;
  flockfile(to);
  return lock;
}

static void leave(cr_lock *lock, FILE *to) {
  funlockfile(to);
  if (lock) cr_lock_release(lock);
}

/* The same for who changes the rows: nobody may be in the middle of a line then, not
** even one who saw no bars when it began.  NULL: it cannot be had, and nothing is
** held. */
static cr_lock *enter_rows(lua_State *L) {
  cr_lock *lock = cr_stray ? NULL : shared_lock(L);
  if (!lock || !acquire(L, lock, stdout)) return NULL;
  flockfile(stdout);
  flockfile(stderr);
  return lock;
}

static void leave_rows(cr_lock *lock) {
  funlockfile(stderr);
  leave(lock, stdout);
}

void cr_screen_write(lua_State *L, FILE *to, const char *text, size_t n) {
  cr_lock *lock = enter(L, to);
  bool around = lock && atomic_load(&cr_worker_root()->bars) > 0 && isatty(fileno(to));
  if (around) erase();
  fwrite(text, 1, n, to);
  fflush(to);
  if (around) draw();
  leave(lock, to);
}

/* -------------------------------------------------------------------- module */

/* columns() -> of the terminal at stderr; nil if it is none, or one that cannot
** move its cursor. */
static int columns(lua_State *L) {
  struct winsize size;
  const char *term = getenv("TERM");
  bool able = term && *term && strcmp(term, "dumb") != 0;
  if (!able || !isatty(STDERR_FILENO)) return 0;
  bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  lua_pushinteger(L, known ? size.ws_col : 80);
  return 1;
}

/* line(text): whole lines to stderr */
static int line(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  cr_screen_write(L, stderr, text, n);
  return 0;
}

static screen_bar *own_row(lua_Integer row) {
  if (row < 1 || row > BARS) return NULL;
  screen_bar *bar = &the_screen()->bar[row - 1];
  return atomic_load(&bar->owner) == me() ? bar : NULL;
}

/* The lock is held: rows change hands only then. */
static screen_bar *free_row(void) {
  for (screen_bar *bar = the_screen()->bar; bar < the_screen()->bar + BARS; bar++)
    if (atomic_load(&bar->owner) == 0) return bar;
  return NULL;
}

static void set_text(screen_bar *bar, const char *text, size_t n) {
  bar->length = (uint32_t)(n < BAR_BYTES ? n : BAR_BYTES);
  memcpy(bar->text, text, bar->length);
  atomic_store(&bar->owner, me());
}

/* show(row | nil, text) -> row | nil: puts the text into the strand's row, or into a
** new one below the others; nil if none is free. */
static int show(lua_State *L) {
  lua_Integer row = luaL_optinteger(L, 1, 0);
  size_t n;
  const char *text = luaL_checklstring(L, 2, &n);
  cr_lock *lock = enter_rows(L);
  if (!lock) return 0;
  screen_bar *bar = row ? own_row(row) : free_row();
  if (bar) {
    erase();
    set_text(bar, text, n);
    draw();
  }
  leave_rows(lock);
  if (!bar) return 0;
  lua_pushinteger(L, bar - the_screen()->bar + 1);
  return 1;
}

/* drop(row [, text]): the row goes; the text, if there is one, stays as a line. */
static int drop(lua_State *L) {
  lua_Integer row = luaL_checkinteger(L, 1);
  size_t n;
  const char *text = luaL_optlstring(L, 2, "", &n);
  cr_lock *lock = enter_rows(L);
  if (!lock) return 0;
  screen_bar *bar = own_row(row);
  if (bar) {
    erase();
    atomic_store(&bar->owner, 0);
    send(text, n);
    draw();
  }
  leave_rows(lock);
  return 0;
}

/* shown() -> how many rows there are */
static int shown(lua_State *L) {
  lua_pushinteger(L, atomic_load(&cr_worker_root()->bars) & ~(uint32_t)CR_BARS_PASSED);
  return 1;
}

static const luaL_Reg functions[] = {{"columns", columns}, {"line", line},   {"show", show},
                                     {"drop", drop},       {"shown", shown}, {NULL, NULL}};

int luaopen_conrun_core_screen(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}

static void make_lock(output *o) {
  cr_lock *lock = cr_lock_new(false);
  if (!lock) return; /* lines may then mix; printing goes on */
  o->hold = cr_object_born(lock);
  atomic_store(&the_screen()->output, lock);
  atexit(leave_screen);
}

void cr_screen_open(lua_State *L) {
  output *o = lua_newuserdatauv(L, sizeof *o, 0);
  o->hold = NULL;
  if (cr_me->kind == CR_MAIN && !atomic_load(&the_screen()->output)) make_lock(o);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &output_key);
}
