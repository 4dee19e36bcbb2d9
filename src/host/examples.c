/* SPDX-License-Identifier: MIT */
/*
** examples: the scripts that come with the program.
**
** They are files, which people are meant to read and change.  Where they are follows
** from where the program is, so that an installed copy finds those of its own prefix and
** one that was just built those of its tree.  A copy elsewhere has none beside itself;
** for that one they are in the binary too (state/scripts.c).
** What a script is about is the first sentence of its opening comment; it is read
** from there, so that the list cannot say something else than the script.
*/
#include "host/host.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  PATH_ROOM = 4096
};

/* From the folder of the program. */
static const char *const places[] = {"../share/conrun/scripts", "../scripts", "../../scripts"};
#define PLACES (sizeof places / sizeof places[0])

/* The path of a file in the folder of the scripts; false if it is too long. */
static bool path_of(char *room, const char *folder, const char *file) {
  int n = snprintf(room, PATH_ROOM, "%s/%s", folder, file);
  return n > 0 && n < PATH_ROOM;
}

/* The folder of the scripts in `room`; false if there is none. */
static bool find_folder(char *room) {
  char program[PATH_ROOM];
  ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  if (n <= 0) return false;
  program[n] = '\0';
  char *slash = strrchr(program, '/');
  if (slash == NULL) return false;
  *slash = '\0';
  for (size_t i = 0; i < PLACES; i++) {
    char marker[PATH_ROOM];
    if (path_of(room, program, places[i]) && path_of(marker, room, "squares.lua") &&
        access(marker, R_OK) == 0)
      return true;
  }
  return false;
}

/* ------------------------------------------------------------------- listing */

static int is_script(const struct dirent *e) {
  size_t n = strlen(e->d_name);
  return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".lua") == 0;
}

/* The text of a comment line that says something; NULL: it does not. */
static const char *said(char *line) {
  line[strcspn(line, "\n")] = '\0';
  const char *text = line + strspn(line, "- ");
  bool comment = strncmp(line, "--", 2) == 0;
  return comment && *text != '\0' && strncmp(text, "SPDX", 4) != 0 ? text : NULL;
}

/* The first line of the opening comment in `room`; empty if there is none. */
static void describe(FILE *file, char *room, int size) {
  char line[256];
  room[0] = '\0';
  while (file != NULL && room[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
    const char *text = said(line);
    if (text != NULL) snprintf(room, (size_t)size, "%s", text);
    if (strncmp(line, "--", 2) != 0) break;
  }
  if (file != NULL) fclose(file);
}

static void list_one(FILE *out, const char *name, FILE *text, int width) {
  char about[120];
  describe(text, about, (int)sizeof about);
  fprintf(out, "  %-*.*s  %s\n", width, (int)strlen(name) - 4, name, about);
}

static int widest(struct dirent **all, int n) {
  int width = 0;
  for (int i = 0; i < n; i++)
    if ((int)strlen(all[i]->d_name) - 4 > width) width = (int)strlen(all[i]->d_name) - 4;
  return width;
}

static void list_folder(FILE *out, const char *folder, struct dirent **all, int n) {
  char path[PATH_ROOM];
  int width = widest(all, n);
  for (int i = 0; i < n; i++)
    if (path_of(path, folder, all[i]->d_name))
      list_one(out, all[i]->d_name, fopen(path, "r"), width);
}

/* Those that are modules of others are in folders. */
static bool is_example(const cr_embedded *m) { return strchr(m->name, '/') == NULL; }

static void list_own(FILE *out) {
  int width = 0;
  const cr_embedded *m;
  for (m = cr_embedded_scripts; m->name; m++)
    if (is_example(m) && (int)strlen(m->name) - 4 > width) width = (int)strlen(m->name) - 4;
  for (m = cr_embedded_scripts; m->name; m++)
    if (is_example(m)) list_one(out, m->name, fmemopen((void *)m->source, m->size, "r"), width);
}

int cr_examples_list(FILE *out) {
  char folder[PATH_ROOM];
  struct dirent **all;
  int n = find_folder(folder) ? scandir(folder, &all, is_script, alphasort) : -1;
  if (n < 0) {
    list_own(out);
  } else {
    list_folder(out, folder, all, n);
    for (int i = 0; i < n; i++) free(all[i]);
    free(all);
  }
  fprintf(out, "Run one by its name, --example=NAME; each of them takes --help.\n");
  return EXIT_SUCCESS;
}

/* ------------------------------------------------------------------- finding */

static char *own_path(const char *file) {
  char path[PATH_ROOM + sizeof CR_SCRIPTS];
  const cr_embedded *m = cr_script_embedded(file);
  if (m == NULL || !is_example(m)) return NULL;
  snprintf(path, sizeof path, CR_SCRIPTS "%s", file);
  return strdup(path);
}

static char *path_in(const char *folder, const char *file) {
  char path[PATH_ROOM];
  struct stat status;
  bool there = path_of(path, folder, file) && stat(path, &status) == 0 && S_ISREG(status.st_mode);
  return there ? realpath(path, NULL) : NULL;
}

char *cr_example_find(const char *name) {
  char folder[PATH_ROOM], file[PATH_ROOM], *path = NULL;
  int n = snprintf(file, sizeof file, "%s.lua", name);
  if (n < PATH_ROOM && strchr(name, '/') == NULL)
    path = find_folder(folder) ? path_in(folder, file) : own_path(file);
  if (path == NULL)
    fprintf(stderr, "%s: no example '%s'; --examples lists them\n", cr_report_prefix(), name);
  return path;
}
