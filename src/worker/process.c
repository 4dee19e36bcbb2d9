/* SPDX-License-Identifier: MIT */
/*
** process: how a strand asks for a process, and how the zygote comes to be.
**
** The zygote is this program executed afresh with posix_spawn, which does not
** copy the caller's memory and is safe with any number of threads.  It inherits
** the arena's file, the reading end of the lifeline (whose writing end only main
** has) and both ends of a socket: it reads requests from the one, and its
** children, who inherit the other, send theirs there too.
**
** Two strands of main that need it at once: one takes keeper_pid from 0 to
** ZYGOTE_STARTING and makes it, the other waits for the number to change.
*/
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/inside.h"

#define LOOK 100000000 /* ns between looks whether the zygote is still there */
#define TRIES 3        /* zygotes that may die under one request */
#define SELF "/proc/self/exe"

_Atomic int zygote_socket = -1;
static _Atomic int lifeline = -1; /* the end that only main has; any of its threads looks */

/* ------------------------------------------------------------------ trouble */

/* Written by the one strand that makes the zygote (keeper_pid), or by the zygote before
** it gives up. */
void zygote_complain(const char *what, int error) {
  char *text = cr_worker_root()->trouble;
  snprintf(text, sizeof cr_worker_root()->trouble, "%s: %s", what, strerror(error));
}

const char *cr_start_trouble(int error) {
  const char *text = cr_worker_root()->trouble;
  return text[0] && error != ENOMEM ? text : strerror(error);
}

/* ------------------------------------------------------------------- zygote */

typedef struct channels {
  int request[2], life[2];
} channels;

static void close_all(channels *c) {
  for (int i = 0; i < 2; i++) {
    if (c->request[i] >= 0) close(c->request[i]);
    if (c->life[i] >= 0) close(c->life[i]);
  }
}

static bool both_above(int fd[2]) {
  fd[0] = cr_fd_above(fd[0]);
  fd[1] = cr_fd_above(fd[1]);
  return fd[0] >= 0 && fd[1] >= 0;
}

static int open_channels(channels *c) {
  *c = (channels){{-1, -1}, {-1, -1}};
  const char *call = "socketpair";
  if (!cr_fault("socket") &&
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c->request) == 0 &&
      both_above(c->request)) {
    call = "pipe2";
    if (pipe2(c->life, O_CLOEXEC) == 0 && both_above(c->life)) return 0;
  }
  int error = errno;
  zygote_complain(call, error);
  close_all(c);
  return error;
}

/* Duplicating a descriptor onto itself clears its close-on-exec flag in the
** child only. */
static int inherit(posix_spawn_file_actions_t *actions, const channels *c) {
  int fds[] = {cr_arena_fd(), c->request[0], c->request[1], c->life[0]};
  for (int i = 0; i < 4; i++) {
    int error = posix_spawn_file_actions_adddup2(actions, fds[i], fds[i]);
    if (error) return error;
  }
  return 0;
}

static int spawn(const channels *c, const cr_strand *keeper, pid_t *pid) {
  char how[160];
  snprintf(how, sizeof how, "--zygote=%d,%p,%zu,%d,%d,%d,%u", cr_arena_fd(), cr_arena_base(),
           cr_arena_size(), c->request[0], c->request[1], c->life[0], keeper->index);
  char *argv[] = {"conrun", how, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  int error = inherit(&actions, c);
  if (error == 0 && cr_fault("spawn")) error = EAGAIN;
  if (error == 0 && (error = cr_spawn(pid, SELF, &actions, argv, true)) != 0)
    zygote_complain("cannot execute " SELF, error);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

static int make_zygote(pid_t *pid) {
  channels c;
  cr_strand *keeper = cr_strand_new(CR_KEEPER, "keeper");
  if (!keeper) return EAGAIN;
  int error = open_channels(&c);
  if (error == 0 && (error = spawn(&c, keeper, pid)) != 0) close_all(&c);
  if (error == 0) atomic_store(&keeper->pid, *pid); /* it may die before it says so itself */
  if (error) {
    cr_strand_claim(keeper);
    cr_strand_free(keeper);
    return error;
  }
  close(c.request[0]);
  close(c.life[0]);
  zygote_socket = c.request[1];
  lifeline = c.life[1];
  return 0;
}

/* What the program has written so far comes before anything its workers write. */
static int start_zygote(void) {
  pid_t pid = 0;
  cr_worker_root()->trouble[0] = '\0';
  fflush(NULL);
  int error = make_zygote(&pid);
  atomic_store(&cr_worker_root()->keeper_pid, error ? 0 : (int32_t)pid);
  cr_gate_wake(&cr_worker_root()->keeper_gate, CR_ALL);
  return error;
}

int cr_zygote_need(void) {
  if (zygote_here()) return 0; /* this is the zygote */
  cr_worker_part *root = cr_worker_root();
  for (;;) {
    int32_t none = 0;
    uint32_t seen = cr_gate_arm(&root->keeper_gate);
    if (atomic_load(&root->keeper_pid) > 0) return 0;
    if (atomic_load(&root->keeper_pid) == ZYGOTE_DOWN) zygote_look();
    if (atomic_compare_exchange_strong(&root->keeper_pid, &none, ZYGOTE_STARTING))
      return start_zygote();
    cr_gate_wait(&root->keeper_gate, seen, cr_clock() + LOOK);
  }
}

bool zygote_is_mine(void) { return lifeline >= 0; }

/* The socket stays open, until the program ends: another thread may be about to send a
** request to the dead one, and must be refused by it; its number must not by then be
** that of some other file. */
static void close_lifeline(void) {
  close(lifeline);
  lifeline = -1;
}

void zygote_forget(void) {
  close_lifeline();
  atomic_store(&cr_worker_root()->keeper_pid, 0);
  cr_gate_wake(&cr_worker_root()->keeper_gate, CR_ALL);
}

void process_forget(void) {
  if (lifeline >= 0) close(lifeline);
  if (zygote_socket >= 0) close(zygote_socket);
  lifeline = zygote_socket = -1;
}

void cr_zygote_end(void) {
  int pid = atomic_load(&cr_worker_root()->keeper_pid);
  if (lifeline < 0) return;
  atomic_store(&cr_worker_root()->keeper_pid, ZYGOTE_STARTING); /* it ends because it is told to */
  close_lifeline();
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
  atomic_store(&cr_worker_root()->keeper_pid, 0);
}

/* ------------------------------------------------------------------- workers */

static int ask(const cr_strand *s) {
  request r = {cr_id_of(s)};
  ssize_t n;
  while ((n = send(zygote_socket, &r, sizeof r, MSG_NOSIGNAL)) < 0 && errno == EINTR) {}
  return n == sizeof r ? 0 : errno == EPIPE || errno == ECONNRESET ? ECHILD : errno;
}

/* Waits until the zygote has forked, or said why not; ECHILD: it, the `keeper` that was
** asked, has died.  Not interruptible: it is short, and the caller would have nothing
** to come back to. */
static int await_pid(cr_worker *w, int keeper) {
  bool in_main = atomic_load(&cr_me->pid) == atomic_load(&cr_arena_root()->main_pid);
  int r = 0;
  cr_wait_begin(CR_ON_START, w, &w->ended);
  while (atomic_load(&w->pid) == 0 && r == 0) {
    uint32_t seen = cr_gate_arm(&w->ended);
    if (atomic_load(&w->pid) != 0) break;
    if (cr_gate_wait_outside(&w->ended, seen, cr_clock() + LOOK) == ETIMEDOUT) zygote_look();
    if (in_main && atomic_load(&cr_worker_root()->keeper_pid) != keeper) r = ECHILD;
  }
  cr_wait_end(r == 0);
  int pid = atomic_load(&w->pid);
  return pid < 0 ? -pid : pid > 0 ? 0 : r;
}

static int ask_and_wait(cr_worker *w, const cr_strand *s) {
  int keeper = atomic_load(&cr_worker_root()->keeper_pid);
  int error = ask(s);
  if (error == ECHILD) zygote_look();
  return error ? error : await_pid(w, keeper);
}

/* A zygote that has died is replaced by one more.  Only main can do that; where a
** worker asks, it is about to die with the zygote. */
int process_start(cr_worker *w, cr_strand *s) {
  int error = ECHILD;
  if (zygote_here()) return zygote_fork(s, w);
  for (int tries = 0; error == ECHILD && tries < TRIES; tries++) {
    error = cr_zygote_need();
    if (error == 0 && spare_hire(s, w)) return 0;
    if (error == 0) error = ask_and_wait(w, s);
  }
  return error;
}
