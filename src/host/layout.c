/* SPDX-License-Identifier: MIT */
/*
** layout: where on the screen a text ends that libedit has drawn.
**
** libedit does not tell the row that its cursor is in, and to put a line above the
** prompt one must know how far above the cursor the prompt begins.  So the drawing
** is repeated here without a screen: the same widths, the same breaks at the margin
** (refresh.c of libedit 3.1).  Works in the thread's locale, which must be that of
** the editor.
*/
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "host/prompt.h"

typedef cr_place place;

static void break_line(place *p) {
  p->row++;
  p->column = 0;
}

/* A character is never cut by the margin, and a full row moves the cursor on. */
static void put(place *p, int width) {
  if (p->column + width > p->columns) break_line(p);
  p->column += width;
  if (p->column >= p->columns) break_line(p);
}

static void put_tab(place *p) {
  do put(p, 1);
  while (p->column & 7);
}

/* Other characters that cannot be printed are shown as \U+1234. */
static void put_strange(place *p, wchar_t c) {
  for (int i = 0; i < (c > 0xffff ? 8 : 7); i++) put(p, 1);
}

static void put_character(place *p, wchar_t c) {
  if (c == L'\n')
    break_line(p);
  else if (c == L'\t')
    put_tab(p);
  else if (c < 0x80 && iswcntrl((wint_t)c)) /* ^A */
    put(p, 1), put(p, 1);
  else if (iswprint((wint_t)c))
    put(p, wcwidth(c));
  else
    put_strange(p, c);
}

static void put_text(place *p, const char *text, size_t n) {
  mbstate_t state = {0};
  while (n > 0) {
    wchar_t c;
    size_t used = mbrtowc(&c, text, n, &state);
    if (used == 0 || used > n) { /* a zero or no character at all */
      memset(&state, 0, sizeof state);
      used = 1;
      c = L'?';
    }
    put_character(p, c);
    text += used;
    n -= used;
  }
}

cr_place cr_layout_end(const char *prompt, const char *text, size_t length, int columns) {
  place p = {.columns = columns};
  put_text(&p, prompt, strlen(prompt));
  put_text(&p, text, length);
  return p;
}

int cr_layout_rows(const char *prompt, const char *text, size_t length, int columns) {
  return cr_layout_end(prompt, text, length, columns).row;
}
