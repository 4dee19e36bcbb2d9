/* SPDX-License-Identifier: MIT */
/*
** deny: runs a program for which one system call fails, as it does on an older kernel or
** in a container.
**
**   deny CALL[=ERROR] PROGRAM ARGUMENTS...
**
** Calls and errors by their names; the error is ENOSYS if none is given.  Processes that
** the program starts inherit it.
*/
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct named {
  const char *name;
  int number;
} named;

static const named calls[] = {
    {"clone3", SYS_clone3},
    {"close_range", SYS_close_range},
    {"fallocate", SYS_fallocate},
    {"flock", SYS_flock},
    {"ftruncate", SYS_ftruncate},
    {"futex_waitv", SYS_futex_waitv},
    {"getrandom", SYS_getrandom},
    {"landlock", SYS_landlock_create_ruleset},
    {"madvise", SYS_madvise},
    {"memfd_create", SYS_memfd_create},
    {"personality", SYS_personality},
    {"pidfd_open", SYS_pidfd_open},
    {"pidfd_send_signal", SYS_pidfd_send_signal},
    {"prctl", SYS_prctl},
    {"rseq", SYS_rseq},
    {"sched_getaffinity", SYS_sched_getaffinity},
    {"seccomp", SYS_seccomp},
    {"signalfd", SYS_signalfd4},
    {"socketpair", SYS_socketpair},
    {"statx", SYS_statx},
    {"timer_create", SYS_timer_create},
    {NULL, 0},
};

static const named errors[] = {{"EACCES", EACCES}, {"EAGAIN", EAGAIN},         {"EINVAL", EINVAL},
                               {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC},         {"ENOSYS", ENOSYS},
                               {"EPERM", EPERM},   {"EOPNOTSUPP", EOPNOTSUPP}, {NULL, 0}};

static int find(const named *list, const char *name, size_t length) {
  for (; list->name; list++)
    if (strlen(list->name) == length && memcmp(list->name, name, length) == 0) return list->number;
  fprintf(stderr, "deny: '%s' is not in my list\n", name);
  return -1;
}

static int deny(const char *what) {
  const char *end = strchr(what, '=');
  int call = find(calls, what, end ? (size_t)(end - what) : strlen(what));
  int error = end ? find(errors, end + 1, strlen(end + 1)) : ENOSYS;
  if (call < 0 || error < 0) return -1;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || deny(argv[1]) != 0) {
    perror("deny");
    return 3;
  }
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 4;
}
