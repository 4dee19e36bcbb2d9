/* SPDX-License-Identifier: MIT */
/*
** interrupt: SIGINT raises "interrupted!" in the main strand; SIGQUIT shows them all.
**
** The main strand may be running Lua code or be parked in a wait.  So the handler
** does two things: it posts CR_INTERRUPT, which ends any wait, and sets a hook
** (nudge.c in state/), which Lua meets at its next instruction.  Whichever is met first
** takes the notice and raises; the other then finds no notice and does nothing, so one
** SIGINT is one error, also for a script that catches it.
**
** The handler disarms itself: a second SIGINT has the default action and ends the
** program, whatever Lua code does with the first, but not in a conversation with a
** person at a terminal.  There the third, if nothing has met the first, says that a C
** function is running which looks at nothing, and that the next one ends the program.
** System calls are not restarted, so that a read from a terminal looks up too.
**
** SIGQUIT asks what everybody is doing: the handler writes what all strands wait for
** and hold (worker/describe.c), the stacks follow as each strand comes to it, and
** the program goes on as if nothing had been asked.  So system calls are restarted.
**
** The kernel may hand the signal to any thread of the process; it is passed on to
** the main thread, because only there a hook may be set.
*/
#include "host/host.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Is Lua code of the program running that may be stopped?  A signal handler has no argument
** of ours, hence globals; written by the main thread. */
static volatile sig_atomic_t armed;
static cr_strand *strand;
static pthread_t thread;
static volatile sig_atomic_t interrupted; /* SIGINT came */
static volatile sig_atomic_t kept;        /* the handler stays: a person is at the prompt */

static bool is_main(int number) {
  bool here = pthread_equal(pthread_self(), thread);
  if (!here) pthread_kill(thread, number);
  return here;
}

/* How often it was pressed in a conversation, since the notice was taken. */
static volatile sig_atomic_t presses;

/* Has the notice been there through three of them?  Asked before it is posted again. */
static bool is_deaf(void) {
  presses = atomic_load(&strand->notices) & CR_INTERRUPT ? presses + 1 : 1;
  return presses >= 3;
}

static void say_deaf(void) {
  static const char line[] =
      "\nconrun: what runs does not stop: it is in a C function that looks at "
      "nothing; one more Ctrl-C ends the program\n";
  (void)!write(STDERR_FILENO, line, sizeof line - 1);
}

static void interrupt(int number) {
  int error = errno;
  if (is_main(number)) {
    bool deaf = kept && armed && is_deaf();
    if (deaf) say_deaf();
    if (!kept || deaf) signal(number, SIG_DFL);
    interrupted = 1;
    cr_post(strand, CR_INTERRUPT);
    if (armed) cr_nudge();
  }
  errno = error;
}

static void show(int number) {
  int error = errno;
  if (is_main(number) && cr_me != NULL) {
    cr_strands_show();
    if (armed) {
      cr_dump_ask(strand);
      cr_nudge();
    }
  }
  errno = error;
}

/* The two handlers keep each other out: both change the hook. */
static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGQUIT);
  sigaction(number, &action, NULL);
}

void cr_interrupt_show(void) {
  strand = cr_me;
  thread = pthread_self();
  handle(SIGQUIT, show, SA_RESTART);
}

bool cr_interrupt_was(const char *message) {
  return interrupted && message != NULL && strstr(message, "interrupted!") != NULL;
}

void cr_interrupt_arm(void) {
  strand = cr_me;
  thread = pthread_self();
  armed = 1;
  presses = 0;
  handle(SIGINT, interrupt, 0);
}

void cr_interrupt_disarm(void) {
  armed = 0;
  if (kept)
    handle(SIGINT, interrupt, 0); /* it may have been told that the next one ends it */
  else
    signal(SIGINT, SIG_DFL);
}

void cr_interrupt_keep(bool yes) {
  strand = cr_me;
  thread = pthread_self();
  kept = yes;
  if (yes)
    handle(SIGINT, interrupt, 0);
  else
    signal(SIGINT, SIG_DFL);
}
