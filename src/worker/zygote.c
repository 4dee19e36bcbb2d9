/* SPDX-License-Identifier: MIT */
/*
** zygote: the parent of all worker processes, and the keeper of the dead.
**
** It has one thread, and a Lua state that its children inherit ready-made.  It
** waits, in the only place besides base/ where the program waits, for one of
** four things:
**   a request    fork; the child becomes the worker
**   a lull       fork a spare, which becomes a worker later (spare.c)
**   SIGCHLD      a child died: bury its strands
**   the lifeline is closed: main is gone.  Kill all children, bury them, end.
**
** It waits with poll and not at a gate because it is no strand that Lua code
** could stop, and must hear of descriptors.  Signals by which a terminal ends a
** program are for main alone: the zygote ignores them, workers have their own answer
** (see child).  Those by which it stops a program stop everybody, and so does the one
** that lets it go on.
**
** Of what main has open the zygote keeps nothing but its own descriptors and the three
** standard streams: who reads from a pipe of main's must see its end when main closes
** it, whatever workers there are.
*/
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/inside.h"

/* The zygote's descriptors; r/o after start. */
static struct { int requests, deaths, lifeline; } zygote;

/* What this process has to do with the zygote. */
static enum {
  NO_ZYGOTE, /* it is another one */
  SERVES,
  ENDS
} role;

bool zygote_here(void) { return role != NO_ZYGOTE; }

/* --------------------------------------------------------------------- child */

/* A worker process takes SIGINT and SIGQUIT without an action, so that Ctrl-C is
** main's to answer; a handler, not SIG_IGN, because programs that the worker
** executes would inherit the latter. */
static void no_action(int signal) { (void)signal; }

static void signals_child(void) {
  struct sigaction nothing = {.sa_handler = no_action, .sa_flags = SA_RESTART};
  sigemptyset(&nothing.sa_mask);
  sigaction(SIGINT, &nothing, NULL);
  sigaction(SIGQUIT, &nothing, NULL);
  signal(SIGTERM, SIG_DFL); /* what `terminate` sends */
  cr_signal_restore(SIGPIPE);
  signals_thread();
  cr_signals_open();
}

static void set_pid(cr_worker *w, int32_t pid) {
  atomic_store(&w->pid, pid);
  cr_gate_wake(&w->ended, CR_ALL);
}

/* If the zygote died before the death signal was arranged, nobody would end this
** process: hence the look at the parent afterwards. */
static void become_child(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  close(zygote.requests);
  close(zygote.deaths);
  close(zygote.lifeline);
  cr_lent.open_latches = NULL;
  role = NO_ZYGOTE;
  cr_me = NULL; /* the keeper's */
  signals_child();
}

static _Noreturn void live(cr_strand *s) {
  cr_worker *w = cr_worker_of(s);
  prctl(PR_SET_NAME, w->name);
  atomic_store(&w->pid, (int32_t)getpid()); /* as the starter does; whoever is first */
  int status = cr_lent.work(w);
  fflush(NULL);
  _exit(status & 0xff);
}

/* --------------------------------------------------------------------- spares */

/* ms without a request before spares are made: requests come in bursts.  After a death
** whoever has waited for it may soon want the next process. */
#define LULL 1

/* Once a program has started a process, some more are kept ready for its next; where
** there can be no more processes, not until it has asked again. */
static bool wanted;

static void add_spare(void) {
  cr_spare *place = wanted ? spare_vacancy() : NULL;
  if (!place) return;
  spare_prepare();
  pid_t me = getpid(), pid = fork_child();
  if (pid == 0) {
    become_child(me);
    prctl(PR_SET_NAME, "conrun-spare");
    live(spare_wait(place));
  }
  wanted = pid > 0;
  if (pid > 0) spare_announce(place, pid);
}

/* ------------------------------------------------------------------- requests */

static int fork_worker(cr_strand *s, cr_worker *w) {
  pid_t me = getpid();
  pid_t pid = cr_fault("fork") ? (errno = EAGAIN, -1) : fork_child();
  if (pid == 0) {
    become_child(me);
    cr_strand_enter(s);
    live(s);
  }
  if (pid < 0) return errno;
  atomic_store(&s->pid, (int32_t)pid);
  set_pid(w, (int32_t)pid);
  return 0;
}

static void serve_request(void) {
  request r;
  if (recv(zygote.requests, &r, sizeof r, MSG_DONTWAIT) != sizeof r) return;
  cr_strand *s = cr_strand_named(r.strand);
  cr_worker *w = s ? cr_worker_of(s) : NULL;
  if (!w || cr_strand_state(s) != CR_BORN) return;
  wanted = cr_has(CR_SPARE);
  int error = fork_worker(s, w);
  if (error) set_pid(w, -error); /* the maker takes the record back */
}

/* --------------------------------------------------------------------- deaths */

/* Has child `who` died, or any child (-1)?  The dead child is only looked at here and
** stays a zombie until it has been buried: as long as it is one, the kernel gives its
** number to no other process, and a signal that is meant for the worker cannot reach a
** stranger. */
static bool is_dead(int who, int options, siginfo_t *info) {
  *info = (siginfo_t){0};
  return waitid(who < 0 ? P_ALL : P_PID, who < 0 ? 0 : (id_t)who, info,
                WEXITED | WNOWAIT | options) == 0 &&
         info->si_pid > 0;
}

/* Buries child `who`, or any child (-1), after its death; waits for that death unless
** `options` is WNOHANG.  False: there is no such dead child. */
static bool bury_one(int who, int options) {
  siginfo_t info;
  if (!is_dead(who, options, &info)) return false;
  spare_died(info.si_pid);
  cr_bury_process(info.si_pid, info.si_code == CLD_EXITED ? info.si_status : -info.si_status);
  waitpid(info.si_pid, NULL, 0);
  return true;
}

/* Called while a burial waits for a latch.  The latch's holder may be another process that
** has died and is still to be buried: then what that process had open is opened now. */
static void recover_holder(cr_latch *l) {
  siginfo_t info;
  cr_strand *holder = cr_latch_holder(l);
  int pid = holder ? atomic_load(&holder->pid) : 0;
  if (pid > 0 && is_dead(pid, WNOHANG, &info)) recover_process(pid);
}

/* Several children may have died before SIGCHLD is read, but the signal is delivered once
** and names one of them.  The named child is buried at once, without a search: strands may
** be waiting for its burial, and to search all children of the zygote takes the kernel
** longer the more there are.  Then the kernel is asked for one dead child more.
**
** Two burials are all that one call does.  True: a child was found by the search, so there
** may be others, and the caller calls again after it has looked at its other descriptors.
** Workers can die as fast as they are buried; requests for new workers, and the end of
** main, must not wait until no dead child is left. */
static bool bury_signalled(void) {
  struct signalfd_siginfo info;
  if (read(zygote.deaths, &info, sizeof info) == sizeof info) bury_one((int)info.ssi_pid, WNOHANG);
  return bury_one(-1, WNOHANG);
}

static void kill_child(cr_strand *s, void *arg) {
  (void)arg;
  int pid = atomic_load(&s->pid);
  if (s->kind == CR_PROCESS && pid > 0) kill(pid, SIGKILL);
}

/* At the end nobody is born: a pool's successor would go on with what main has left in the
** line, and nobody would kill it any more. */
int zygote_fork(cr_strand *s, cr_worker *w) { return role == ENDS ? ECANCELED : fork_worker(s, w); }

/* Main is gone or wants to go.  The spares are killed before the workers: a spare that is
** becoming a worker at this moment is found at its place or, if it has left its place, as
** the runner of its strand.  Requests that are still in the socket are not answered; they
** come from workers that are killed here. */
static _Noreturn void end(void) {
  role = ENDS;
  spare_kill_all();
  cr_roster_each(kill_child, NULL);
  while (bury_one(-1, 0)) {}
  /* A main that was killed still has its locks on files while the kernel closes what it
  ** had, the lifeline among the first. */
  if (atomic_load(&cr_worker_root()->keeper_pid) == (int32_t)getpid())
    process_await(atomic_load(&cr_arena_root()->main_pid));
  cr_buffers_sweep();
  cr_bury_self(0);
  _exit(0);
}

/* ----------------------------------------------------------------------- main */

static int signals_zygote(void) {
  int ignored[] = {SIGINT, SIGQUIT, SIGPIPE};
  for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) signal(ignored[i], SIG_IGN);
  sigset_t chld, blocked;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  /* Blocked, not ignored: a worker that is told to end before it has its own signals
  ** in place meets the signal when it unblocks it. */
  blocked = chld;
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGHUP);
  sigprocmask(SIG_SETMASK, &blocked, NULL);
  zygote.deaths = cr_fd_above(signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK));
  return zygote.deaths >= 0 ? 0 : errno;
}

static void close_on_exec(int fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }

static cr_strand *attach(const char *how) {
  int arena, socket;
  void *base;
  size_t size;
  uint32_t keeper;
  if (sscanf(how, "%d,%p,%zu,%d,%d,%d,%u", &arena, &base, &size, &zygote.requests, &socket,
             &zygote.lifeline, &keeper) != 7)
    return NULL;
  zygote_socket = socket;
  int fds[] = {arena, zygote.requests, socket, zygote.lifeline};
  for (int i = 0; i < 4; i++) close_on_exec(fds[i]);
  cr_fd_close_others(fds, 4);
  return cr_arena_attach(arena, base, size) == 0 ? &cr_strands[keeper % CR_STRANDS] : NULL;
}

_Noreturn void cr_zygote_main(const char *how) {
  cr_strand *keeper = attach(how);
  if (!keeper) _exit(1);
  cr_strand_enter(keeper);
  int error = signals_zygote();
  if (error) {
    zygote_complain("signalfd", error);
    _exit(1);
  }
  cr_worker_root()->around = cr_around_now();
  prctl(PR_SET_NAME, "conrun-zygote");
  cr_lent.open_latches = recover_holder;
  role = SERVES;
  if (cr_lent.warm) cr_lent.warm();
  struct pollfd on[] = {
      {zygote.requests, POLLIN, 0}, {zygote.deaths, POLLIN, 0}, {zygote.lifeline, 0, 0}};
  int patience = LULL;
  bool more = false;
  for (;;) {
    int n = poll(on, 3, more ? 0 : wanted && spare_vacancy() ? patience : -1);
    if (n < 0 && errno != EINTR) end(); /* it would never hear of anything */
    if (n < 0) continue;
    if (n == 0 && !more) add_spare();
    if (on[2].revents) end();
    if (on[1].revents || more) {
      more = bury_signalled();
      patience = 0;
    }
    if (on[0].revents) {
      serve_request();
      patience = LULL;
    }
  }
}
