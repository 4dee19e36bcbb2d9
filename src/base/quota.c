/* SPDX-License-Identifier: MIT */
/*
** quota: how much processor time the cgroups of this process leave it.
**
** In a container the affinity mask shows the processors of the whole machine, but the time
** on them may be limited to that of one or two; more workers than that only take turns.
** The limit of any group above counts, too.  The groups are found as they are mounted
** nearly everywhere:
**
**   version 2   /sys/fs/cgroup/<path>/cpu.max               "50000 100000" or "max 100000"
**   version 1   /sys/fs/cgroup/cpu/<path>/cpu.cfs_quota_us  50000 or -1, and cpu.cfs_period_us
**
** where <path> is the one that /proc/self/cgroup tells.  In a container that tells its own
** part only, or the host's path, which is not there; then the folder's root is what counts.
*/
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

#define GROUPS "/sys/fs/cgroup"
#define ROOM 4096

/* False: there is no such file. */
static bool read_file(const char *path, char room[ROOM]) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, room, ROOM - 1);
  if (fd >= 0) close(fd);
  room[n > 0 ? n : 0] = '\0';
  return n > 0;
}

static bool read_in(const char *folder, const char *name, char room[ROOM]) {
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s/%s", folder, name);
  return n < (int)sizeof path && read_file(path, room);
}

/* Of one group; INT_MAX: it has no limit. */
static int limit_of(const char *folder) {
  char text[ROOM], period_text[ROOM];
  long long quota = 0, period = 0;
  if (read_in(folder, "cpu.max", text)) {
    if (sscanf(text, "%lld %lld", &quota, &period) != 2) return INT_MAX;
  } else if (read_in(folder, "cpu.cfs_quota_us", text) &&
             read_in(folder, "cpu.cfs_period_us", period_text)) {
    quota = atoll(text);
    period = atoll(period_text);
  }
  if (quota <= 0 || period <= 0) return INT_MAX;
  long long whole = (quota + period - 1) / period;
  return whole < INT_MAX ? (int)whole : INT_MAX;
}

/* The least limit of the group and those above, up to the folder where they are mounted. */
static int least_limit(const char *mount, const char *group) {
  char folder[PATH_MAX];
  int least = INT_MAX;
  size_t root = strlen(mount);
  if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder) return INT_MAX;
  for (;;) {
    int limit = limit_of(folder);
    if (limit < least) least = limit;
    char *end = strrchr(folder + root, '/');
    if (!end) return least;
    *end = '\0';
  }
}

static bool names_cpu(const char *controllers) {
  char list[256];
  snprintf(list, sizeof list, ",%s,", controllers);
  return strstr(list, ",cpu,") != NULL;
}

/* A line is "number:controllers:path"; version 2 has no controllers. */
static int limit_of_line(const char *root, char *line) {
  char mount[PATH_MAX];
  char *controllers = strchr(line, ':');
  char *group = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!group) return INT_MAX;
  *group++ = '\0';
  bool unified = *++controllers == '\0';
  if (!unified && !names_cpu(controllers)) return INT_MAX;
  snprintf(mount, sizeof mount, "%s" GROUPS "%s", root, unified ? "" : "/cpu");
  return least_limit(mount, group);
}

int cr_cpu_quota(const char *root) {
  char path[PATH_MAX], text[ROOM], *rest = text;
  int least = INT_MAX;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  if (!read_file(path, text)) return INT_MAX;
  for (char *line; (line = strsep(&rest, "\n"));) {
    int limit = limit_of_line(root, line);
    if (limit < least) least = limit;
  }
  return least;
}
