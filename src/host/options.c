/* SPDX-License-Identifier: MIT */
/*
** options: the command line.
**
** Options of one letter are those of Lua, with the same effect and the same
** refusals.  Options of the form --word are conrun's own; a Lua script can never
** have depended on one, since Lua refuses them.  Everything from the script's
** name on belongs to the script.  Under the name of Lua's own program there are
** no words at all.
**
** CONRUN_OPTIONS holds words that are read before those of the command line,
** which therefore win; only settings, since a variable that is set for every
** program must not make one of them print its help.  -E hides it, so the command
** line is read twice: first for -E, then over what the variable says.
**
** Nothing is done while reading: argv is judged as a whole first, so a wrong
** option at the end does not leave half of the command line executed.
*/
#include "host/host.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------- values */

static bool read_number(const char *text, lua_Integer least, lua_Integer most, lua_Integer *n) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 0);
  *n = value;
  bool digits = (text[0] >= '0' && text[0] <= '9') || text[0] == '-';
  return digits && *end == '\0' && errno == 0 && value >= least && value <= most;
}

static bool read_workers(cr_options *o, const char *value) {
  lua_Integer n;
  if (!read_number(value, 1, CR_STRANDS - 1, &n)) return false;
  o->workers = (uint32_t)n;
  return true;
}

static bool read_seed(cr_options *o, const char *value) {
  o->seeded = true;
  return read_number(value, LUA_MININTEGER, LUA_MAXINTEGER, &o->seed);
}

/* 512M, 2G: letters are powers of 1024, lower or upper case. */
static bool read_bytes(const char *value, size_t least, size_t *size) {
  static const char letters[] = "kmgt";
  char *end;
  errno = 0;
  unsigned long long n = strtoull(value, &end, 10);
  if (value[0] < '0' || value[0] > '9' || errno != 0) return false;
  if (*end != '\0') {
    const char *letter = strchr(letters, *end | 0x20);
    if (letter == NULL || end[1] != '\0') return false;
    unsigned shift = 10 * (unsigned)(letter - letters + 1);
    if (n > UINT64_MAX >> shift) return false;
    n <<= shift;
  }
  *size = n;
  return n >= least;
}

static bool read_size(cr_options *o, const char *value) {
  return read_bytes(value, CR_SMALLEST_LIMIT, &o->memory_limit);
}

static bool read_trace(cr_options *o, const char *value) {
  o->trace = value;
  return cr_timeline_form(value) != CR_FORM_NONE;
}

static bool read_trace_size(cr_options *o, const char *value) {
  return read_bytes(value, CR_SMALLEST_LIMIT, &o->trace_size) && o->trace_size <= CR_LARGEST_TRACE;
}

/* The position of `value` in a list of names; -1: it is not there. */
static int choose(const char *value, const char *const names[], int n) {
  for (int i = 0; i < n; i++)
    if (strcmp(value, names[i]) == 0) return i;
  return -1;
}

static bool read_deadlock(cr_options *o, const char *value) {
  static const char *const names[] = {"error", "report", "off"};
  int i = choose(value, names, 3);
  o->on_deadlock = i < 0 ? CR_DEADLOCK_ERROR : (enum cr_on_deadlock)i;
  return i >= 0;
}

static bool read_color(cr_options *o, const char *value) {
  static const char *const names[] = {"auto", "always", "never"};
  int i = choose(value, names, 3);
  o->color = i < 0 ? CR_COLOR_AUTO : (enum cr_color)i;
  return i >= 0;
}

static bool read_unasked(cr_options *o, const char *value) {
  static const char *const names[] = {"report", "off"};
  int i = choose(value, names, 2);
  o->unasked_off = i == 1;
  return i >= 0;
}

static bool read_explore(cr_options *o, const char *value) {
  lua_Integer n;
  o->explore = true;
  if (!read_number(value, 1, 1000000, &n)) return false;
  o->schedules = (uint32_t)n;
  return true;
}

static bool read_preemptions(cr_options *o, const char *value) {
  lua_Integer n;
  if (!read_number(value, 0, 100, &n)) return false;
  o->preemptions = (uint32_t)n;
  o->bounded = true;
  return true;
}

static bool read_strategy(cr_options *o, const char *value) {
  static const char *const names[] = {"random", "pct", "exhaustive"};
  int i = choose(value, names, 3);
  o->strategy = i < 0 ? NULL : names[i];
  return i >= 0;
}

static bool read_schedule(cr_options *o, const char *value) {
  o->schedule = value;
  return value[0] != '\0';
}

static bool read_topic(cr_options *o, const char *value) {
  o->topic = value;
  return value[0] != '\0';
}

/* The largest number of a process that Linux knows is 2^22. */
static bool read_pid(cr_options *o, const char *value) {
  lua_Integer n;
  bool good = read_number(value, 1, INT32_MAX, &n);
  o->pid = good ? (int32_t)n : 0;
  return good;
}

static bool read_dump(cr_options *o, const char *value) {
  o->dump = true;
  return read_pid(o, value);
}

static bool read_top(cr_options *o, const char *value) {
  o->top = true;
  return read_pid(o, value);
}

static bool read_example(cr_options *o, const char *value) {
  o->example = value;
  return value[0] != '\0';
}

static bool read_text(const char **place, const char *value) {
  *place = value;
  return value[0] != '\0';
}

static bool read_agent(cr_options *o, const char *value) { return read_text(&o->agent, value); }
static bool read_listen(cr_options *o, const char *value) { return read_text(&o->listen, value); }
static bool read_tags(cr_options *o, const char *value) { return read_text(&o->tags, value); }
static bool read_ca(cr_options *o, const char *value) { return read_text(&o->tls_ca, value); }
static bool read_token(cr_options *o, const char *value) {
  return read_text(&o->token_file, value);
}

/* --------------------------------------------------------------------- words */

/* An option --name or --name=value. */
typedef struct word {
  const char *name;
  bool (*read)(cr_options *o, const char *value); /* NULL: it takes no value */
  size_t flag;        /* the field that one without a value sets, 0: it must have one */
  const char *values; /* what a value may be, for people */
  bool setting;       /* may come from CONRUN_OPTIONS */
} word;

static const word words[] = {
    {"--agent", read_agent, 0, "the address of a server, such as nats://hostA:4222", false},
    {"--audit", NULL, offsetof(cr_options, audit), NULL, true},
    {"--color", read_color, 0, "auto, always or never", true},
    {"--dump", read_dump, offsetof(cr_options, dump), "the number of a process", false},
    {"--example", read_example, 0, "one of the names that --examples lists", false},
    {"--examples", NULL, offsetof(cr_options, examples), NULL, false},
    {"--explore", read_explore, offsetof(cr_options, explore), "a number of schedules", false},
    {"--help", read_topic, offsetof(cr_options, help), "a name such as pool.map", false},
    {"--hub", NULL, offsetof(cr_options, hub), NULL, false},
    {"--json", NULL, offsetof(cr_options, json), NULL, false},
    {"--listen", read_listen, 0, "an address, such as 0.0.0.0:4222", false},
    {"--memory-limit", read_size, 0, "a size from 1M, such as 512M or 2G", true},
    {"--on-deadlock", read_deadlock, 0, "error, report or off", true},
    {"--outcomes", NULL, offsetof(cr_options, outcomes), NULL, false},
    {"--preemptions", read_preemptions, 0, "an integer from 0", false},
    {"--schedule", read_schedule, 0, "seed:N or a recorded schedule", false},
    {"--seed", read_seed, 0, "an integer", true},
    {"--stacks", NULL, offsetof(cr_options, stacks), NULL, false},
    {"--strategy", read_strategy, 0, "random, pct or exhaustive", false},
    {"--tags", read_tags, 0, "words with commas in between", false},
    {"--tls", NULL, offsetof(cr_options, tls), NULL, false},
    {"--tls-ca", read_ca, 0, "the name of a file", false},
    {"--token-file", read_token, 0, "the name of a file", false},
    {"--top", read_top, offsetof(cr_options, top), "the number of a process", false},
    {"--trace", read_trace, 0, "a file that ends in .json, .json.gz or .html", false},
    {"--trace-size", read_trace_size, 0, "a size from 1M to 16G, such as 64M", true},
    {"--unasked", read_unasked, 0, "report or off", true},
    {"--version", NULL, offsetof(cr_options, about), NULL, false},
    {"--workers", read_workers, 0, "an integer from 1 to 4095", true},
};
#define WORDS (sizeof words / sizeof words[0])

static size_t name_length(const char *arg) { return strcspn(arg, "="); }

static const word *find(const char *arg) {
  size_t n = name_length(arg);
  for (size_t i = 0; i < WORDS; i++)
    if (strlen(words[i].name) == n && strncmp(arg, words[i].name, n) == 0) return &words[i];
  return NULL;
}

static bool read_word(cr_options *o, const char *arg) {
  const word *w = find(arg);
  const char *equals = strchr(arg, '=');
  if (w == NULL || (equals == NULL ? w->flag == 0 : w->read == NULL)) return false;
  if (equals != NULL) return w->read(o, equals + 1);
  *(bool *)((char *)o + w->flag) = true;
  return true;
}

/* ------------------------------------------------------------------ refusals */

/* One line about a word that is not understood; `where` comes before it. */
static void refuse_word(const char *where, const char *bad) {
  const word *w = find(bad);
  cr_guess guess = {.word = bad, .length = name_length(bad)};
  for (size_t i = 0; i < WORDS && !w; i++) cr_guess_try(&guess, words[i].name);
  const char *name = cr_report_prefix(), *equals = strchr(bad, '=');
  fprintf(stderr, "%s: %s", name, where);
  if (guess.best)
    fprintf(stderr, "unrecognized option '%s' (did you mean '%s'?)\n", bad, guess.best);
  else if (w == NULL)
    fprintf(stderr, "unrecognized option '%s'\n", bad);
  else if (w->read == NULL)
    fprintf(stderr, "option '%s' takes no value\n", w->name);
  else if (equals == NULL)
    fprintf(stderr, "option '%s' needs a value: %s=VALUE, %s\n", bad, bad, w->values);
  else
    fprintf(stderr, "bad value '%s' of option '%s' (%s expected)\n", equals + 1, w->name,
            w->values);
}

/* A word gets one line that says it all, a letter the two lines that Lua's users know. */
static void refuse(const cr_options *o, const char *bad) {
  const char *name = cr_report_prefix();
  if (bad[1] == '-' && !o->as_lua) {
    refuse_word("", bad);
    return;
  }
  if ((bad[1] == 'e' || bad[1] == 'l') && bad[2] == '\0')
    fprintf(stderr, "%s: '%s' needs argument\n", name, bad);
  else
    fprintf(stderr, "%s: unrecognized option '%s'\n", name, bad);
  cr_help_usage(stderr, o->as_lua);
}

/* ------------------------------------------------------------------- letters */

static bool is_option(const char *arg) { return arg != NULL && arg[0] == '-'; }

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
  if (arg[1] == '-') return !o->as_lua && read_word(o, arg);
  if (!takes_argument(arg)) return read_letter(o, arg);
  o->executes = o->executes || arg[1] == 'e';
  if (arg[2] != '\0') return 1;
  return argv[1] == NULL || is_option(argv[1]) ? 0 : 2;
}

/* An example stands in the place of a script: what follows is its arguments. */
static int read_line(cr_options *o, int argc, char **argv) {
  int i = argc > 0 ? 1 : 0;
  while (i < argc && is_option(argv[i]) && argv[i][1] != '\0') {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    int filled = read_option(o, argv + i);
    if (filled == 0) return i;
    if (o->example != NULL) break;
    i += filled;
  }
  o->script = i;
  return 0;
}

typedef struct belonging {
  const char *name;
  bool given;
  const char *owner; /* the option whose meaning it says more exactly */
  bool owner_given;
} belonging;

/* Options that only say how another one is meant. */
static bool belong(const cr_options *o) {
  bool cluster = o->hub || o->agent;
  const belonging all[] = {
      {"--json", o->json, "--dump", o->dump},
      {"--stacks", o->stacks, "--dump", o->dump},
      {"--strategy", o->strategy, "--explore", o->explore},
      {"--preemptions", o->bounded, "--explore", o->explore},
      {"--outcomes", o->outcomes, "--explore", o->explore},
      {"--listen", o->listen, "--hub", o->hub},
      {"--tls", o->tls, "--hub", o->hub},
      {"--tags", o->tags, "--agent", o->agent},
      {"--tls-ca", o->tls_ca, "--agent", o->agent},
      {"--token-file", o->token_file, "--agent", cluster},
  };
  for (const belonging *b = all; b < all + sizeof all / sizeof all[0]; b++) {
    if (!b->given || b->owner_given) continue;
    fprintf(stderr, "%s: option '%s' belongs to %s: write both, or neither\n", cr_report_prefix(),
            b->name, b->owner);
    return false;
  }
  return true;
}

/* Both of them would be the whole program, or say which schedule it runs under. */
static bool agree(const cr_options *o) {
  const char *both = o->dump && o->top           ? "--dump and --top"
                     : o->hub && o->agent        ? "--hub and --agent"
                     : o->explore && o->schedule ? "--explore and --schedule"
                                                 : NULL;
  if (both) fprintf(stderr, "%s: %s exclude each other\n", cr_report_prefix(), both);
  return both == NULL;
}

/* --------------------------------------------------------------- environment */

static bool read_setting(cr_options *o, const char *text) {
  static const char where[] = "CONRUN_OPTIONS: ";
  const word *w = text[0] == '-' ? find(text) : NULL;
  if (w != NULL && !w->setting) {
    fprintf(stderr, "%s: %soption '%s' belongs on the command line\n", cr_report_prefix(), where,
            w->name);
    return false;
  }
  bool good = read_word(o, text);
  if (!good) refuse_word(where, text);
  return good;
}

static bool read_environment(cr_options *o) {
  const char *all = getenv("CONRUN_OPTIONS");
  char *copy = strdup(all != NULL ? all : ""), *rest = copy;
  bool good = copy != NULL;
  for (char *text; good && (text = strtok_r(rest, " \t\n", &rest)) != NULL;)
    good = read_setting(o, text);
  free(copy);
  return good;
}

/* The names under which the program is nothing but Lua. */
static bool is_lua(const char *program) {
  const char *slash = strrchr(program, '/');
  const char *name = slash != NULL ? slash + 1 : program;
  return strcmp(name, "lua") == 0 || strcmp(name, "lua5.4") == 0;
}

bool cr_options_read(cr_options *o, int argc, char **argv) {
  *o = (cr_options){
      .trace_size = CR_USUAL_TRACE, .preemptions = 2, .as_lua = argc > 0 && is_lua(argv[0])};
  cr_options first = *o;
  int bad = read_line(&first, argc, argv);
  if (bad != 0) {
    refuse(o, argv[bad]);
    return false;
  }
  if (!first.plain && !o->as_lua && !read_environment(o)) return false;
  return read_line(o, argc, argv) == 0 && agree(o) && belong(o);
}
