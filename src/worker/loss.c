/* SPDX-License-Identifier: MIT */
/*
** loss: the zygote itself has died.
**
** It never ends by itself, but any process can be killed.  With it go all worker
** processes (the kernel kills them), and nobody is left to bury them: whoever waits
** for one would wait for ever.  So main, its parent, takes its place: once in a while
** during every wait without a deadline, and whenever it starts a process, a strand of
** main looks whether the zygote is still there.  If not,
**
**   1 claim    one strand does it: keeper_pid from the zygote's to `being made`, so
**              that nobody asks for a new process meanwhile
**   2 await    the end of every process of the old zygote
**   3 recover  all of their strands, so that no burial waits for a latch of the dead
**   4 open     keeper_pid 0: the next who needs a process makes a new zygote; the
**              successors of pool workers that are buried now do
**   5 bury     them, and the zygote's own strand.  A burial that it was in the middle
**              of is begun again, as every burial can be.
**
** A strand of main that waits for a latch may wait for one of the dead.  It too looks,
** but it may hold other latches, so it goes only from 1 to 3, none of which takes one,
** and says so (ZYGOTE_DOWN); the next look that is not from there goes on with 4.
**
** A strand of main that dies here dies with the program.
*/
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/inside.h"

#define PATIENCE 1000 /* ms that a killed process gets to be gone; it has no say in it */

/* Not reaped yet: step 1 must be one strand's alone. */
static bool is_dead(int pid) {
  siginfo_t info = {0};
  if (pid <= 0) return false;
  return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid == pid
                                                                           : errno == ECHILD;
}

/* Of a dead zygote, or of what is left of one that is down. */
static bool claim(int keeper) {
  int32_t seen = keeper;
  if (!atomic_compare_exchange_strong(&cr_worker_root()->keeper_pid, &seen, ZYGOTE_STARTING))
    return false;
  if (keeper != ZYGOTE_DOWN) waitpid(keeper, NULL, 0);
  return true;
}

/* ------------------------------------------------------------------ the processes */

typedef struct pids {
  int count;
  int pid[CR_STRANDS + CR_SPARES];
} pids;

static void add(pids *p, int pid) {
  for (int i = 0; i < p->count; i++)
    if (p->pid[i] == pid) return;
  if (pid > 0 && pid != (int)getpid()) p->pid[p->count++] = pid;
}

static void collect(pids *p) {
  p->count = 0;
  cr_for_strands(s)
    if (cr_strand_exists(s)) add(p, atomic_load(&s->pid));
  for (int i = 0; i < CR_SPARES; i++) add(p, spare_pid(i));
}

/* They are not our children, so their end is not told to us, and who inherits them may
** leave them as zombies; a descriptor of a process knows its end all the same. */
void process_await(int pid) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return; /* gone, or not to be seen: the kernel has killed it anyhow */
  struct pollfd on = {fd, POLLIN, 0};
  while (poll(&on, 1, PATIENCE) < 0 && errno == EINTR) {}
  close(fd);
}

static void end(int pid) {
  kill(pid, SIGKILL);
  process_await(pid);
}

/* 2 and 3. */
static void put_down(int keeper, const pids *dead) {
  for (int i = 0; i < dead->count; i++)
    if (dead->pid[i] != keeper) end(dead->pid[i]);
  for (int i = 0; i < dead->count; i++) {
    spare_died(dead->pid[i]);
    recover_process(dead->pid[i]);
  }
}

/* 2 to 5.  What is down is not killed again: the numbers may be others' by now. */
static void replace_keeper(int keeper, const pids *dead) {
  if (keeper != ZYGOTE_DOWN) put_down(keeper, dead);
  zygote_forget();
  for (int i = 0; i < dead->count; i++) cr_bury_process(dead->pid[i], -SIGKILL);
}

/* ------------------------------------------------------------------------ looking */

/* The burials wait, for latches and for the new zygote, and the caller may be in the
** middle of a wait of its own, which its record must tell again afterwards. */
static void aside(int keeper, pids *dead) {
  cr_strand *me = cr_me;
  void *object = atomic_load(&me->waits_for);
  cr_gate *gate = atomic_load(&me->waits_at);
  uint32_t what = atomic_load(&me->waits_what), looks = me->looks;
  int64_t since = atomic_load(&me->waits_since), until = atomic_load(&me->waits_until);
  collect(dead);
  replace_keeper(keeper, dead);
  if (what == CR_NOTHING) return;
  cr_wait_begin((enum cr_what)what, object, gate);
  atomic_store(&me->waits_since, since);
  atomic_store(&me->waits_until, until);
  me->looks = looks;
}

bool zygote_look(void) {
  int keeper = atomic_load(&cr_worker_root()->keeper_pid);
  bool lost = zygote_is_mine() && (keeper == ZYGOTE_DOWN || is_dead(keeper));
  pids *dead = lost ? malloc(sizeof *dead) : NULL;
  bool mine = dead && claim(keeper); /* without memory, another time */
  if (mine) aside(keeper, dead);
  free(dead);
  return mine;
}

#define PACE 100000000 /* ns between the looks of strands that only ask */

/* Programs without processes pay for no clock. */
void cr_zygote_poll(void) {
  static _Atomic int64_t next; /* of this process */
  if (!zygote_is_mine()) return;
  cr_time now = cr_clock();
  if (now < atomic_load(&next)) return;
  atomic_store(&next, now + PACE);
  zygote_look();
}

/* What main does while it waits for a latch; takes no latch and no memory. */
void zygote_open_latches(cr_latch *l) {
  (void)l;
  int keeper = atomic_load(&cr_worker_root()->keeper_pid);
  pids dead;
  if (!zygote_is_mine() || !is_dead(keeper) || !claim(keeper)) return;
  collect(&dead);
  put_down(keeper, &dead);
  atomic_store(&cr_worker_root()->keeper_pid, ZYGOTE_DOWN);
}
