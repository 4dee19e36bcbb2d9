/* SPDX-License-Identifier: MIT */
/*
** main: the birth and the end of the program.
**
** Birth
**   0 as the first process of a container it forks, and is its own child (init.c)
**   1 the places of standard input, output and error are taken
**   2 argv is judged; a wrong option ends here, before anything exists
**   3 every floor registers its types and hooks
**   4 the arena is mapped; the calling thread becomes the main strand
**   5 the Lua state is opened
**   6 the body runs: LUA_INIT, -e and -l, the script, the conversation
**
** End, by the return of the body
**   1 the queued tasks of the pools are finished, non-daemon workers joined
**   2 the workers that are left are asked to end
**   3 the Lua state is closed
**   4 the file of --trace is written
**   5 the main strand buries itself: all it held is given back
**   6 the zygote ends, and with it every worker process
**   7 --audit walks the arena
**
** An uncaught error, an interruption and os.exit leave out step 1: who fails
** does not wait for others, as a pool that is left by an error does not.  If the
** process is killed anywhere here, the zygote sees its lifeline close and ends
** the workers; the kernel frees the arena with the last of them.
**
** The same binary is executed as the zygote: --zygote is between us and us, and
** no option for people.
*/
#include "host/host.h"

#include <fcntl.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct program {
  int argc;
  char **argv;
  cr_options options;
  lua_State *L;
  bool good;        /* the body ran without an error */
  bool called_back; /* the end has begun: callbacks were run */
  bool ending;      /* and the workers were asked to end */
} program;

/* One per process; os.exit, which has no argument of ours, needs it. */
static program self;

static void say_version(void) {
  puts(LUA_COPYRIGHT);
  fflush(stdout);
}

/* --------------------------------------------------------------------- body */

static bool has_script(const program *p) { return p->options.script < p->argc; }

/* A lone "-" is standard input, but after "--" it is a file of that name. */
static bool is_input(const program *p) {
  int i = p->options.script;
  return has_script(p) && strcmp(p->argv[i], "-") == 0 && strcmp(p->argv[i - 1], "--") != 0;
}

static int run_script(lua_State *L, const program *p) {
  int i = p->options.script;
  const char *name = is_input(p) ? NULL : p->argv[i];
  return cr_script_run(L, name, true);
}

/* Nothing was named to run: a person at a terminal, or a program on stdin.  An
** error in the latter is reported but leaves the exit code 0, as Lua has it; a
** program named "-" has the exit code that one expects. */
static int run_input(lua_State *L, const cr_options *o) {
  if (isatty(STDIN_FILENO)) {
    say_version();
    cr_repl_run(L, o);
    return LUA_OK;
  }
  int status = cr_script_run(L, NULL, false);
  return cr_report_interrupted() && !o->as_lua ? status : LUA_OK;
}

/* Nothing is named that would run instead of standard input. */
static bool reads_input(const program *p) {
  return !has_script(p) && !p->options.executes && !p->options.version;
}

/* Will there be a conversation? */
static bool converses(const program *p) {
  return p->options.interactive || (reads_input(p) && isatty(STDIN_FILENO));
}

static void put_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value); /* NULL gives nil */
  lua_setfield(L, -2, name);
}

/* --hub and --agent: what they do is in lua/conrun/cluster. */
static int run_cluster(lua_State *L, const cr_options *o) {
  uint32_t workers = o->workers ? o->workers : (uint32_t)cr_cpu_count();
  if (!cr_module(L, "conrun.cluster")) return LUA_ERRRUN;
  lua_getfield(L, -1, "command");
  lua_createtable(L, 0, 8);
  lua_pushboolean(L, o->hub);
  lua_setfield(L, -2, "hub");
  lua_pushboolean(L, o->tls);
  lua_setfield(L, -2, "tls");
  lua_pushinteger(L, workers);
  lua_setfield(L, -2, "workers");
  put_text(L, "agent", o->agent);
  put_text(L, "listen", o->listen);
  put_text(L, "tags", o->tags);
  put_text(L, "token_file", o->token_file);
  put_text(L, "tls_ca", o->tls_ca);
  return cr_report_status(L, cr_script_call(L, 1, 0));
}

/* What comes after the pieces of code. */
static int run_rest(lua_State *L, const program *p) {
  const cr_options *o = &p->options;
  if (o->hub || o->agent) return run_cluster(L, o);
  int status = has_script(p) ? run_script(L, p) : LUA_OK;
  if (status != LUA_OK) return status;
  if (o->interactive)
    cr_repl_run(L, o);
  else if (reads_input(p))
    return run_input(L, o);
  return LUA_OK;
}

/* --seed: as if the script began with math.randomseed. */
static void seed(lua_State *L, lua_Integer n) {
  lua_getglobal(L, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, n);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}

/* Two values lie below all that runs, as in Lua's own program, whose main function has
** two arguments: an overflow of the stack then comes at the same depth, and says so. */
#define BELOW 2

static int body(lua_State *L) {
  program *p = lua_touserdata(L, 1);
  lua_settop(L, BELOW);
  if (p->options.seeded || cr_controlled) seed(L, p->options.seed);
  if (converses(p)) cr_repl_prepare(&p->options);
  cr_script_arguments(L, &p->options, p->argc, p->argv);
  lua_gc(L, LUA_GCGEN, 0, 0);
  p->good = (p->options.plain || cr_script_environment(L) == LUA_OK) &&
            cr_script_pieces(L, &p->options, p->argv) == LUA_OK && run_rest(L, p) == LUA_OK;
  return 0;
}

/* ------------------------------------------------------------------- birth */

/* LUA_PATH and LUA_CPATH are read while the libraries open; -E hides them from
** just that.  Nothing else runs in this process yet. */
static lua_State *open_plain_state(void) {
  static const char *const names[] = {"LUA_PATH", "LUA_CPATH", "LUA_PATH_5_4", "LUA_CPATH_5_4"};
  enum {
    COUNT = sizeof names / sizeof names[0]
  };
  char *saved[COUNT];
  for (int i = 0; i < COUNT; i++) {
    const char *value = getenv(names[i]);
    saved[i] = value != NULL ? strdup(value) : NULL;
    unsetenv(names[i]);
  }
  lua_State *L = cr_lib_new_state();
  for (int i = 0; i < COUNT; i++) {
    if (saved[i] != NULL) setenv(names[i], saved[i], 1);
    free(saved[i]);
  }
  return L;
}

/* What the options say to all strands; nobody else runs yet. */
static void set_root(const cr_options *o) {
  cr_worker_part *root = cr_worker_root();
  atomic_store(&root->on_deadlock, (uint32_t)o->on_deadlock);
  cr_line_root()->default_workers = o->workers;
  root->seeded = o->seeded || o->schedule;
  cr_in_worker(cr_me)->seed = (uint64_t)o->seed;
}

static bool open_state(program *p) {
  cr_arena_options arena = {.limit = p->options.memory_limit,
                            .trace = p->options.trace ? p->options.trace_size : 0,
                            .layout = cr_view_layout(),
                            .version = CR_VERSION};
  int error = cr_arena_create(&arena);
  if (error != 0) {
    fprintf(stderr, "%s: cannot map shared memory: %s: %s\n", cr_report_prefix(), cr_arena_failed(),
            strerror(error));
    return false;
  }
  set_root(&p->options);
  if (p->options.schedule && !cr_host_control(p->options.schedule)) return false;
  p->L = p->options.plain ? open_plain_state() : cr_lib_new_state();
  if (p->L == NULL) cr_report_line("cannot create the Lua state: not enough memory");
  return p->L != NULL;
}

/* --------------------------------------------------------------------- end */

static void finish_callbacks(lua_State *L) {
  uint32_t notices = cr_callbacks_finish(L);
  if (notices & CR_DEADLOCK) cr_deadlock_raise(L);
  if (notices) cr_post(cr_me, notices);
  if (notices) cr_look_up(L);
}

/* Waits for what the script has left running. */
static int finish(lua_State *L) {
  if (cr_stray) return 0;
  uint64_t ran;
  do {
    ran = cr_callbacks_ran();
    while (cr_pools_finish(CR_FOREVER) == EINTR) cr_look_up(L);
    while (cr_roster_join(CR_FOREVER) == EINTR) cr_look_up(L);
    finish_callbacks(L);
  } while (cr_callbacks_ran() != ran); /* one may have started something */
  return 0;
}

/* Futures may become final by the end of a worker, and that of main is the last chance for
** their callbacks. */
static void end_workers(program *p, lua_State *L) {
  bool first = !p->called_back;
  p->called_back = true; /* one of them may call os.exit, and so come here again */
  if (first) cr_callbacks_last(L);
  if (!p->ending) cr_pools_end();
  if (!p->ending) cr_roster_end();
  p->ending = true;
  if (first) cr_callbacks_last(L);
}

/* Steps 2 to 7; returns the exit code.  A finalizer that calls os.exit in step 3 ends
** up here again: it closes what is left of the state, if it asks for that, or goes on
** with step 4, and the first call of this is never returned to.  A stray (cr_stray) has
** none of these steps but its own Lua state. */
static int end(program *p, lua_State *L, int code, bool close) {
  if (!cr_stray) end_workers(p, L);
  bool handled = close && cr_handles_errors(p->L);
  if (close) {
    struct heap *h = cr_heap_of(p->L);
    cr_lua->ending = true;
    lua_close(p->L);
    cr_state_close();
    cr_heap_free(h);
  }
  if (cr_stray) return code;
  if (close) cr_host_unasked(!handled && !p->options.unasked_off && !cr_report_interrupted());
  if (cr_timeline_write() != 0 && code == 0) code = 1;
  cr_bury_self(code);
  cr_zygote_end();
  if (p->options.audit && cr_host_audit() != 0 && code == 0) code = 1;
  return cr_controlled ? cr_host_controlled(code) : code;
}

/* os.exit in the main strand. */
static void leave(lua_State *L, int code, bool close) { exit(end(&self, L, code, close)); }

/* ------------------------------------------------------------------- program */

/* What a shell makes of a program that SIGINT has ended; Lua itself has no such code. */
#define INTERRUPTED 130

static int exit_code(const program *p) {
  if (p->good) return EXIT_SUCCESS;
  return cr_report_interrupted() && !p->options.as_lua ? INTERRUPTED : EXIT_FAILURE;
}

static int run(program *p) {
  cr_lib_register();
  cr_lua_lent.exit = leave;
  if (!open_state(p)) return EXIT_FAILURE;
  if (!p->options.as_lua) cr_interrupt_show();
  lua_pushcfunction(p->L, body);
  lua_pushlightuserdata(p->L, p);
  cr_report_status(p->L, lua_pcall(p->L, 1, 0, 0));
  if (p->good) {
    lua_pushcfunction(p->L, finish);
    p->good = cr_report_status(p->L, cr_script_call(p->L, 0, 0)) == LUA_OK;
  }
  return end(p, p->L, exit_code(p), true);
}

/* Options that say something about the program instead of running one. */
static bool explains(const cr_options *o) {
  return o->help || o->topic != NULL || o->about || o->examples || o->dump || o->top;
}

/* The program itself is run by others of its kind, which have nothing on standard input. */
static int explore(program *p) {
  if (reads_input(p) || is_input(p) || p->options.interactive) {
    cr_report_line("--explore needs a script: conrun --explore script.lua");
    return EXIT_FAILURE;
  }
  cr_lib_register();
  if (!open_state(p)) return EXIT_FAILURE;
  return end(p, p->L, cr_host_explore(p->L, &p->options, p->argv), true);
}

/* What is Lua needs a state: the reference, and what is said about another program. */
static int explain_in_lua(program *p) {
  const cr_options *o = &p->options;
  cr_lib_register();
  if (!open_state(p)) return EXIT_FAILURE;
  return end(p, p->L, o->topic ? cr_help_topic(p->L, o->topic) : cr_live(p->L, o), true);
}

/* Has all been written that was said on stdout? */
static int said(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  fprintf(stderr, "%s: cannot write: %s\n", cr_report_prefix(), strerror(errno));
  return EXIT_FAILURE;
}

static int explain(program *p) {
  const cr_options *o = &p->options;
  int code = EXIT_SUCCESS;
  if (o->topic != NULL || o->dump || o->top) code = explain_in_lua(p);
  if (o->help) cr_help_page(stdout);
  if (o->about) printf("conrun %s (%s)\n", CR_VERSION, LUA_RELEASE);
  if (o->examples) code = cr_examples_list(stdout);
  return said(code);
}

/* The example's path stands in argv where --example stood, as if it had been typed
** there: that is what the script sees in `arg`. */
static bool take_example(program *p) {
  if (p->options.example == NULL) return true;
  char *path = cr_example_find(p->options.example);
  if (path != NULL) p->argv[p->options.script] = path;
  return path != NULL;
}

/* Executed by the program itself, to become the parent of worker processes. */
static void become_zygote(int argc, char **argv) {
  static const char option[] = "--zygote=";
  if (argc < 2 || strncmp(argv[1], option, sizeof option - 1) != 0) return;
  cr_lib_register();
  cr_zygote_main(argv[1] + sizeof option - 1);
}

/* A program may be started with a standard file closed.  The arena's file would
** then get its number, and what is printed would land in shared memory.  So the
** place is taken by a file that refuses as a closed one does: it cannot be
** written (or read), and the programs that we execute find it closed. */
static void take_places(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) == -1)
      (void)!open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

static bool open_trace(const cr_options *o) {
  if (o->schedule == NULL && !o->explore) return cr_timeline_open(o->trace);
  fprintf(
      stderr,
      "%s: --trace and --%s exclude each other: a run under a schedule has no time of its own\n",
      cr_report_prefix(), o->explore ? "explore" : "schedule");
  return false;
}

int main(int argc, char **argv) {
  cr_signals_begin();
  cr_init_serve();
  take_places();
  become_zygote(argc, argv);
  self.argc = argc;
  self.argv = argv;
  if (argc > 0 && argv[0][0] != '\0') cr_report_name(argv[0]);
  const cr_options *o = &self.options;
  if (!cr_options_read(&self.options, argc, argv)) return EXIT_FAILURE;
  if (explains(o)) return explain(&self);
  if (o->schedule) cr_host_pin(argv);
  if (!take_example(&self)) return EXIT_FAILURE;
  if (o->trace != NULL && !open_trace(o)) return EXIT_FAILURE;
  cr_color_choose(o->color);
  if (o->explore) return explore(&self);
  if (o->version) say_version();
  return run(&self);
}
