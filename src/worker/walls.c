/* SPDX-License-Identifier: MIT */
/*
** walls: what a process can have taken away for good, so that no code in it gets it back:
** new files, sockets and programs.
**
**   no_new_privs   no program that is executed has more rights
**   Landlock       no path leads to a file, where the kernel can do that (Linux 5.13)
**   seccomp        of the system's calls only those are left that work on what the process
**                  has: memory, threads, time, the descriptors that are open; the others
**                  fail with EPERM
**
** The filter is made by libseccomp, which is looked for when the first walls are raised, so
** that the program depends on libc only.  Its types come from <seccomp.h>.
**
** What is left to the process: its standard streams, the shared memory of the program with
** all that is in it, and processor time.  Walls keep it from the rest of the machine, not
** from the program: who takes over the C code of a worker can write into what all strands
** share.
**
** What this file refuses: to kill a process for a call.  A library asks for much that it
** can do without.
*/
#include <dlfcn.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker/inside.h"

/* --------------------------------------------------------------- libseccomp */

#define LIBRARY "libseccomp.so.2"

static struct {
  __typeof__(seccomp_init) *init;
  __typeof__(seccomp_release) *release;
  __typeof__(seccomp_load) *load;
  __typeof__(seccomp_rule_add_array) *add;
} lib;

static bool find_functions(void *file) {
  const struct {
    const char *name;
    void *place;
  } functions[] = {{"seccomp_init", &lib.init},
                   {"seccomp_release", &lib.release},
                   {"seccomp_load", &lib.load},
                   {"seccomp_rule_add_array", &lib.add}};
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    void *function = dlsym(file, functions[i].name);
    if (!function) return false;
    memcpy(functions[i].place, &function, sizeof function);
  }
  return true;
}

const char *cr_walls_missing(void) {
  void *file = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!file) return "the library " LIBRARY " is not installed (Debian's package is libseccomp2)";
  return find_functions(file) ? NULL : "the library " LIBRARY " is another than Debian's";
}

/* ------------------------------------------------------------------- filter */

/* Calls that get nothing new, whatever their arguments. */
static const int harmless[] = {
    /* what is open */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(close),
    SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl),
    SCMP_SYS(fstat), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(flock), SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(recvfrom),
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
    SCMP_SYS(madvise), SCMP_SYS(msync), SCMP_SYS(mincore), SCMP_SYS(membarrier),
    /* threads */
    SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list),
    SCMP_SYS(set_tid_address), SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler), SCMP_SYS(getcpu), SCMP_SYS(wait4), SCMP_SYS(waitid),
    /* signals and timers of its own */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(pause), SCMP_SYS(timer_create),
    SCMP_SYS(timer_settime), SCMP_SYS(timer_gettime), SCMP_SYS(timer_getoverrun),
    SCMP_SYS(timer_delete), SCMP_SYS(getitimer), SCMP_SYS(setitimer), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time),
    /* questions */
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getpgrp), SCMP_SYS(getrandom),
    SCMP_SYS(getrlimit), SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(sysinfo), SCMP_SYS(uname)};

/* Calls that are let through where one argument has a value, in some of its bits. */
static int allow_if(scmp_filter_ctx f, int call, unsigned argument, uint64_t bits, uint64_t value) {
  const struct scmp_arg_cmp where = {argument, SCMP_CMP_MASKED_EQ, bits, value};
  return lib.add(f, SCMP_ACT_ALLOW, call, 1, &where);
}

static int allow_argument(scmp_filter_ctx f, int call, unsigned argument, uint64_t value) {
  return allow_if(f, call, argument, UINT64_MAX, value);
}

/* A thread, and no process; glibc tries clone3 first, whose arguments are in memory where
** no filter sees them, and takes clone where that does not exist. */
static int allow_threads(scmp_filter_ctx f) {
  int r = lib.add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
  return r ? r : allow_if(f, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
}

/* Any signal to itself; to others the nudge (worker.c), which ends nobody. */
static int allow_signals(scmp_filter_ctx f) {
  int r = allow_argument(f, SCMP_SYS(kill), 0, (uint64_t)getpid());
  if (r == 0) r = allow_argument(f, SCMP_SYS(tgkill), 0, (uint64_t)getpid());
  return r ? r : allow_argument(f, SCMP_SYS(tgkill), 2, SIGURG);
}

/* What libc asks a terminal, requests to the zygote (to no address), the limits of others
** are nobody's business, and a thread may have a name. */
static int allow_some(scmp_filter_ctx f) {
  int r = allow_argument(f, SCMP_SYS(ioctl), 1, TCGETS);
  if (r == 0) r = allow_argument(f, SCMP_SYS(ioctl), 1, TIOCGWINSZ);
  if (r == 0) r = allow_argument(f, SCMP_SYS(ioctl), 1, FIONREAD);
  if (r == 0) r = allow_argument(f, SCMP_SYS(sendto), 4, 0);
  if (r == 0) r = allow_argument(f, SCMP_SYS(prlimit64), 2, 0);
  if (r == 0) r = allow_argument(f, SCMP_SYS(prctl), 0, PR_SET_NAME);
  return r;
}

static int allow_harmless(scmp_filter_ctx f) {
  int r = 0;
  for (size_t i = 0; i < sizeof harmless / sizeof harmless[0] && r == 0; i++)
    r = lib.add(f, SCMP_ACT_ALLOW, harmless[i], 0, NULL);
  return r;
}

/* 0, or an errno. */
static int load_filter(void) {
  scmp_filter_ctx f = lib.init(SCMP_ACT_ERRNO(EPERM));
  if (!f) return ENOMEM;
  int r = allow_harmless(f);
  if (r == 0) r = allow_threads(f);
  if (r == 0) r = allow_signals(f);
  if (r == 0) r = allow_some(f);
  if (r == 0) r = lib.load(f);
  lib.release(f);
  return -r;
}

/* ----------------------------------------------------------------- Landlock */

/* All that the kernel can forbid, by the version of its interface: rights to files, to the
** network, and what processes can do to each other.  The header of the system that the
** program was built on may be older than the kernel. */
typedef struct rules {
  uint64_t files, network, scope;
} rules;

static rules all_rules(long version) {
  static const int bits_of_files[] = {13, 14, 15, 15, 16};
  long last = sizeof bits_of_files / sizeof bits_of_files[0];
  rules r = {.files = (UINT64_C(1) << bits_of_files[(version < last ? version : last) - 1]) - 1};
  if (version >= 4) r.network = 3; /* bind and connect */
  if (version >= 6) r.scope = 1;   /* sockets without a path */
  return r;
}

/* A kernel without Landlock has none to raise. */
static int restrict_paths(void) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return 0;
  rules r = all_rules(version);
  int fd = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
  if (fd < 0) return errno;
  int error = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? 0 : errno;
  close(fd);
  return error;
}

/* -------------------------------------------------------------------- walls */

/* The C library reads the time zone from a file when it is first asked for the time of
** day. */
const char *cr_walls_raise(void) {
  static char trouble[96];
  const char *missing = cr_walls_missing();
  if (missing) return missing;
  tzset();
  int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? restrict_paths() : errno;
  if (error == 0) error = load_filter();
  if (error == 0) return NULL;
  snprintf(trouble, sizeof trouble, "the kernel refused: %s", strerror(error));
  return trouble;
}
