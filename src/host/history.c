/* SPDX-License-Identifier: MIT */
/*
** history: the blocks that were typed in earlier runs.
**
** They are in $XDG_STATE_HOME/conrun/history, or below ~/.local/state where that is
** not set: what people type is theirs, so the folder has mode 0700 and the file
** 0600.  A block is one line of the file; a newline in it is written \n and a
** backslash \\.
**
** Each block is added by one write to a file opened for appending when it is
** entered, so nothing is lost if the program is killed and several programs can
** share the file.  A program that finds it too long writes the newest part to a
** second file and puts that in the place of the first, in one step; what another
** program adds in just that moment is lost, and no more.
**
** Where the file cannot be kept one line says so, once; there is no history file
** without HOME.
*/
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/prompt.h"

enum {
  KEPT = 1000, /* blocks, unless CONRUN_HISTORY says another number */
  MOST = 1000000
};

int cr_history_size(void) {
  const char *given = getenv("CONRUN_HISTORY");
  if (!given || given[0] < '0' || given[0] > '9') return KEPT;
  unsigned long n = strtoul(given, NULL, 10);
  return n < MOST ? (int)n : MOST;
}

/* The file, -1 while there is none; and its name. */
static int file = -1;
static char path[4096];

/* Makes the folders of `path`; false and errno if one cannot be made. */
static bool make_folders(void) {
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    int made = mkdir(path, 0700);
    *slash = '/';
    if (made != 0 && errno != EEXIST && access(path, F_OK) != 0 && errno != ENOENT) return false;
  }
  return true;
}

/* The name of the file; false if nobody says where such things are. */
static bool find_path(void) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  int n;
  if (state && state[0] == '/')
    n = snprintf(path, sizeof path, "%s/conrun/history", state);
  else if (home && home[0] == '/')
    n = snprintf(path, sizeof path, "%s/.local/state/conrun/history", home);
  else
    return false;
  return n > 0 && (size_t)n < sizeof path;
}

/* Undoes the escapes of a line in place. */
static char *unescape(char *line) {
  char *to = line;
  for (const char *from = line; *from; from++) {
    char c = *from;
    if (c == '\\' && from[1]) {
      c = *++from;
      if (c == 'n') c = '\n';
    }
    *to++ = c;
  }
  *to = '\0';
  return line;
}

/* The whole file as a string that the caller frees; NULL if it cannot be had. */
static char *slurp(void) {
  struct stat status;
  if (fstat(file, &status) != 0) return NULL;
  char *text = malloc((size_t)status.st_size + 1);
  if (!text) return NULL;
  ssize_t n = pread(file, text, (size_t)status.st_size, 0);
  text[n > 0 ? n : 0] = '\0';
  return text;
}

static size_t count_lines(const char *text) {
  size_t n = 0;
  for (; (text = strchr(text, '\n')) != NULL; text++) n++;
  return n;
}

static const char *skip_lines(const char *text, size_t n) {
  for (; n > 0; n--) text = strchr(text, '\n') + 1;
  return text;
}

/* The shorter file takes the place of the longer one, or nothing changes. */
static void replace(const char *text) {
  char other[sizeof path + 8];
  snprintf(other, sizeof other, "%s.XXXXXX", path);
  int fd = mkostemp(other, O_APPEND | O_CLOEXEC);
  if (fd < 0) return;
  size_t n = strlen(text);
  if (write(fd, text, n) == (ssize_t)n && rename(other, path) == 0) {
    close(file);
    file = fd;
  } else {
    unlink(other);
    close(fd);
  }
}

static void read_all(void (*add)(const char *block)) {
  char *text = slurp();
  if (!text) return;
  size_t lines = count_lines(text), kept = (size_t)cr_history_size();
  const char *newest = lines > kept ? skip_lines(text, lines - kept) : text;
  if (lines > 2 * kept) replace(newest);
  for (char *line = (char *)newest, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    *end = '\0';
    add(unescape(line));
  }
  free(text);
}

void cr_history_open(void (*add)(const char *block)) {
  if (cr_history_size() == 0 || !find_path()) return;
  if (make_folders()) file = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    fprintf(stderr, "history is not kept: %s: %s\n", path, strerror(errno));
    return;
  }
  (void)!fchmod(file, 0600); /* of a file that is another's, nothing can be said */
  read_all(add);
}

void cr_history_add(const char *block) {
  if (file < 0) return;
  char *line = malloc(2 * strlen(block) + 1), *to = line;
  if (!line) return;
  for (; *block; block++) {
    char c = *block;
    if (c == '\n' || c == '\\') *to++ = '\\';
    if (c == '\n') c = 'n';
    *to++ = c;
  }
  *to++ = '\n';
  (void)!write(file, line, (size_t)(to - line)); /* on a full disk the history ends here */
  free(line);
}

void cr_history_close(void) {
  if (file >= 0) close(file);
  file = -1;
}
