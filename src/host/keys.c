/* SPDX-License-Identifier: MIT */
/*
** keys: what Enter, Tab, Up, Down and a paste do; all others are libedit's.
**
**   Enter      ends the block if its code is whole, else begins a new line in it
**   Tab        completes the word before the cursor, or lists what it may become;
**              at the start of a line it indents
**   Up, Down   go to the line above or below, past the first or last one into the
**              history, where they find what begins as the text before the cursor
**   Ctrl-A, Ctrl-E, Home, End   go to the ends of the line, not of the block
**   Ctrl-R     searches the history
**   a paste    goes into the block as it is, newlines too, and waits for Enter
**
** A block is one text with newlines for libedit, from the first line on; that is
** why it can be edited, and recalled, as a whole.
*/
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "host/prompt.h"

static void go_to_end(EditLine *el) {
  const LineInfo *line = cr_lib.line(el);
  cr_lib.cursor(el, (int)(line->lastchar - line->cursor));
}

/* ------------------------------------------------------------------- Enter */

static bool is_unfinished(const LineInfo *line) {
  size_t n = (size_t)(line->lastchar - line->buffer);
  if (!cr_edit_ask("unfinished", line->buffer, n, 1)) return false;
  lua_State *L = cr_edit_state();
  bool unfinished = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return unfinished;
}

/* libedit tells an empty block from the end of input by the newline. */
static unsigned char enter(EditLine *el, int key) {
  (void)key;
  if (is_unfinished(cr_lib.line(el))) {
    cr_lib.insert(el, "\n");
    return CC_REFRESH;
  }
  cr_edit_leave();
  go_to_end(el);
  cr_lib.insert(el, "\n");
  return CC_NEWLINE;
}

/* --------------------------------------------------------------------- Tab */

static bool at_line_start(const LineInfo *line) {
  const char *c = line->cursor;
  while (c > line->buffer && (c[-1] == ' ' || c[-1] == '\t')) c--;
  return c == line->buffer || c[-1] == '\n';
}

static unsigned char complete(EditLine *el, int key) {
  (void)key;
  lua_State *L = cr_edit_state();
  const LineInfo *line = cr_lib.line(el);
  if (at_line_start(line)) {
    cr_lib.insert(el, "  ");
    return CC_REFRESH;
  }
  if (!cr_edit_ask("complete", line->buffer, (size_t)(line->cursor - line->buffer), 2))
    return CC_ERROR;
  size_t n;
  const char *rest = lua_tostring(L, -2), *list = lua_tolstring(L, -1, &n);
  bool more = rest && rest[0] != '\0';
  if (more) cr_lib.insert(el, rest);
  if (list) cr_edit_above(list, n);
  lua_pop(L, 2);
  return more ? CC_REFRESH : list ? CC_NORM : CC_ERROR;
}

/* ----------------------------------------------- Up, Down, Ctrl-A, Ctrl-E */

/* Characters, not bytes, are what the cursor moves by. */
static int count(const char *from, const char *to) {
  int n = 0;
  for (; from < to; from++) n += ((unsigned char)*from & 0xc0) != 0x80;
  return n;
}

static const char *line_start(const LineInfo *line, const char *at) {
  while (at > line->buffer && at[-1] != '\n') at--;
  return at;
}

static const char *line_end(const LineInfo *line, const char *at) {
  while (at < line->lastchar && *at != '\n') at++;
  return at;
}

static int smaller(int a, int b) { return a < b ? a : b; }

/* A walk through the history.  It begins anew whenever the block is not what the walk has
** put there last: then somebody has typed. */
static struct {
  char *typed, *shown; /* the block before the walk, and as the walk has left it */
  size_t prefix;       /* bytes of it before the cursor */
  int at;              /* blocks back, 0: the one that was typed */
} walk;

static char *copy_block(const LineInfo *line) {
  return strndup(line->buffer, (size_t)(line->lastchar - line->buffer));
}

static bool walk_begins(const LineInfo *line) {
  size_t n = (size_t)(line->lastchar - line->buffer);
  return !walk.shown || strlen(walk.shown) != n || memcmp(walk.shown, line->buffer, n) != 0;
}

static bool begin_walk(const LineInfo *line) {
  free(walk.typed);
  free(walk.shown);
  walk.typed = copy_block(line);
  walk.shown = copy_block(line);
  walk.prefix = (size_t)(line->cursor - line->buffer);
  walk.at = 0;
  return walk.typed && walk.shown;
}

/* The block that is `n` back; NULL: there are not so many. */
static const char *earlier_block(int n) {
  HistEvent event;
  History *history = cr_edit_history();
  if (cr_lib.history(history, &event, H_FIRST) < 0) return NULL;
  for (; n > 1; n--)
    if (cr_lib.history(history, &event, H_NEXT) < 0) return NULL;
  return event.str;
}

/* Goes on by `step`, 1 or -1, to a block that begins as what was typed. */
static const char *find_block(int step) {
  for (int at = walk.at + step; at >= 0; at += step) {
    const char *block = at == 0 ? walk.typed : earlier_block(at);
    if (!block) return NULL;
    if (at > 0 && (strncmp(block, walk.typed, walk.prefix) != 0 || strcmp(block, walk.shown) == 0))
      continue;
    walk.at = at;
    return block;
  }
  return NULL;
}

static void show_block(EditLine *el, const char *block) {
  const LineInfo *line = cr_lib.line(el);
  go_to_end(el);
  cr_lib.remove(el, count(line->buffer, line->lastchar));
  cr_lib.insert(el, block);
  free(walk.shown);
  walk.shown = strdup(block);
}

static unsigned char walk_on(EditLine *el, int step) {
  const LineInfo *line = cr_lib.line(el);
  if (walk_begins(line) && !begin_walk(line)) return CC_ERROR;
  const char *block = find_block(step);
  if (!block) return CC_ERROR;
  show_block(el, block);
  return CC_REFRESH;
}

static unsigned char up(EditLine *el, int key) {
  (void)key;
  const LineInfo *line = cr_lib.line(el);
  const char *start = line_start(line, line->cursor);
  if (start == line->buffer) return walk_on(el, 1);
  const char *above = line_start(line, start - 1);
  int column = count(start, line->cursor), length = count(above, start - 1);
  cr_lib.cursor(el, -(column + 1 + length - smaller(column, length)));
  return CC_CURSOR;
}

static unsigned char down(EditLine *el, int key) {
  (void)key;
  const LineInfo *line = cr_lib.line(el);
  const char *end = line_end(line, line->cursor);
  if (end == line->lastchar) return walk_on(el, -1);
  int column = count(line_start(line, line->cursor), line->cursor);
  int length = count(end + 1, line_end(line, end + 1));
  cr_lib.cursor(el, count(line->cursor, end) + 1 + smaller(column, length));
  return CC_CURSOR;
}

static unsigned char to_start(EditLine *el, int key) {
  (void)key;
  const LineInfo *line = cr_lib.line(el);
  cr_lib.cursor(el, -count(line_start(line, line->cursor), line->cursor));
  return CC_CURSOR;
}

static unsigned char to_end(EditLine *el, int key) {
  (void)key;
  const LineInfo *line = cr_lib.line(el);
  cr_lib.cursor(el, count(line->cursor, line_end(line, line->cursor)));
  return CC_CURSOR;
}

/* ------------------------------------------------------------------ a paste */

typedef struct text {
  char *bytes;
  size_t n, room;
} text;

static bool add(text *t, wchar_t c) {
  if (t->n + MB_LEN_MAX + 1 > t->room) {
    size_t room = 2 * t->room + 64;
    char *moved = realloc(t->bytes, room);
    if (!moved) return false;
    t->bytes = moved;
    t->room = room;
  }
  mbstate_t state = {0};
  size_t n = wcrtomb(t->bytes + t->n, c == L'\r' ? L'\n' : c, &state);
  if (n != (size_t)-1) t->n += n;
  t->bytes[t->n] = '\0';
  return true;
}

static bool ends_with(const text *t, const char *mark) {
  size_t n = strlen(mark);
  return t->n >= n && memcmp(t->bytes + t->n - n, mark, n) == 0;
}

static unsigned char paste(EditLine *el, int key) {
  static const char end[] = "\033[201~";
  text t = {0};
  wchar_t c;
  int r;
  (void)key;
  while ((r = cr_edit_character(el, &c)) == 1 && add(&t, c) && !ends_with(&t, end)) continue;
  if (r == 1 && ends_with(&t, end)) {
    t.bytes[t.n - (sizeof end - 1)] = '\0';
    cr_lib.insert(el, t.bytes);
  }
  free(t.bytes);
  return r == 1 ? CC_REFRESH : CC_EOF;
}

/* -------------------------------------------------------------------- names */

void cr_keys_bind(EditLine *el) {
  static const struct {
    const wchar_t *name, *help; /* libedit keeps them; of narrow ones it would leak copies */
    unsigned char (*function)(EditLine *, int);
  } functions[] = {
      {L"conrun-enter", L"End the block, or begin a new line in it", enter},
      {L"conrun-complete", L"Complete the word before the cursor", complete},
      {L"conrun-up", L"To the line above or an earlier block", up},
      {L"conrun-down", L"To the line below or a later block", down},
      {L"conrun-start", L"To the start of the line", to_start},
      {L"conrun-end", L"To the end of the line", to_end},
      {L"conrun-paste", L"Take in what is pasted", paste},
  };
  static const char *const keys[][2] = {
      {"^M", "conrun-enter"},        {"^J", "conrun-enter"},
      {"^I", "conrun-complete"},     {"\033[A", "conrun-up"},
      {"\033OA", "conrun-up"},       {"^P", "conrun-up"},
      {"\033[B", "conrun-down"},     {"\033OB", "conrun-down"},
      {"^N", "conrun-down"},         {"\033[200~", "conrun-paste"},
      {"^R", "em-inc-search-prev"},  {"^A", "conrun-start"},
      {"^E", "conrun-end"},          {"\033[H", "conrun-start"},
      {"\033[F", "conrun-end"},      {"\033OH", "conrun-start"},
      {"\033OF", "conrun-end"},      {"\033[3~", "ed-delete-next-char"},
      {"\033[1;5C", "em-next-word"}, {"\033[1;5D", "ed-prev-word"},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
    cr_lib.wset(el, EL_ADDFN, functions[i].name, functions[i].help, functions[i].function);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
    cr_lib.set(el, EL_BIND, keys[i][0], keys[i][1], NULL);
}
