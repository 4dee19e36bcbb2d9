/* SPDX-License-Identifier: MIT */
/*
** examples: the scripts that come with the program.
**
** They are files, not compiled in: people are meant to read and change them.
** Where they are follows from where the program is, so that an installed copy
** finds those of its own prefix and one that was just built those of its tree.
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

static bool demand_folder(char *room) {
  if (find_folder(room)) return true;
  cr_report_line("cannot find the examples: they are in share/conrun/scripts beside the bin/ of an "
                 "installed conrun, or in scripts/ of its sources");
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
static void describe(const char *path, char *room, int size) {
  char line[256];
  FILE *file = fopen(path, "r");
  room[0] = '\0';
  while (file != NULL && room[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
    const char *text = said(line);
    if (text != NULL) snprintf(room, (size_t)size, "%s", text);
    if (strncmp(line, "--", 2) != 0) break;
  }
  if (file != NULL) fclose(file);
}

static void list_one(FILE *out, const char *folder, const char *file, int width) {
  char path[PATH_ROOM], about[120];
  int name = (int)strlen(file) - 4;
  if (!path_of(path, folder, file)) return;
  describe(path, about, (int)sizeof about);
  fprintf(out, "  %-*.*s  %s\n", width, name, file, about);
}

static int widest(struct dirent **all, int n) {
  int width = 0;
  for (int i = 0; i < n; i++)
    if ((int)strlen(all[i]->d_name) - 4 > width) width = (int)strlen(all[i]->d_name) - 4;
  return width;
}

int cr_examples_list(FILE *out) {
  char folder[PATH_ROOM];
  struct dirent **all;
  if (!demand_folder(folder)) return EXIT_FAILURE;
  int n = scandir(folder, &all, is_script, alphasort);
  if (n < 0) return EXIT_FAILURE;
  int width = widest(all, n);
  for (int i = 0; i < n; i++) {
    list_one(out, folder, all[i]->d_name, width);
    free(all[i]);
  }
  free(all);
  fprintf(out, "Run one by its name, --example=NAME; each of them takes --help.\n");
  return EXIT_SUCCESS;
}

/* ------------------------------------------------------------------- finding */

char *cr_example_find(const char *name) {
  char folder[PATH_ROOM], file[PATH_ROOM], path[PATH_ROOM];
  struct stat status;
  if (!demand_folder(folder)) return NULL;
  int n = snprintf(file, sizeof file, "%s.lua", name);
  bool fits = n < PATH_ROOM && strchr(name, '/') == NULL && path_of(path, folder, file);
  if (fits && stat(path, &status) == 0 && S_ISREG(status.st_mode)) return realpath(path, NULL);
  fprintf(stderr, "%s: no example '%s'; --examples lists them\n", cr_report_prefix(), name);
  return NULL;
}
