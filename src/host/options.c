/* SPDX-License-Identifier: MIT */
/*
** options: the command line.
**
** Options of one letter are those of Lua, with the same effect and the same
** refusals.  Options of the form --word are conrun's own; a Lua script can never
** have depended on one, since Lua refuses them.  Everything from the script's
** name on belongs to the script.
**
** Nothing is done while reading: argv is judged as a whole first, so a wrong
** option at the end does not leave half of the command line executed.
*/
#include "host/host.h"

#include <string.h>

/* The long options and the field that each sets. */
typedef struct word {
  const char *name;
  size_t field;
} word;

static const word words[] = {{"--audit", offsetof(cr_options, audit)},
                             {"--help", offsetof(cr_options, help)},
                             {"--version", offsetof(cr_options, about)}};
#define WORDS (sizeof words / sizeof words[0])

static bool is_option(const char *arg) { return arg != NULL && arg[0] == '-'; }

static bool read_word(cr_options *o, const char *arg) {
  for (size_t i = 0; i < WORDS; i++) {
    if (strcmp(arg, words[i].name) != 0) continue;
    *(bool *)((char *)o + words[i].field) = true;
    return true;
  }
  return false;
}

/* Options without an argument: nothing may be glued to the letter. */
static bool read_letter(cr_options *o, const char *arg) {
  if (arg[2] != '\0') return false;
  switch (arg[1]) {
  case 'E': o->plain = true; return true;
  case 'W': return true;
  case 'i': o->interactive = o->version = true; return true;
  case 'v': o->version = true; return true;
  default: return false;
  }
}

/* Is it -e or -l, whose argument is glued to it or comes next? */
static bool takes_argument(const char *arg) { return arg[1] == 'e' || arg[1] == 'l'; }

/* How many elements of argv the option at `argv` fills; 0 refuses it. */
static int read_option(cr_options *o, char **argv) {
  const char *arg = argv[0];
  if (arg[1] == '-') return read_word(o, arg);
  if (!takes_argument(arg)) return read_letter(o, arg);
  o->executes = o->executes || arg[1] == 'e';
  if (arg[2] != '\0') return 1;
  return argv[1] == NULL || is_option(argv[1]) ? 0 : 2;
}

int cr_options_read(cr_options *o, int argc, char **argv) {
  *o = (cr_options){.script = argc};
  int i = argc > 0 ? 1 : 0;
  while (i < argc && is_option(argv[i]) && argv[i][1] != '\0') {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    int filled = read_option(o, argv + i);
    if (filled == 0) return i;
    i += filled;
  }
  o->script = i;
  return 0;
}

/* ----------------------------------------------------------------- refusals */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Edit distance of two short words (insert, delete, replace). */
#define LONGEST 24
static size_t distance(const char *a, const char *b) {
  size_t la = strlen(a), lb = strlen(b), row[LONGEST + 1];
  if (la > LONGEST || lb > LONGEST) return SIZE_MAX;
  for (size_t j = 0; j <= lb; j++) row[j] = j;
  for (size_t i = 1; i <= la; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= lb; j++) {
      size_t above = row[j];
      row[j] = least(diagonal + (a[i - 1] != b[j - 1]), least(above, row[j - 1]) + 1);
      diagonal = above;
    }
  }
  return row[lb];
}

/* The long option that was probably meant, NULL when none is near. */
static const char *nearest(const char *bad) {
  const char *best = NULL;
  size_t limit = 3;
  for (size_t i = 0; i < WORDS; i++) {
    size_t d = distance(bad, words[i].name);
    if (d >= limit) continue;
    limit = d;
    best = words[i].name;
  }
  return best;
}

void cr_options_refuse(const char *bad) {
  const char *name = cr_report_prefix();
  const char *meant = bad[1] == '-' ? nearest(bad) : NULL;
  if (takes_argument(bad) && bad[2] == '\0')
    fprintf(stderr, "%s: '%s' needs argument\n", name, bad);
  else if (meant != NULL)
    fprintf(stderr, "%s: unrecognized option '%s' (did you mean '%s'?)\n", name, bad, meant);
  else
    fprintf(stderr, "%s: unrecognized option '%s'\n", name, bad);
  fprintf(stderr, "usage: %s [options] [script [args]]    (%s --help explains the options)\n", name,
          name);
}

void cr_options_help(FILE *out) {
  static const char page[] =
      "  conrun script.lua 10 20            run a script; arg[1] is \"10\"\n"
      "  conrun -e 'print(2^10)'            run a piece of code\n"
      "  conrun -i                          type Lua and see what it says\n"
      "  conrun scripts/squares.lua         pools of 2, 4 and 8 processes at work\n"
      "\n"
      "usage: conrun [options] [script [args]]\n"
      "  -e code      run a piece of code\n"
      "  -l name      require module 'name' into the global 'name'\n"
      "  -l g=name    require module 'name' into the global 'g'\n"
      "  -i           be interactive after everything else\n"
      "  -v           print the version of Lua\n"
      "  -E           ignore LUA_INIT, LUA_PATH and LUA_CPATH\n"
      "  -W           turn warnings on\n"
      "  -            run the program that comes from standard input\n"
      "  --           end of the options\n"
      "  --audit      at the end say what is left in shared memory; exit code 1\n"
      "               if anything is\n"
      "  --version    print the version of conrun\n"
      "  --help       print this\n"
      "\n"
      "Threads, processes, queues, locks and pools: require \"conrun\".\n";
  fputs(page, out);
}
