/* SPDX-License-Identifier: MIT */
/*
** check: the end of a process that has met the impossible.
*/
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

void cr_panic(const char *what, const char *file, int line) {
  char text[256];
  int n = snprintf(text, sizeof text, "conrun: broken invariant: %s (%s:%d, process %d)\n", what,
                   file, line, (int)getpid());
  if (n > (int)sizeof text - 1) n = (int)sizeof text - 1;
  /* Straight to the descriptor: stdio may be what broke. */
  if (write(STDERR_FILENO, text, (size_t)n) < 0) _exit(134);
  abort();
}
