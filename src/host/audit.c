/* SPDX-License-Identifier: MIT */
/*
** audit: what is left in shared memory when the program is over.
**
** With --audit the very last act, when every strand is buried, is to walk the
** whole arena.  A fault is damage, a leftover is a leak; both are told on stderr,
** one line each, and make the exit code 1.  A clean end is one line too, so that
** silence never passes for a result.
*/
#include <stdlib.h>

#include "host/host.h"

static const char *const names[CR_TYPES] = {
    [CR_LOCK] = "lock",     [CR_CONDITION] = "condition", [CR_SEMAPHORE] = "semaphore",
    [CR_EVENT] = "event",   [CR_BARRIER] = "barrier",     [CR_QUEUE] = "queue",
    [CR_PIPE] = "pipe",     [CR_FUTURE] = "future",       [CR_VALUE] = "value",
    [CR_ARRAY] = "array",   [CR_LIST] = "list",           [CR_DICT] = "dict",
    [CR_WORKER] = "worker", [CR_POOL] = "pool",           [CR_CODE] = "code",
    [CR_BUFFER] = "buffer"};

static void report_fault(void *arg, const char *line) {
  (void)arg;
  fprintf(stderr, "%s: audit: %s\n", cr_report_prefix(), line);
}

/* One line for a number that should be 0; returns the number. */
static uint64_t report_left(uint64_t n, const char *name) {
  if (n > 0)
    fprintf(stderr, "%s: audit: left: %llu %s%s\n", cr_report_prefix(), (unsigned long long)n, name,
            n == 1 ? "" : "s");
  return n;
}

/* In a debug build, and only if asked: the text of an audit is the same in every build. */
static void report_longest(void) {
  const char *where;
  if (!getenv("CONRUN_HELD")) return;
  cr_time time = cr_held_longest(&where);
  if (time > 0)
    fprintf(stderr, "%s: audit: a latch was held for %lld us at most, by %s\n", cr_report_prefix(),
            (long long)(time + 999) / 1000, where);
}

int cr_host_audit(void) {
  cr_census c;
  report_longest();
  uint64_t wrong = (uint64_t)cr_audit(report_fault, NULL);
  cr_census_take(&c);
  for (int i = 1; i < CR_TYPES; i++) wrong += report_left(c.objects[i], names[i]);
  wrong += report_left(c.messages, "message");
  wrong += report_left(c.raw, "raw block");
  wrong += report_left(c.strands, "strand");
  if (wrong == 0) fprintf(stderr, "%s: audit: clean\n", cr_report_prefix());
  return wrong == 0 ? 0 : 1;
}
