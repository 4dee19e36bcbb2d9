/* SPDX-License-Identifier: MIT */
/*
** edit: a block of lines, read from a person at a terminal.
**
** The editing is libedit's.  It is looked for when the first line is read, so that
** the program depends on libc only and a person without the library has a plain
** prompt.  Its types come from <histedit.h>.
**
** libedit asks us for each character, and here we wait for three things at once:
** a key, output of somebody else, a signal.  Output is put above the prompt: erase
** the rows from the prompt down, write the lines, have all drawn again.  libedit
** does not notice, for the text and the cursor in it are as they were.
**
** Signals.  While a person types the terminal is in libedit's mode, and must be put
** right before the program ends or stops.  So the signals that come from a terminal
** are blocked but for the moment of the wait (ppoll), and are dealt with in order:
** their handlers only take note.
**
** Callbacks of futures (on_done) and other notices of the main strand are looked
** after here too, since who types must not have to press Enter for them: while
** there are other strands, the wait ends ten times a second to see.
**
** Characters are those of the locale in the environment, of UTF-8 if it names none.
** That locale is this thread's while it edits; Lua code never sees it.
*/
#include <dlfcn.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/prompt.h"

cr_library cr_lib;

/* All of the main thread's. */
static struct {
  lua_State *L;
  EditLine *el;
  History *history;
  FILE *out;
  locale_t locale;
  const char *prompt;
  const char *missing; /* why there is no editor */
  mbstate_t decoding;  /* of a character whose bytes come one by one */
  bool cancelled;      /* Ctrl-C ended this block */
} e;

lua_State *cr_edit_state(void) { return e.L; }
History *cr_edit_history(void) { return e.history; }
const char *cr_edit_missing(void) { return e.missing; }

/* ------------------------------------------------------------------ signals */

static const int watched[] = {SIGINT, SIGTSTP, SIGCONT, SIGWINCH, SIGTERM, SIGHUP};
enum {
  WATCHED = sizeof watched / sizeof watched[0]
};

static volatile sig_atomic_t arrived[NSIG];
static struct sigaction actions_before[WATCHED];
static sigset_t mask_before;

static void note(int number) { arrived[number] = 1; }

static bool take_note(int number) {
  bool there = arrived[number];
  arrived[number] = 0;
  return there;
}

/* A signal that our parent has us ignore (nohup) stays ignored. */
static void watch_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < WATCHED; i++) sigaddset(&set, watched[i]);
  pthread_sigmask(SIG_BLOCK, &set, &mask_before);
  struct sigaction action = {.sa_handler = note};
  for (int i = 0; i < WATCHED; i++) {
    arrived[watched[i]] = 0;
    sigaction(watched[i], NULL, &actions_before[i]);
    if (actions_before[i].sa_handler != SIG_IGN) sigaction(watched[i], &action, NULL);
  }
}

static void unwatch_signals(void) {
  for (int i = 0; i < WATCHED; i++) sigaction(watched[i], &actions_before[i], NULL);
  pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
}

/* Has the signal do what it does to a program that handles none.  For those that
** end a program this is the end; after a stop we come back. */
static void obey(int number) {
  fflush(e.out);
  cr_lib.set(e.el, EL_PREP_TERM, 0);
  signal(number, SIG_DFL);
  raise(number);
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, &before);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  struct sigaction action = {.sa_handler = note};
  sigaction(number, &action, NULL);
}

/* Where a key and a signal are there both, poll tells of the key only; but Ctrl-C was
** pressed before it. */
static void let_signals_in(void) {
  sigset_t watched_too;
  pthread_sigmask(SIG_SETMASK, &mask_before, &watched_too);
  pthread_sigmask(SIG_SETMASK, &watched_too, NULL);
}

/* ------------------------------------------------------------------- screen */

static void erase(void) {
  const LineInfo *line = cr_lib.line(e.el);
  int rows = cr_layout_rows(e.prompt, line->buffer, (size_t)(line->cursor - line->buffer),
                            cr_terminal_columns());
  fputc('\r', e.out);
  if (rows > 0) fprintf(e.out, "\033[%dA", rows);
  fputs("\033[J", e.out);
}

static void mark(bool show) { cr_marks_draw(e.out, e.prompt, cr_lib.line(e.el), show); }

static void draw_again(void) {
  cr_lib.set(e.el, EL_REFRESH);
  mark(true);
}

/* In libedit's mode the terminal may not return the carriage by itself. */
static void write_lines(const char *lines, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (lines[i] == '\n') fputc('\r', e.out);
    fputc(lines[i], e.out);
  }
  if (length > 0 && lines[length - 1] != '\n') fputs("\r\n", e.out);
}

void cr_edit_above(const char *lines, size_t length) {
  erase();
  write_lines(lines, length);
  draw_again();
}

static void show_output(void) {
  size_t n;
  const char *lines = cr_terminal_lines(&n);
  if (lines) cr_edit_above(lines, n);
}

static void resize(void) {
  cr_terminal_resized();
  erase();
  cr_lib.resize(e.el);
  draw_again();
}

/* Stopped by Ctrl-Z, and back with `fg`: the terminal may look like anything then. */
static void stop(void) {
  erase();
  obey(SIGTSTP);
  let_signals_in();
  take_note(SIGCONT);
  cr_lib.set(e.el, EL_PREP_TERM, 1);
  cr_terminal_resized();
  cr_lib.resize(e.el);
  draw_again();
}

/* ---------------------------------------------------------- calls into Lua */

/* The locale and the signals are the program's own while its code runs. */
static int call(lua_State *L, int arguments, int results) {
  locale_t mine = uselocale(LC_GLOBAL_LOCALE);
  int status = lua_pcall(L, arguments, results, 0);
  uselocale(mine);
  return status;
}

bool cr_edit_ask(const char *function, const char *text, size_t length, int results) {
  lua_State *L = e.L;
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, CR_REPL);
  lua_getfield(L, -1, function);
  lua_remove(L, -2);
  lua_pushlstring(L, text, length);
  bool good = call(L, 1, results) == LUA_OK;
  if (!good) lua_settop(L, top);
  return good;
}

static int look_up(lua_State *L) {
  cr_look_up(L);
  return 0;
}

/* What other strands want of the main strand.  An interruption was meant for code
** that is over.  The code that runs may print more than the pseudo terminal holds,
** so the pump has the turn meanwhile. */
static void attend(void) {
  cr_notice_take(CR_INTERRUPT);
  if (cr_notices() == 0) return;
  erase();
  fflush(e.out);
  cr_terminal_run();
  lua_pushcfunction(e.L, look_up);
  if (call(e.L, 0, 0) != LUA_OK) lua_pop(e.L, 1);
  cr_terminal_pause();
  draw_again();
}

/* --------------------------------------------------------------- characters */

/* True if the block is over: cancelled. */
static bool obey_signals(void) {
  let_signals_in();
  if (take_note(SIGTERM)) obey(SIGTERM);
  if (take_note(SIGHUP)) obey(SIGHUP);
  if (take_note(SIGTSTP)) stop();
  if (take_note(SIGCONT)) cr_lib.set(e.el, EL_PREP_TERM, 1), draw_again();
  if (take_note(SIGWINCH)) resize();
  return e.cancelled = take_note(SIGINT);
}

/* Waits until a key was pressed; false if the block was cancelled. */
static bool await_key(void) {
  static const struct timespec tick = {.tv_nsec = 100 * 1000 * 1000};
  for (;;) {
    if (obey_signals()) return false;
    attend();
    show_output(); /* also what the pump has read and left for us */
    struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                         {.fd = cr_terminal_source(), .events = POLLIN}};
    if (ppoll(p, 2, cr_strands_top() > 1 ? &tick : NULL, &mask_before) <= 0) continue;
    if (p[0].revents) return !obey_signals();
  }
}

/* Reads one byte and adds it to the character; 1 when that is whole, 0 if more is
** needed, -1 at the end of all input.  Bytes that are no character are left out. */
static int read_byte(wchar_t *c) {
  char byte;
  ssize_t n = read(STDIN_FILENO, &byte, 1);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  if (n <= 0) return -1;
  size_t used = mbrtowc(c, &byte, 1, &e.decoding);
  if (used <= 1) return 1;
  if (used == (size_t)-1) memset(&e.decoding, 0, sizeof e.decoding);
  return 0;
}

/* Moves the cursor from its place in the block to the row below it. */
void cr_edit_leave(void) {
  const LineInfo *line = cr_lib.line(e.el);
  mark(false);
  int columns = cr_terminal_columns();
  size_t before = (size_t)(line->cursor - line->buffer),
         all = (size_t)(line->lastchar - line->buffer);
  int at = cr_layout_rows(e.prompt, line->buffer, before, columns);
  int end = cr_layout_rows(e.prompt, line->buffer, all, columns);
  if (end > at) fprintf(e.out, "\033[%dB", end - at);
  fputs("\r\n", e.out);
}

/* Of what is pasted each character is a key. */
static bool is_key_there(void) {
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&p, 1, 0) > 0;
}

int cr_edit_character(EditLine *el, wchar_t *c) {
  (void)el;
  if (!is_key_there()) mark(true);
  for (;;) {
    if (!await_key()) {
      cr_edit_leave();
      errno = EINTR;
      return -1;
    }
    int r = read_byte(c);
    if (r != 0) return r > 0 ? 1 : 0;
  }
}

/* ------------------------------------------------------------------ a block */

static char *tell_prompt(EditLine *el) {
  (void)el;
  return (char *)e.prompt;
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\n")] == '\0'; }

static void recall(const char *block) {
  HistEvent event;
  cr_lib.history(e.history, &event, H_ENTER, block);
}

/* Once for a block that is entered again and again. */
static void remember(const char *block) {
  HistEvent newest;
  if (is_blank(block)) return;
  if (cr_lib.history(e.history, &newest, H_FIRST) >= 0 && strcmp(newest.str, block) == 0) return;
  recall(block);
  cr_history_add(block);
}

/* Between the two sequences the terminal marks what is pasted. */
static const char *get_block(int *n) {
  /* After Ctrl-C the terminal is its own for a moment, and echoes what is typed then where
  ** the prompt comes.  The editor gets it, too, and shows it behind the prompt. */
  cr_lib.set(e.el, EL_PREP_TERM, 1);
  if (e.cancelled) fputs("\r\033[K", e.out);
  fputs("\033[?2004h", e.out);
  e.cancelled = false;
  const char *text = cr_lib.gets(e.el, n);
  if (!text && !e.cancelled) fputs("\r\n", e.out);
  fputs("\033[?2004l", e.out);
  fflush(e.out);
  return text;
}

enum cr_edit_outcome cr_edit_read(lua_State *L, const char *prompt) {
  int n = 0; /* the text has no end of its own */
  e.prompt = prompt;
  locale_t before = uselocale(e.locale);
  watch_signals();
  cr_lib.resize(e.el);
  cr_terminal_resized();
  const char *text = get_block(&n);
  unwatch_signals();
  uselocale(before);
  if (e.cancelled) return CR_EDIT_CANCEL;
  if (!text) return CR_EDIT_END;
  lua_pushlstring(L, text, (size_t)n - 1); /* without the newline of Enter */
  remember(lua_tostring(L, -1));
  return CR_EDIT_BLOCK;
}

/* ------------------------------------------------------------------ opening */

static bool load_library(void) {
  if (cr_lib.history) return true;
  void *file = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
  if (!file) return false;
  const struct {
    const char *name;
    void *place;
  } functions[] = {
      {"el_init", &cr_lib.init},
      {"el_end", &cr_lib.end},
      {"el_set", &cr_lib.set},
      {"el_wset", &cr_lib.wset},
      {"el_gets", &cr_lib.gets},
      {"el_line", &cr_lib.line},
      {"el_cursor", &cr_lib.cursor},
      {"el_insertstr", &cr_lib.insert},
      {"el_deletestr", &cr_lib.remove},
      {"el_resize", &cr_lib.resize},
      {"el_source", &cr_lib.source},
      {"history_init", &cr_lib.history_init},
      {"history_end", &cr_lib.history_end},
      {"history", &cr_lib.history},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    void *function = dlsym(file, functions[i].name);
    if (!function) return false;
    memcpy(functions[i].place, &function, sizeof function);
  }
  return true;
}

/* The locale of the environment if it has more than ASCII, else one of UTF-8. */
static locale_t find_locale(void) {
  locale_t named = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
  if (named && strcmp(nl_langinfo_l(CODESET, named), "ANSI_X3.4-1968") != 0) return named;
  locale_t wide = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (!wide) return named;
  if (named) freelocale(named);
  return wide;
}

/* Can the cursor be moved?  A terminal that cannot says so. */
static bool is_capable(void) {
  const char *name = getenv("TERM");
  return name && name[0] != '\0' && strcmp(name, "dumb") != 0;
}

static bool make_editor(void) {
  HistEvent event;
  e.out = fdopen(dup(cr_terminal_screen()), "w");
  e.locale = find_locale();
  e.history = cr_lib.history_init();
  if (!e.out || !e.locale || !e.history) return false;
  locale_t before = uselocale(e.locale);
  e.el = cr_lib.init("conrun", stdin, e.out, e.out);
  uselocale(before);
  return e.el && cr_lib.history(e.history, &event, H_SETSIZE, cr_history_size() + 1) >= 0;
}

static void set_up(void) {
  locale_t before = uselocale(e.locale);
  cr_lib.set(e.el, EL_PROMPT, tell_prompt);
  cr_lib.set(e.el, EL_GETCFN, cr_edit_character);
  cr_lib.set(e.el, EL_HIST, cr_lib.history, e.history);
  cr_lib.set(e.el, EL_EDITOR, "emacs");
  cr_keys_bind(e.el);
  cr_lib.source(e.el, NULL); /* the person's ~/.editrc has the last word */
  cr_history_open(recall);
  uselocale(before);
}

bool cr_edit_usable(void) {
  if (!is_capable()) return false;
  if (!load_library()) e.missing = "libedit";
  return !e.missing;
}

bool cr_edit_open(lua_State *L) {
  e.L = L;
  if (!cr_edit_usable() || !cr_terminal_open()) return false;
  if (!make_editor()) {
    cr_edit_close();
    return false;
  }
  set_up();
  return true;
}

void cr_edit_close(void) {
  cr_history_close();
  if (e.el) cr_lib.end(e.el);
  if (e.history) cr_lib.history_end(e.history);
  if (e.out) fclose(e.out);
  if (e.locale) freelocale(e.locale);
  memset(&e, 0, sizeof e);
}
