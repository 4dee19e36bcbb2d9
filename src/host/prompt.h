/* SPDX-License-Identifier: MIT */
/*
** prompt: what the interactive mode is made of on a terminal.  Known to the files
** of the conversation only:
**
**   repl       the conversation: read, evaluate, print
**   edit       one block of lines is read and edited, with libedit
**   keys       what our own keys do in it: Enter, Tab, Up, Down, a paste
**   layout     where the cursor is, so that a line can be put above the prompt
**   marks      what shows that a line goes on
**   history    the blocks of earlier runs, in a file
**   terminal   everything printed goes through our hands
**
** All of it runs in the main thread but for the pump of terminal.c.
*/
#ifndef CR_PROMPT_H
#define CR_PROMPT_H

#include <histedit.h>

#include "host/host.h"

/* ---------------------------------------------------------------- terminal */

/* Puts a private terminal in the place of the standard output (and error, if that
** is a terminal too).  From now on what is printed, by whatever strand or program,
** comes to us first.  False if there is none to be had: all stays as it was. */
bool cr_terminal_open(void);

/* The terminal of the person: where the editor writes. */
int cr_terminal_screen(void);

/* Hands the output to the pump, which passes everything on as it comes ... */
void cr_terminal_run(void);

/* ... and back: what was printed before the call is on the screen when it
** returns, and the cursor is at the start of a line. */
void cr_terminal_pause(void);

/* While paused: readable as soon as somebody has printed; what then are the whole
** lines of it, NULL if none is complete.  Valid until the next call. */
int cr_terminal_source(void);
const char *cr_terminal_lines(size_t *length);

/* The size of the person's terminal changed. */
void cr_terminal_resized(void);
int cr_terminal_columns(void);
int cr_terminal_rows(void);

/* ------------------------------------------------------------------ editor */

/* libedit's functions; the library is looked for when it is needed. */
typedef struct cr_library {
  __typeof__(el_init) *init;
  __typeof__(el_end) *end;
  __typeof__(el_set) *set;
  __typeof__(el_wset) *wset;
  __typeof__(el_gets) *gets;
  __typeof__(el_line) *line;
  __typeof__(el_cursor) *cursor;
  __typeof__(el_insertstr) *insert;
  __typeof__(el_deletestr) *remove;
  __typeof__(el_resize) *resize;
  __typeof__(el_source) *source;
  __typeof__(history_init) *history_init;
  __typeof__(history_end) *history_end;
  __typeof__(history) *history;
} cr_library;
extern cr_library cr_lib;

/* Registry: the module conrun.repl, which knows what to do with what is typed. */
#define CR_REPL "conrun.repl"

/* False: there is no such library (cr_edit_missing names it then), or no use for it
** on this terminal.  `open` also begins to edit. */
bool cr_edit_usable(void);
bool cr_edit_open(lua_State *L);
const char *cr_edit_missing(void);
void cr_edit_close(void);

enum cr_edit_outcome {
  CR_EDIT_BLOCK,  /* the text is on top of the stack */
  CR_EDIT_CANCEL, /* Ctrl-C */
  CR_EDIT_END     /* Ctrl-D, or the terminal is gone */
};
/* Reads a block of lines.  [-0, +(0|1), m] */
enum cr_edit_outcome cr_edit_read(lua_State *L, const char *prompt);

/* The next character that the person types; EL_GETCFN's manner. */
int cr_edit_character(EditLine *el, wchar_t *c);

/* Shows lines above the prompt and what is typed, which stay as they are. */
void cr_edit_above(const char *lines, size_t length);

/* Moves the cursor below all that is typed: the block is over. */
void cr_edit_leave(void);

/* Calls a function of module conrun.repl with the text; true, with `results`
** values on the stack, if there was no error.  [-0, +(results | 0), -] */
bool cr_edit_ask(const char *function, const char *text, size_t length, int results);
lua_State *cr_edit_state(void);
History *cr_edit_history(void);

/* -------------------------------------------------------------------- keys */

/* Binds our keys; the terminal's own bindings come first. */
void cr_keys_bind(EditLine *el);

/* ------------------------------------------------------------------ layout */

/* Where `text` ends behind the prompt, counted from the prompt's first row and the margin. */
typedef struct cr_place {
  int row, column, columns; /* the last are those of the terminal */
} cr_place;
cr_place cr_layout_end(const char *prompt, const char *text, size_t length, int columns);
int cr_layout_rows(const char *prompt, const char *text, size_t length, int columns);

/* ------------------------------------------------------------------- marks */

/* Shows a dim mark behind each line of the block that another follows, or takes them away.
** All that was drawn of the block is on the screen, and the cursor stays where it is. */
void cr_marks_draw(FILE *out, const char *prompt, const LineInfo *line, bool show);

/* ----------------------------------------------------------------- history */

/* Reads the file of earlier blocks and calls `add` for each, oldest first.
** Nothing is wrong if there is no file; a message if it cannot be kept. */
void cr_history_open(void (*add)(const char *block));

/* How many blocks are kept: CONRUN_HISTORY, or 1000; 0 keeps none and touches no file. */
int cr_history_size(void);

/* Writes a block at the end of the file.  Several programs may do so at once. */
void cr_history_add(const char *block);
void cr_history_close(void);

#endif
