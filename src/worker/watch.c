/* SPDX-License-Identifier: MIT */
/*
** watch: what a hard build says about a wake-up that never came (base/watch.c).
**
** A line on stderr, where a person sees it, and one in the file that CONRUN_WATCH names:
** the runner of the specs looks there, for stderr may be a pipe that a spec reads and
** throws away.  In every other build this file is empty.
*/
#ifdef CR_HARD

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/inside.h"

static void append(const text *t) {
  const char *path = getenv("CONRUN_WATCH");
  int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (fd < 0) return;
  (void)!write(fd, t->room, t->length);
  close(fd);
}

static void tell(uint32_t what) {
  char room[1024];
  text t = {room, sizeof room, 0};
  uint32_t now = atomic_exchange(&cr_me->waits_what, what);
  text_put(&t, "conrun: lost wake-up: what was waited for was there, and nobody had told\n");
  text_waiter(&t, cr_me);
  atomic_store(&cr_me->waits_what, now);
  append(&t);
  text_write(&t);
}

void watch_begin(void) { cr_lent.tell_lost = tell; }

#endif
