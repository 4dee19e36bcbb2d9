/* SPDX-License-Identifier: MIT */
/*
** watch: a hard build tells of wake-ups that never came.
**
** A wait without a deadline looks up by itself now and then (wait.c), and so it gets
** over a wake-up that was lost: the program is slow for a moment, and nobody learns
** of the mistake.  Here the mistake is a finding: a wait that comes to its end right
** after such a look, although neither its gate nor its bell has changed since it fell
** asleep, has got what nobody told it of.
**
** Three things look like it and are none:
**
**   The waker is between the change and the wake-up.  So the accused wake-up gets GRACE
**   to come; one that is owed for longer than that is owed by nobody.
**
**   The wake-up went to another sleeper of the same gate, who has not served itself yet,
**   or has and will wake the next.  A look that finds the gate changed is therefore not
**   followed by an attempt, which might only take what is the other's, but by more sleep
**   on the new word; it is judged at a later look, when the gate has been quiet, nobody
**   stirs at it and nobody has left it for a while.
**
**   The wake-up came while the strand was looking and not asleep, and so found nobody.
**   Who wakes notes that, before it forgets that it wakes: where a wake-up is under way or
**   has found fewer sleepers than it was for, the look is followed by an attempt, as in
**   other builds, and not judged.
**
** What a dead strand owed is paid by its burial; until that is over, nobody judges.
**
** A wake-up that is passed on need not change the gate's word, since a sleeper makes an
** attempt between arming the gate and falling asleep.  One that was sent to sleep on here
** does not; so here every wake-up changes the word (cr_watch_pass).
**
** The finding is a line on stderr and, if the environment names a file in CONRUN_WATCH,
** a line there, where the runner of the specs looks: the strand goes on.  In every other
** build this file is empty.
*/
#ifdef CR_HARD

#include <sched.h>

#include "base/base.h"
#include "base/futex.h"

#define GRACE 2000000000  /* ns */
#define SLICE 20000000    /* ns between two looks at the bell meanwhile */
#define PATIENCE 10000000 /* ns for a wake-up that is under way */
#define MOST_SLEEPS 5     /* looks; who sleeps on for longer than these 3 s would hang */
#define GATES 1024

/* Gates share a place by their address: what is not certain is not judged. */
typedef struct records {
  struct {
    _Atomic int64_t left, missed;
  } at[GATES];                          /* when a wait ended, a wake-up failed */
  _Atomic(cr_gate *) wakes[CR_STRANDS]; /* own; from before the change to after */
} records;
_Static_assert(sizeof(records) <= CR_WATCH_ROOM, "the records fit behind the plan of faults");

/* The sleep of this strand, and its last look if that may be judged. */
static _Thread_local struct {
  cr_time since;
  bool valid;
  cr_gate *gate; /* NULL: on the bell alone */
  uint32_t word, bell;
  uint32_t what; /* enum cr_what: a wait on the bell is over before its outcome is known */
} look;

static records *whole(void) {
  return (records *)(void *)((char *)&cr_strands[CR_STRANDS] + CR_PLAN_ROOM);
}

static size_t place_of(const cr_gate *g) {
  return (uintptr_t)g / sizeof *g * 2654435761u / 64 % GATES;
}

static uint32_t word_of(cr_gate *g) { return g ? atomic_load(&g->word) : 0; }

/* -------------------------------------------------------------------------- waking */

static void wakes(cr_gate *g) {
  if (cr_me) atomic_store(&whole()->wakes[cr_me->index], g);
}

void cr_watch_wakes(cr_gate *g) { wakes(g); }

void cr_watch_pass(cr_gate *g) {
  wakes(g);
  atomic_fetch_add(&g->word, 2);
}

void cr_watch_miss(const cr_gate *g) { atomic_store(&whole()->at[place_of(g)].missed, cr_clock()); }

void cr_watch_woke(cr_gate *g, int wanted, int found) {
  if (found < wanted) cr_watch_miss(g);
  wakes(NULL);
}

static bool is_waking(cr_gate *g) {
  cr_for_strands(s)
    if (atomic_load(&whole()->wakes[s->index]) == g && cr_strand_exists(s)) return true;
  return false;
}

/* May a wake-up have come while we did not sleep?  All that had changed the word when the
** gate was armed are over before the answer is no. */
static bool may_have_missed(cr_gate *g) {
  cr_time until = cr_clock() + PATIENCE;
  while (is_waking(g)) {
    if (cr_clock() > until) return true;
    sched_yield();
  }
  return atomic_load(&whole()->at[place_of(g)].missed) >= look.since;
}

/* -------------------------------------------------------------- who may yet wake us */

/* Woken, or awake by itself, and not yet done with what it woke for. */
static bool stirs_at(cr_strand *s, cr_gate *g) {
  return atomic_load(&s->waits_at) == g &&
         !(atomic_load(&s->asleep) && atomic_load(&s->seen) == word_of(g) &&
           atomic_load(&s->seen_bell) == atomic_load(&s->bell));
}

/* News may be for this gate or this bell.  Who waits at the gate himself owes only what he
** may get there. */
static bool notes(cr_strand *s, const cr_gate *g) {
  for (int i = 0; i < CR_DEBTS; i++) {
    uint64_t word = atomic_load(&s->debt[i]), kind = word >> CR_DEBT_SHIFT;
    if (kind == CR_OWE_NEWS) return true;
    if (kind == CR_OWE_WAKE && cr_debt_of(word) == g && atomic_load(&s->waits_at) != g) return true;
  }
  return false;
}

static bool owes(cr_strand *s, cr_gate *g) {
  enum cr_strand_state state = cr_strand_state(s);
  if (s == cr_me || state < CR_RUNNING) return false;
  return state == CR_DYING || atomic_load(&s->ringing) || notes(s, g) || (g && stirs_at(s, g));
}

static bool is_owed(cr_gate *g) {
  cr_for_strands(s)
    if (owes(s, g)) return true;
  return g && (is_waking(g) || cr_clock() - atomic_load(&whole()->at[place_of(g)].left) < GRACE);
}

/* ------------------------------------------------------------------------- sleeping */

void cr_watch_sleep(void) { look.since = cr_clock(); }
void cr_watch_forget(void) { look.valid = false; }

/* The look itself may have found a deadlock, and told this strand to show its stack and
** then to raise.  If the attempt that follows succeeds all the same, it was none. */
static bool despairs(uint32_t *bell) {
  uint32_t notices = cr_notices();
  if (!(notices & CR_DEADLOCK) || (notices & ~(CR_DEADLOCK | CR_DUMP))) return false;
  *bell = atomic_load(&cr_me->bell);
  return true;
}

/* Somebody else is awake, or was woken: he has the time of our further sleep. */
static bool sleep_on(cr_gate *g, uint32_t *seen) {
  if (!g || cr_me->looks > MOST_SLEEPS) return false;
  if (word_of(g) == *seen) return true;
  *seen = cr_gate_arm(g);
  return !may_have_missed(g);
}

static void note(cr_gate *g, uint32_t seen, uint32_t bell) {
  look.valid = true;
  look.gate = g;
  look.word = seen;
  look.bell = bell;
  look.what = atomic_load(&cr_me->waits_what);
}

bool cr_watch_look(cr_gate *g, uint32_t *seen, uint32_t *bell) {
  bool hopeless = despairs(bell);
  if (atomic_load(&cr_me->bell) != *bell) return false;
  if (cr_notices() && !hopeless) return false;
  if (word_of(g) != *seen || is_owed(g)) return !hopeless && sleep_on(g, seen);
  note(g, *seen, *bell);
  return false;
}

/* ----------------------------------------------------------------------- the verdict */

static bool has_changed(void) {
  return word_of(look.gate) != look.word || atomic_load(&cr_me->bell) != look.bell;
}

/* Has it come by now?  A debt that is seen at the end of the time is as good: it will. */
static bool comes(void) {
  cr_time until = cr_clock() + GRACE;
  while (cr_clock() < until) {
    _Atomic uint32_t *word = look.gate ? &look.gate->word : &cr_me->bell;
    cr_futex_wait(word, look.gate ? look.word : look.bell, cr_clock() + SLICE);
    if (has_changed()) return true;
  }
  return is_owed(look.gate);
}

void cr_watch_found(void) {
  if (!look.valid) return;
  look.valid = false;
  if (!has_changed() && !comes() && cr_lent.tell_lost) cr_lent.tell_lost(look.what);
}

void cr_watch_end(cr_gate *g) {
  cr_watch_found();
  atomic_store(&whole()->at[place_of(g)].left, cr_clock());
}

#endif
