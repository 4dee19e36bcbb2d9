/* SPDX-License-Identifier: MIT */
/*
** guess: which of the known words was meant by one that is not known.
**
** For options of functions and of the command line, for help, and for scripts that read
** their own arguments (conrun.args).
*/
#include <string.h>

#include "state/state.h"

#define LONGEST 48 /* longer words are no slips */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* How many slips make `b` of `a`: a letter too many, missing or wrong, or two of them in
** the wrong order.  The three rows belong to the letters i-2, i-1 and i of `a`. */
static size_t slips(const char *a, size_t na, const char *b, size_t nb) {
  size_t rows[3][LONGEST + 1];
  for (size_t j = 0; j <= nb; j++) rows[0][j] = j;
  for (size_t i = 1; i <= na; i++) {
    size_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= nb; j++) {
      bool same = a[i - 1] == b[j - 1];
      row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + !same);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = least(row[j], before[j - 2] + 1);
    }
  }
  return rows[na % 3][nb];
}

/* One slip in three letters, and one in any case: short words are near to everything. */
void cr_guess_try(cr_guess *g, const char *candidate) {
  size_t n = strlen(candidate), most = g->length / 3 > 1 ? g->length / 3 : 1;
  if (n > LONGEST || g->length > LONGEST) return;
  size_t far = slips(g->word, g->length, candidate, n);
  if (far > most || (g->best && far >= g->slips)) return;
  g->best = candidate;
  g->slips = far;
}
