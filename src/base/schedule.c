/* SPDX-License-Identifier: MIT */
/*
** schedule: the baton, who may have it, and who gets it.
**
** slot->turn   a futex word of each strand, changed when it gets the baton
** holder       the name of the strand that has the baton, the only truth about it
**
** A strand hands the baton on by writing the other's name into `holder` and changing its
** `turn`.  If it dies between the two, the other looks up by itself after a moment (LOOK).
** If it dies before the first, the baton is a dead strand's, and its burial hands it on.  If
** who buries dies in turn, after the record was freed and before the baton was handed on, the
** name in `holder` is nobody's, and a waiting strand that has seen that twice takes it by
** one compare-and-swap, as the burial does: one of them.
**
** A strand sleeps by saying in its slot on which words, and handing the baton on.  Whether it
** is a candidate again is seen from the words: so no wake-up is needed, and who is woken
** first among several is a choice as any other.  A wake-up that is passed on, which changes
** no word elsewhere, does so here (wait.c).
**
** Nobody can run, and nobody has a deadline: it is asked at once what is otherwise asked
** after a tenth of a second (cr_lent.check_wait), until that has found the deadlock and told
** its victim, which then is a candidate.  If it does not, the run ends with a verdict.
**
** A strand may look again and again at what only others can change, as one that spins does.
** Who has done the same operation at the same place PATIENCE times in a row, or as many that
** only look, is `idle`: others come first, and if there are none, the next deadline.  But who
** has given the operation another argument each time comes to something by itself, as a loop
** does that fills a queue: no deadline comes before it has done so AT_LENGTH times.  Who goes
** on for so long without a wait, whatever it does, lets others go first, too.
*/
#include "base/schedule.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/futex.h"

#define VERSION '1'
#define TICK 1000      /* ns that a step or a look at the clock takes */
#define LOOK 100000000 /* ns, real ones, until who waits for the baton looks for the dead */
#define PATIENCE 16    /* looks in a row until a strand is idle */
#define AT_LENGTH 1000 /* operations in a row until it is, whatever they were */
#define AGAIN 20000000 /* ns between two alarms for the same */
#define INQUIRIES 8    /* about a deadlock, before the run is given up */
#define FALLS 8        /* the most of a run */
#define NOBODY UINT32_MAX
#define START INT64_C(1000000000)

enum state {
  OUT,   /* it has no part, yet or any more */
  READY, /* it has the baton, or stands at a point, or is about to begin */
  ASLEEP
};

typedef struct slot {
  _Atomic uint32_t turn;
  uint32_t state; /* enum state */
  cr_gate *gate;  /* asleep, on these words: */
  const _Atomic uint32_t *bell;
  uint32_t seen, seen_bell;
  cr_time deadline;
  cr_time alarm;     /* 0: none */
  uint32_t looks;    /* in a row that may have changed nothing */
  uint32_t alike;    /* of these the last ones, with the same argument */
  uint32_t turns;    /* operations since it last waited */
  uint32_t priority; /* where chance decides by priorities */
  char name[CR_STEP_NAME];
  uint32_t before; /* what it did last: a sum of operation and place */
  uint32_t with;   /* and of the argument */
} slot;

typedef struct control {
  _Atomic uint32_t on;
  _Atomic uint64_t holder;
  _Atomic int64_t now;
  uint64_t chance;      /* state of the random numbers; 0: the word decides */
  uint32_t depth;       /* of bugs that random priorities look for; 0: there are none */
  uint32_t fall[FALLS]; /* the choices at which who runs falls behind */
  uint32_t at;          /* how far the word is read */
  uint32_t gap;         /* choices until the next deviation */
  uint32_t ahead;       /* 1: there is one */
  uint32_t expected;    /* checksum in the word */
  uint32_t checksum;    /* of the operations so far */
  uint32_t choices;     /* so far */
  uint32_t inquiries;   /* about a deadlock, since the last operation */
  uint32_t steps, most; /* so far, and until the verdict */
  uint32_t left;        /* 1 + the step at which the run left its word; 0: it has not */
  char verdict[96];     /* why the run is over; empty: it is not */
  char recorded[64];    /* what the word says of the step at which it was left */
  char found[CR_OPERATION_MAX];
  char word[CR_WORD_MAX];
  slot slot[CR_STRANDS];
  cr_step step[CR_STEPS], spare;
} control;
_Static_assert(sizeof(control) <= CR_SCHEDULE_ROOM, "it fits behind the table of strands");

bool cr_controlled;
static control *c; /* of this process; NULL while it has no table */

/* ------------------------------------------------------------------- the word */

typedef struct deviation {
  uint32_t gap, choice;
  const char *operation; /* of `length` bytes, 0: the word does not say */
  size_t length;
} deviation;

/* Reads one, and the comma behind it.  False: that is none. */
static bool read_deviation(const char **text, deviation *d) {
  char *end;
  if (**text < '0' || **text > '9') return false;
  unsigned long gap = strtoul(*text, &end, 10);
  if (gap > CR_STEPS || *end < 'a' || *end >= 'a' + CR_CANDIDATES - 1) return false;
  *d = (deviation){.gap = (uint32_t)gap, .choice = (uint32_t)(*end - 'a') + 1};
  end++;
  if (*end == '=') {
    d->operation = ++end;
    d->length = strcspn(end, ",");
    end += d->length;
  }
  if (*end == ',')
    end++;
  else if (*end)
    return false;
  *text = end;
  return true;
}

static void read_next(void) {
  const char *text = c->word + c->at;
  deviation d;
  c->ahead = *text && read_deviation(&text, &d);
  if (c->ahead) c->gap = d.gap;
}

static int begin_by_word(const char *word) {
  char *end;
  deviation d;
  if (word[0] != VERSION || word[1] != '-' || strlen(word) >= CR_WORD_MAX) return EINVAL;
  unsigned long sum = strtoul(word + 2, &end, 16);
  if (end == word + 2 || *end != '-' || sum > UINT32_MAX) return EINVAL;
  const char *text = end + 1;
  while (*text)
    if (!read_deviation(&text, &d)) return EINVAL;
  memcpy(c->word, word, strlen(word) + 1);
  c->at = (uint32_t)(end + 1 - word);
  c->expected = (uint32_t)sum;
  read_next();
  return 0;
}

/* ---------------------------------------------------------------------- chance */

static uint64_t draw(void) { /* xorshift64* */
  c->chance ^= c->chance >> 12;
  c->chance ^= c->chance << 25;
  c->chance ^= c->chance >> 27;
  return c->chance * 0x2545f4914f6cdd1du >> 32;
}

static int begin_by_chance(const char *number) {
  char *end;
  if (*number < '0' || *number > '9') return EINVAL;
  c->chance = strtoull(number, &end, 10) * 0x9e3779b97f4a7c15u + 0x1234567;
  if (c->chance == 0) c->chance = 1;
  return *end ? EINVAL : 0;
}

/* SEED:DEPTH:CHOICES */
static int begin_by_priority(const char *words) {
  unsigned seed, depth, steps;
  char rest;
  if (sscanf(words, "%9u:%9u:%9u%c", &seed, &depth, &steps, &rest) != 3) return EINVAL;
  if (depth < 1 || depth > FALLS || steps < 1) return EINVAL;
  c->chance = seed * 0x9e3779b97f4a7c15u + 0x7654321;
  c->depth = depth;
  for (uint32_t i = 0; i < FALLS; i++) c->fall[i] = 1 + (uint32_t)(draw() % steps);
  return 0;
}

/* ---------------------------------------------------------------- candidates */

static bool has_changed(const slot *s) {
  return (s->gate && atomic_load(&s->gate->word) != s->seen) ||
         (s->bell && atomic_load(s->bell) != s->seen_bell);
}

static bool is_due(const slot *s) { return s->alarm && s->alarm <= atomic_load(&c->now); }

static bool can_run(const slot *s) {
  if (s->state != ASLEEP) return s->state == READY;
  return has_changed(s) || s->deadline <= atomic_load(&c->now) || is_due(s);
}

static void add(cr_step *step, uint32_t i) {
  if (step->count < CR_CANDIDATES && can_run(&c->slot[i]))
    step->candidate[step->count++] = (uint16_t)i;
}

/* `current` has the baton and comes first, or last if it is idle; NOBODY: it is gone. */
static void list_candidates(cr_step *step, uint32_t current) {
  uint32_t top = cr_strands_top(), from = current == NOBODY ? top - 1 : current;
  step->count = 0;
  if (current != NOBODY && !step->idle) add(step, current);
  step->kept = step->count > 0;
  for (uint32_t k = 1; k <= top; k++) {
    uint32_t i = (from + k) % top;
    if (i != current) add(step, i);
  }
  if (step->idle) add(step, current);
}

/* Time passes until the first deadline of a sleeper.  False: there is none. */
static bool pass_time(void) {
  cr_time first = CR_FOREVER;
  cr_for_strands(s) {
    const slot *t = &c->slot[s->index];
    if (t->state == ASLEEP && t->deadline < first) first = t->deadline;
    if (t->state == ASLEEP && t->alarm && t->alarm < first) first = t->alarm;
  }
  if (first == CR_FOREVER) return false;
  if (first > atomic_load(&c->now)) atomic_store(&c->now, first);
  return true;
}

static void give_verdict(const char *text) {
  if (!c->verdict[0]) snprintf(c->verdict, sizeof c->verdict, "%s, after %u steps", text, c->steps);
}

static void inquire(void) {
  c->inquiries++;
  if (cr_lent.check_wait) cr_lent.check_wait(true);
}

/* Is there nothing but a deadline that could get it further? */
static bool is_stuck(const slot *s) { return s->alike >= PATIENCE || s->looks >= AT_LENGTH; }

/* At least one candidate, or a verdict. */
static void find_candidates(cr_step *step, uint32_t current) {
  list_candidates(step, current);
  if (step->idle && step->count == 1 && is_stuck(&c->slot[current]) && pass_time())
    list_candidates(step, current);
  while (step->count == 0 && c->inquiries < INQUIRIES) {
    if (!pass_time()) inquire();
    list_candidates(step, current);
  }
  if (step->count == 0) give_verdict("nobody can go on, and nobody has a deadline");
}

/* -------------------------------------------------------------------- deciding */

static void leave_word(const char *recorded, size_t length, const char now[CR_OPERATION_MAX]) {
  c->left = c->steps;
  c->ahead = 0;
  snprintf(c->recorded, sizeof c->recorded, "%.*s", (int)length, recorded);
  memcpy(c->found, now, sizeof c->found);
}

/* The next deviation is due: is it about what is here? */
static uint32_t deviate(const cr_step *step) {
  const char *text = c->word + c->at;
  deviation d;
  if (!read_deviation(&text, &d)) return 0;
  if (d.length && (strlen(step->operation) != d.length ||
                   memcmp(step->operation, d.operation, d.length) != 0)) {
    leave_word(d.operation, d.length, step->operation);
    return 0;
  }
  if (d.choice >= step->count) {
    leave_word("a choice among more strands", 64, step->operation);
    return 0;
  }
  c->at = (uint32_t)(text - c->word);
  read_next();
  return d.choice;
}

/* Random priorities: the highest runs until it waits, but at a few choices, picked beforehand,
** who runs falls behind everybody.  That finds each bug that needs so many orders of two
** steps with a known probability (the field calls it PCT). */
static void fall_behind(const cr_step *step) {
  for (uint32_t i = 0; i + 1 < c->depth; i++)
    if (c->fall[i] == c->choices) c->slot[step->who].priority = i;
  if (step->idle) c->slot[step->who].priority = 0;
}

static uint32_t highest(const cr_step *step) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < step->count; i++)
    if (c->slot[step->candidate[i]].priority > c->slot[step->candidate[best]].priority) best = i;
  return best;
}

static uint32_t decide(const cr_step *step) {
  if (step->count <= 1) return 0;
  c->choices++;
  if (c->depth) fall_behind(step);
  if (c->depth) return highest(step);
  if (c->chance) return (uint32_t)(draw() % step->count);
  if (!c->ahead) return 0;
  if (c->gap > 0) {
    c->gap--;
    return 0;
  }
  return deviate(step);
}

static void sum(const char *text, uint32_t *h) {
  for (; *text; text++) *h = (*h ^ (unsigned char)*text) * 16777619u;
}

static cr_step *new_step(uint32_t who, enum cr_stand stands) {
  cr_step *step = c->steps < CR_STEPS ? &c->step[c->steps] : &c->spare;
  *step = (cr_step){.who = (uint16_t)who, .stands = (uint8_t)stands};
  if (++c->steps >= c->most) give_verdict("no end");
  atomic_fetch_add(&c->now, TICK);
  return step;
}

/* Who has the baton after this step: an index. */
static uint32_t next_after(cr_step *step, uint32_t current) {
  char who[8];
  snprintf(who, sizeof who, "%u.", step->who);
  sum(who, &c->checksum);
  sum(step->operation, &c->checksum);
  if (!c->verdict[0]) find_candidates(step, current);
  if (c->verdict[0]) return 0; /* main ends the run */
  step->chosen = (uint8_t)decide(step);
  return step->candidate[step->chosen];
}

/* ------------------------------------------------------------------- the baton */

bool cr_schedule_mine(void) {
  return cr_controlled && cr_me && !cr_stray && atomic_load(&c->holder) == cr_id_of(cr_me);
}

static void give(uint32_t index) {
  atomic_store(&c->holder, cr_id_of(&cr_strands[index]));
  atomic_fetch_add(&c->slot[index].turn, 1);
  cr_futex_wake(&c->slot[index].turn, 1);
}

/* The baton was a strand's that is gone; whoever comes first hands it on. */
static void take_over(const cr_strand *s, cr_id gone) {
  cr_id holder = gone;
  if (!atomic_compare_exchange_strong(&c->holder, &holder, cr_me ? cr_id_of(cr_me) : 0)) return;
  cr_step *step = new_step(s->index, CR_STANDS_ENDED);
  memcpy(step->operation, "end", 4);
  give(next_after(step, NOBODY));
}

/* Has waited for long.  The zygote may be dead, and with it all processes; or who had the
** baton, and who was to hand it on. */
static void look_for_dead(cr_id *missing) {
  cr_id holder = atomic_load(&c->holder);
  bool dead = holder && !cr_strand_named(holder);
  if (dead && *missing == holder) take_over(&cr_strands[(holder & 0xffff) - 1], holder);
  *missing = dead ? holder : 0;
  if (cr_lent.check_wait) cr_lent.check_wait(false);
}

static void await_baton(void) {
  slot *s = &c->slot[cr_me->index];
  cr_id missing = 0;
  for (;;) {
    uint32_t seen = atomic_load(&s->turn);
    if (atomic_load(&c->holder) == cr_id_of(cr_me)) break;
    if (cr_futex_wait(&s->turn, seen, atomic_load(&c->now) + LOOK) == ETIMEDOUT)
      look_for_dead(&missing);
  }
}

/* The time of what it computes is over: as by the timers of an ordinary run (line/limit.c). */
static void ring_alarm(slot *s) {
  if (cr_me->kind == CR_PROCESS) kill(getpid(), SIGKILL);
  s->alarm = atomic_load(&c->now) + AGAIN;
  cr_post(cr_me, CR_INTERRUPT);
  if (cr_lent.nudge) cr_lent.nudge();
}

static void hand_on(cr_step *step) {
  uint32_t me = cr_me->index, next = next_after(step, me);
  if (next != me) {
    give(next);
    await_baton();
  }
  if (c->verdict[0] && cr_me->kind == CR_MAIN && cr_lent.halt) cr_lent.halt();
  if (is_due(&c->slot[me])) ring_alarm(&c->slot[me]);
}

/* ---------------------------------------------------------------------- points */

static bool only_looks(const char *operation) {
  static const char *const verbs[] = {"get",   "done",    "state",  "size",    "empty", "full",
                                      "value", "alive",   "is_set", "locked",  "over",  "running",
                                      "error", "__index", "__len",  "waiting", "broken"};
  const char *verb = strchr(operation, ':');
  for (size_t i = 0; verb && i < sizeof verbs / sizeof verbs[0]; i++)
    if (strcmp(verb + 1, verbs[i]) == 0) return strncmp(operation, "queue", 5) != 0;
  return false;
}

/* Has it looked for so long that others should come first? */
static bool is_idle(const cr_step *step) {
  slot *s = &c->slot[step->who];
  uint32_t what = 2166136261u ^ step->serial;
  sum(step->operation, &what);
  sum(step->where, &what);
  uint32_t with = what;
  sum(step->with, &with);
  bool looks = only_looks(step->operation);
  s->looks = looks || what == s->before ? s->looks + 1 : 0;
  s->alike = looks || with == s->with ? s->alike + 1 : 0;
  s->before = what;
  s->with = with;
  s->turns++;
  return (s->looks > 0 && s->looks % PATIENCE == 0) || s->turns % AT_LENGTH == 0;
}

static void begin_anew(slot *s) { s->looks = s->alike = s->turns = 0; }

void cr_schedule_point(enum cr_point at, const void *object) {
  static const char *const names[] = {[CR_AT_START] = "task:start", [CR_AT_SETTLE] = "task:settle"};
  if (at == CR_AT_BIRTH && cr_me->kind != CR_KEEPER) return await_baton();
  if (at != CR_AT_USE && at != CR_AT_START && at != CR_AT_SETTLE) return;
  if (!cr_schedule_mine() || cr_strand_state(cr_me) != CR_RUNNING || cr_latches_held()) return;
  cr_step *step = new_step(cr_me->index, CR_STANDS_BEFORE);
  c->inquiries = 0;
  if (cr_lent.describe) cr_lent.describe(object, step);
  if (at != CR_AT_USE) snprintf(step->operation, sizeof step->operation, "%s", names[at]);
  step->idle = is_idle(step);
  hand_on(step);
}

int cr_schedule_sleep(cr_gate *gate, uint32_t seen, const _Atomic uint32_t *bell,
                      uint32_t seen_bell, cr_time deadline) {
  slot *s = &c->slot[cr_me->index];
  s->gate = gate;
  s->seen = seen;
  s->bell = bell;
  s->seen_bell = seen_bell;
  s->deadline = deadline;
  s->state = ASLEEP;
  begin_anew(s);
  cr_step *step = new_step(cr_me->index, CR_STANDS_WAITING);
  memcpy(step->operation, "wait", 5);
  hand_on(step);
  s->state = READY;
  return !has_changed(s) && deadline <= atomic_load(&c->now) ? ETIMEDOUT : 0;
}

void cr_schedule_alarm(cr_time until) { c->slot[cr_me->index].alarm = until; }

void cr_schedule_launch(const cr_strand *s) {
  if (!cr_controlled) return;
  c->slot[s->index].state = READY;
  begin_anew(&c->slot[s->index]);
  c->slot[s->index].alarm = 0;
  snprintf(c->slot[s->index].name, CR_STEP_NAME, "%.*s", CR_STEP_NAME - 1, s->name);
  c->slot[s->index].priority = c->depth + (uint32_t)(draw() % 1000000);
}

void cr_schedule_leave(const cr_strand *s) {
  if (cr_controlled) c->slot[s->index].state = OUT;
}

/* The record may be another's by now, but for main's. */
void cr_schedule_gone(const cr_strand *s, cr_id id) {
  if (s == &cr_strands[0])
    atomic_store(&c->holder, 0); /* the program is over, and nobody runs any more */
  else
    take_over(s, id);
}

/* -------------------------------------------------------------------- the clock */

void cr_schedule_tick(void) {
  if (cr_schedule_mine()) atomic_fetch_add(&c->now, TICK);
}

cr_time cr_schedule_clock(void) { return atomic_load(&c->now); }

cr_time cr_schedule_real(cr_time moment) {
  return moment == CR_FOREVER ? moment : cr_clock_of_kernel() + (moment - atomic_load(&c->now));
}

/* ---------------------------------------------------------------- birth and end */

/* Parts that do things by themselves, or as the time allows. */
#define LIVELY (1u << CR_SPARE | 1u << CR_CREW | 1u << CR_SPIN | 1u << CR_NEAR)

static void control_process(void) {
  cr_controlled = true;
#ifndef CR_HARD
  cr_planned = true;
#endif
  cr_parts_off |= LIVELY;
}

void cr_schedule_join(void *room) {
  c = room;
  if (atomic_load(&c->on)) control_process();
}

int cr_schedule_begin(const char *word, uint32_t most) {
  int error = strncmp(word, "seed:", 5) == 0  ? begin_by_chance(word + 5)
              : strncmp(word, "pct:", 4) == 0 ? begin_by_priority(word + 4)
                                              : begin_by_word(word);
  if (error) return error;
  c->most = most;
  c->checksum = 2166136261u;
  atomic_store(&c->now, START);
  cr_controlled = true;
  cr_schedule_launch(cr_me);
  atomic_store(&c->holder, cr_id_of(cr_me));
  atomic_store(&c->on, 1);
  control_process();
  return 0;
}

const char *cr_schedule_verdict(void) { return c->verdict[0] ? c->verdict : NULL; }

const char *cr_schedule_left(char room[], size_t size) {
  if (c->left)
    snprintf(room, size, "recorded for another program: operation %u was %s, now %s", c->left,
             c->recorded, c->found);
  else if (c->ahead && !c->verdict[0])
    snprintf(room, size, "recorded for another program: that had more operations than these %u",
             c->steps);
  else if (c->expected && !c->verdict[0] && c->expected != c->checksum)
    snprintf(room, size, "recorded for another program: its operations were others");
  else
    return NULL;
  return room;
}

const cr_step *cr_schedule_log(uint32_t *count) {
  *count = c->steps < CR_STEPS ? c->steps : CR_STEPS;
  return c->step;
}

const char *cr_schedule_name(uint32_t who) { return c->slot[who].name; }

uint32_t cr_schedule_checksum(void) { return c->checksum; }
