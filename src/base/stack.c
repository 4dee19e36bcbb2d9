/* SPDX-License-Identifier: MIT */
/*
** stack: a function that is called on a C stack of its own.
**
** A strand may have to do something in the middle of a call, and in the middle of that
** again, as deep as the program wants: a worker computes the tasks that it waits for.  The
** stack that a thread begins with has an end.  So here a call goes on with another one: of
** addresses as many as a thread has, of memory what it uses, and below it a page that
** nobody may touch.
**
** The thread stays the same, and with it all that belongs to a thread.  One stack is kept
** for the next call.  A strand that leaves from the middle of such a call, by a longjmp to
** the thread's own stack, says so before and after (cr_stacks_leave, cr_stacks_left).
*/
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/base.h"

#define SIZE ((size_t)8 << 20)

/* It lies at the upper end of the memory that it describes. */
typedef struct stack {
  struct stack *below; /* the one on which this one's call was made; NULL: the thread's */
  ucontext_t caller, here;
  void (*f)(void *arg);
  void *arg;
  const void *bottom; /* for the sanitizers: the caller's stack */
  size_t size;
  void *fiber, *callers;
} stack;

static _Thread_local stack *current, *spare;

static void *memory_of(stack *s) { return (char *)(s + 1) - SIZE; }

static stack *make(void) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
  char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  if (mprotect(memory, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE) == 0)
    return (stack *)(void *)(memory + SIZE) - 1;
  munmap(memory, SIZE);
  return NULL;
}

/* ------------------------------------------------------------------- sanitizers */

/* They have to be told which stack is used.  In all other builds there are no such
** functions. */
#define OPTIONAL __attribute__((weak))
#define UNSEEN __attribute__((no_sanitize("thread"))) /* entered on one stack, left on another */
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size) OPTIONAL;
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size) OPTIONAL;
void __asan_unpoison_memory_region(void const volatile *memory, size_t size) OPTIONAL;
void *__tsan_create_fiber(unsigned flags) OPTIONAL;
void __tsan_destroy_fiber(void *fiber) OPTIONAL;
void __tsan_switch_to_fiber(void *fiber, unsigned flags) OPTIONAL;
void *__tsan_get_current_fiber(void) OPTIONAL;

/* What lies below may be marked by calls of which nothing is left. */
static void clean(const void *bottom, const void *top) {
  size_t size = (size_t)((const char *)top - (const char *)bottom);
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(bottom, size);
}

UNSEEN static void go_to(stack *s, void **fake) {
  clean(memory_of(s), s);
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(fake, memory_of(s), SIZE);
  if (!__tsan_create_fiber) return;
  s->callers = __tsan_get_current_fiber();
  s->fiber = __tsan_create_fiber(0);
  __tsan_switch_to_fiber(s->fiber, 0);
}

static void come_from(void *fake, const void **bottom, size_t *size) {
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(fake, bottom, size);
}

UNSEEN static void go_back(const stack *s) {
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(NULL, s->bottom, s->size);
  if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(s->callers, 0);
}

/* ------------------------------------------------------------------------ calls */

static void give_back(stack *s) {
  if (__tsan_destroy_fiber) __tsan_destroy_fiber(s->fiber);
  if (spare)
    munmap(memory_of(s), SIZE);
  else
    spare = s;
}

/* What a new context begins with is given integers. */
UNSEEN static void begin(unsigned high, unsigned low) {
  stack *s = (stack *)((uintptr_t)high << 32 | low);
  come_from(NULL, &s->bottom, &s->size);
  s->f(s->arg);
  go_back(s);
}

static void prepare(stack *s, void (*f)(void *arg), void *arg) {
  uintptr_t self = (uintptr_t)s;
  s->below = current;
  s->f = f;
  s->arg = arg;
  getcontext(&s->here);
  s->here.uc_stack.ss_sp = memory_of(s);
  s->here.uc_stack.ss_size = SIZE - sizeof *s;
  s->here.uc_link = &s->caller;
  makecontext(&s->here, (void (*)(void))begin, 2, (unsigned)(self >> 32), (unsigned)self);
}

/* As swapcontext, which one of the sanitizers warns of.  getcontext returns twice. */
UNSEEN static void go_and_return(stack *s) {
  volatile bool gone = false;
  getcontext(&s->caller);
  if (gone) return;
  gone = true;
  setcontext(&s->here);
}

UNSEEN int cr_stack_call(void (*f)(void *arg), void *arg) {
  stack *s = spare ? spare : make();
  void *fake = NULL;
  if (!s) return ENOMEM;
  spare = NULL;
  prepare(s, f, arg);
  current = s;
  go_to(s, &fake);
  go_and_return(s);
  come_from(fake, NULL, NULL);
  current = s->below;
  give_back(s);
  return 0;
}

void cr_stacks_end(void) {
  if (spare) munmap(memory_of(spare), SIZE);
  spare = NULL;
}

static stack *lowest(void) {
  stack *s = current;
  while (s && s->below) s = s->below;
  return s;
}

UNSEEN void cr_stacks_leave(void) {
  const stack *s = lowest();
  if (s) go_back(s);
}

void cr_stacks_left(void) {
  const stack *first = lowest();
  if (first) come_from(NULL, NULL, NULL);
  if (first) clean(first->bottom, &first);
  while (current) {
    stack *s = current;
    current = s->below;
    give_back(s);
  }
}
