/* SPDX-License-Identifier: MIT */
/*
** marks: a dim sign behind each line of a block that goes on in the next.
**
** libedit has one prompt, and knows of a block of several lines only that there are newlines
** in it: nothing could be put before the second.  So the sign stands behind the first, where
** libedit believes that the row is blank.  Since it does not know of the sign, it neither
** moves nor removes it; whenever it has drawn, all rows are cleared behind their ends here,
** and get their signs anew.  When the block is over the signs go: what is copied from the
** screen is the code alone.
*/
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "host/prompt.h"

/* Is there a sign on the screen?  The main thread's, as the screen is one. */
static bool shown;

static const char *sign(void) {
  return strcmp(nl_langinfo_l(CODESET, uselocale((locale_t)0)), "UTF-8") == 0 ? " \u2026" : " ..";
}

static void move(FILE *out, cr_place from, cr_place to) {
  if (to.row < from.row) fprintf(out, "\033[%dA", from.row - to.row);
  if (to.row > from.row) fprintf(out, "\033[%dB", to.row - from.row);
  fputc('\r', out);
  if (to.column > 0) fprintf(out, "\033[%dC", to.column);
}

/* Clears the row behind `at`, and puts the sign there if it has room. */
static void mark(FILE *out, cr_place cursor, cr_place at, bool show) {
  static const int room = 4;
  fputs("\0337", out); /* the terminal keeps the cursor */
  move(out, cursor, at);
  fputs("\033[K", out);
  if (show && at.column + room <= at.columns) {
    bool dim = cr_color_on(STDOUT_FILENO);
    fprintf(out, "%s%s%s", dim ? "\033[2m" : "", sign(), dim ? "\033[0m" : "");
  }
  fputs("\0338", out);
}

/* Of a block that is higher than the screen nobody knows which rows there are. */
void cr_marks_draw(FILE *out, const char *prompt, const LineInfo *line, bool show) {
  const char *from = line->buffer, *to = line->lastchar;
  bool several = memchr(from, '\n', (size_t)(to - from)) != NULL;
  int columns = cr_terminal_columns();
  cr_place end = cr_layout_end(prompt, from, (size_t)(to - from), columns);
  if (!(show && several) && !shown) return;
  if (end.row >= cr_terminal_rows()) return;
  cr_place cursor = cr_layout_end(prompt, from, (size_t)(line->cursor - from), columns);
  for (const char *at = from; at < to; at++)
    if (*at == '\n')
      mark(out, cursor, cr_layout_end(prompt, from, (size_t)(at - from), columns), show);
  mark(out, cursor, end, false);
  shown = show && several;
  fflush(out);
}
