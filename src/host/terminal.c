/* SPDX-License-Identifier: MIT */
/*
** terminal: everything that is printed goes through our hands, so that it can be
** put above the line that a person is typing.
**
** Lines come from everywhere: print of any thread and process, conrun.log, reports
** of errors and deadlocks, io.write, C libraries, programs that were started.  The
** one thing they have in common is the files 1 and 2.  So these become a pseudo
** terminal of our own, before the first worker exists; its other side, `master`,
** is read by whoever of two has the turn:
**
**   the pump   while code runs: a thread that passes every byte on at once
**   the main   while a person types: poll() over keyboard and `master` (edit.c);
**   thread     whole lines go above the prompt, an unfinished one waits for its end
**
** It is a pseudo terminal and not a pipe so that C's streams stay line-buffered and
** programs that ask find a terminal.  It is in raw mode: it changes no byte, the
** person's terminal does what it always did.  All output takes one way, so its
** order is kept.
**
** The turn is handed to the pump by a semaphore.  It is given back by a mark in
** the stream: the main thread prints a row of bytes that nobody else knows, and the
** pump stops when it meets it.  Therefore all that was printed before is on the
** screen, which no flag could tell.
**
** If this process dies, the kernel closes `master`; the workers end with it, as
** ever.  Its own last words (a broken invariant, a sanitizer's report) are still in
** the pseudo terminal then, so the handler of the deadly signals fetches them.
** What is refused: to be the terminal of a worker that was started earlier, whose
** files are what they were; main.c opens the terminal before any code runs.
*/
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

#include "host/prompt.h"

enum {
  MARK = 24,       /* bytes of the mark */
  ROOM = 64 * 1024 /* bytes of output that are looked at together */
};

/* One per process, as there is one terminal.  `text` and `count` belong to whoever
** has the turn; the semaphores order their changes. */
static struct {
  int screen, master, slave; /* r/o once opened */
  pid_t owner;               /* r/o once opened; a process that a C module forks leaves all alone */
  sem_t go, paused;
  char mark[MARK];       /* r/o once opened */
  struct termios before; /* the terminal as we found it; r/o once opened */
  _Atomic bool opened, pumping;
  char text[ROOM]; /* read and not yet shown */
  size_t count;
  size_t shown; /* bytes of it that were given to the caller of lines() */
  char last;    /* the last byte on the screen */
} t = {.screen = -1, .master = -1, .slave = -1, .last = '\n'};

int cr_terminal_screen(void) { return t.screen; }
int cr_terminal_source(void) { return t.master; }

/* A terminal that is gone takes nothing any more; whoever reads it will know. */
static void write_all(const char *text, size_t n) {
  while (n > 0) {
    ssize_t done = write(t.screen, text, n);
    if (done < 0 && errno != EINTR) return;
    if (done < 0) continue;
    t.last = text[done - 1];
    text += done;
    n -= (size_t)done;
  }
}

/* ----------------------------------------------------------------- the pump */

/* How many bytes at the end may be the beginning of the mark. */
static size_t count_doubtful(void) {
  size_t n = t.count < MARK - 1 ? t.count : MARK - 1;
  while (n > 0 && memcmp(t.text + t.count - n, t.mark, n) != 0) n--;
  return n;
}

static void show(size_t n) {
  write_all(t.text, n);
  t.count -= n;
  memmove(t.text, t.text + n, t.count);
}

/* Shows what was read; true when the mark was in it.  What comes behind the mark
** stays for the main thread. */
static bool pass_on(void) {
  char *mark = memmem(t.text, t.count, t.mark, MARK);
  if (!mark) {
    show(t.count - count_doubtful());
    return false;
  }
  show((size_t)(mark - t.text));
  t.count -= MARK;
  memmove(t.text, t.text + MARK, t.count);
  return true;
}

/* More of the output; false if nothing can be read any more. */
static bool fetch(void) {
  ssize_t n = read(t.master, t.text + t.count, ROOM - t.count);
  if (n > 0) t.count += (size_t)n;
  return n > 0 || (n < 0 && errno == EINTR);
}

static void *pump(void *unused) {
  (void)unused;
  for (;;) {
    while (sem_wait(&t.go) != 0) continue;
    while (!pass_on() && fetch()) continue;
    sem_post(&t.paused);
  }
  return NULL;
}

/* Signals are the main thread's business. */
static bool start_pump(void) {
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread, NULL, pump, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error == 0) pthread_detach(thread);
  return error == 0;
}

/* ---------------------------------------------------------------- the turns */

/* What lines() gave out is on the screen by now. */
static void forget_shown(void) {
  t.count -= t.shown;
  memmove(t.text, t.text + t.shown, t.count);
  t.shown = 0;
}

void cr_terminal_run(void) {
  if (!atomic_load(&t.opened)) return;
  forget_shown();
  atomic_store(&t.pumping, true);
  sem_post(&t.go);
}

void cr_terminal_pause(void) {
  fflush(stdout);
  if (!atomic_load(&t.opened)) return;
  if (write(t.slave, t.mark, MARK) == MARK)
    while (sem_wait(&t.paused) != 0) continue;
  atomic_store(&t.pumping, false);
  if (t.last != '\n') write_all("\n", 1);
}

static bool is_readable(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

/* Bytes up to the end of the last whole line; a line that fills all the room is
** whole, so that somebody who never ends one cannot hold up the others. */
static size_t count_whole(void) {
  const char *end = memrchr(t.text, '\n', t.count);
  if (end) return (size_t)(end - t.text) + 1;
  return t.count == ROOM ? ROOM : 0;
}

const char *cr_terminal_lines(size_t *length) {
  forget_shown();
  while (t.count < ROOM && is_readable(t.master) && fetch()) continue;
  *length = t.shown = count_whole();
  return t.shown > 0 ? t.text : NULL;
}

/* --------------------------------------------------------------- the size */

static bool get_size(struct winsize *size) {
  int fd = t.screen != -1 ? t.screen : STDOUT_FILENO;
  return ioctl(fd, TIOCGWINSZ, size) == 0;
}

int cr_terminal_columns(void) {
  struct winsize size;
  return get_size(&size) && size.ws_col > 0 ? size.ws_col : 80;
}

int cr_terminal_rows(void) {
  struct winsize size;
  return get_size(&size) && size.ws_row > 0 ? size.ws_row : 24;
}

void cr_terminal_resized(void) {
  struct winsize size;
  if (ioctl(t.screen, TIOCGWINSZ, &size) == 0) ioctl(t.master, TIOCSWINSZ, &size);
}

/* ---------------------------------------------------------------- the ends */

/* The program ends, by whatever thread: what is still on its way is shown, and
** what comes now goes straight to the screen. */
static void leave(void) {
  fflush(NULL);
  if (getpid() != t.owner) return;
  if (atomic_load(&t.pumping)) {
    cr_terminal_pause();
  } else {
    size_t n;
    const char *lines = cr_terminal_lines(&n);
    if (lines) write_all(lines, n);
  }
  tcsetattr(t.screen, TCSADRAIN, &t.before);
  dup2(t.screen, STDOUT_FILENO);
  if (isatty(STDERR_FILENO)) dup2(t.screen, STDERR_FILENO);
}

/* The process dies of a mistake.  The pump may be at work too; either shows it. */
static void die(int number) {
  static const int last_words_ms = 50;
  char text[512];
  struct pollfd p = {.fd = t.master, .events = POLLIN};
  while (poll(&p, 1, last_words_ms) > 0 && (p.revents & POLLIN)) {
    ssize_t n = read(t.master, text, sizeof text);
    if (n <= 0 || write(t.screen, text, (size_t)n) < 0) break;
  }
  tcsetattr(t.screen, TCSADRAIN, &t.before);
  signal(number, SIG_DFL);
  raise(number);
}

/* Others' handlers, such as those of a sanitizer, stay. */
static void prepare_to_die(void) {
  static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
    struct sigaction before;
    if (sigaction(deadly[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
      signal(deadly[i], die);
  }
}

/* ------------------------------------------------------------------ opening */

static bool make_pair(void) {
  char name[64];
  t.master = cr_fd_above(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (t.master < 0 || grantpt(t.master) != 0 || unlockpt(t.master) != 0) return false;
  if (ptsname_r(t.master, name, sizeof name) != 0) return false;
  t.slave = cr_fd_above(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  struct termios raw = t.before;
  cfmakeraw(&raw);
  return t.slave >= 0 && tcsetattr(t.slave, TCSANOW, &raw) == 0;
}

static void close_all(void) {
  if (t.slave >= 0) close(t.slave);
  if (t.master >= 0) close(t.master);
  if (t.screen >= 0) close(t.screen);
  t.slave = t.master = t.screen = -1;
}

/* A zero byte in front: text that might be the beginning of the mark is held back
** for a moment, and hardly any text ends in one. */
static bool make_mark(void) {
  t.mark[0] = '\0';
  return getrandom(t.mark + 1, MARK - 1, 0) == MARK - 1;
}

static bool make(void) {
  t.screen = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return t.screen >= 0 && tcgetattr(t.screen, &t.before) == 0 && make_pair() && make_mark() &&
         sem_init(&t.go, 0, 0) == 0 && sem_init(&t.paused, 0, 0) == 0 && start_pump();
}

bool cr_terminal_open(void) {
  if (atomic_load(&t.opened)) return true;
  fflush(stdout);
  if (!make()) {
    close_all();
    return false;
  }
  cr_terminal_resized();
  bool both = isatty(STDERR_FILENO);
  dup2(t.slave, STDOUT_FILENO);
  if (both) dup2(t.slave, STDERR_FILENO);
  t.owner = getpid();
  atomic_store(&t.opened, true);
  prepare_to_die();
  atexit(leave);
  cr_terminal_run();
  return true;
}
