/* SPDX-License-Identifier: MIT */
/*
** connection: to a server of the engine, and the letters that come from there.
**
** A connection belongs to the strand that made it, which alone sends, and takes letters out
** of the inbox.  libnats calls `deliver` in a thread of its own for each message: the
** message goes to the end of the inbox, and a notice to the strand, which then looks up from
** whatever wait it is in.  A connection that is lost is made again by libnats.
**
** The inbox outlives the connection: a delivery may be under way while the connection is
** destroyed.  So it is counted, once for the connection and once for each subscription,
** whose last delivery is over when libnats says so (`complete`).
**
** libnats' threads have all signals blocked, as whoever starts them has meanwhile: a signal
** of the program is for one of its strands.
**
** To connect and to flush are calls of libnats that wait for the server, for two seconds at
** most, and so is to publish where the server does not read what was sent before; everything
** else here returns at once or waits where all strands wait (base/wait.c).
*/
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "net/inside.h"

#define CONNECTION "conrun.net.connection"
#define SUBSCRIPTIONS 4
#define SERVERS 16
#define CONNECT_WITHIN 2000 /* ms */
#define FLUSH_WITHIN 500
#define WRITE_WITHIN 2000
#define RECONNECT_EVERY 100
#define PING_EVERY 2000 /* with two pings unanswered the connection is lost */

typedef struct letter {
  struct letter *next;
  natsMsg *message;
} letter;

typedef struct inbox {
  pthread_mutex_t lock;
  letter *first, **last; /* under the lock */
  unsigned users;        /* connection and subscriptions; under the lock */
  cr_id owner;           /* whom a letter wakes; r/o */
} inbox;

typedef struct connection {
  natsConnection *nc; /* NULL: closed */
  inbox *in;
  natsSubscription *subscription[SUBSCRIPTIONS];
  int subscriptions;
} connection;

/* -------------------------------------------------------------------- inbox */

static inbox *inbox_new(void) {
  inbox *in = calloc(1, sizeof *in);
  if (!in) return NULL;
  pthread_mutex_init(&in->lock, NULL);
  in->last = &in->first;
  in->users = 1;
  in->owner = cr_id_of(cr_me);
  return in;
}

static letter *inbox_get(inbox *in) {
  pthread_mutex_lock(&in->lock);
  letter *l = in->first;
  if (l) in->first = l->next;
  if (!in->first) in->last = &in->first;
  pthread_mutex_unlock(&in->lock);
  return l;
}

static void letter_free(letter *l) {
  nats.natsMsg_Destroy(l->message);
  free(l);
}

static void inbox_use(inbox *in) {
  pthread_mutex_lock(&in->lock);
  in->users++;
  pthread_mutex_unlock(&in->lock);
}

static void inbox_leave(inbox *in) {
  pthread_mutex_lock(&in->lock);
  bool over = --in->users == 0;
  pthread_mutex_unlock(&in->lock);
  if (!over) return;
  for (letter *l; (l = inbox_get(in));) letter_free(l);
  pthread_mutex_destroy(&in->lock);
  free(in);
}

/* In a thread of libnats.  Without memory the message is lost, as any may be on its way: who
** sent it sends it again. */
static void deliver(natsConnection *nc, natsSubscription *sub, natsMsg *message, void *arg) {
  inbox *in = arg;
  (void)nc;
  (void)sub;
  letter *l = malloc(sizeof *l);
  if (!l) {
    nats.natsMsg_Destroy(message);
    return;
  }
  *l = (letter){NULL, message};
  pthread_mutex_lock(&in->lock);
  bool first = !in->first;
  *in->last = l;
  in->last = &l->next;
  pthread_mutex_unlock(&in->lock);
  if (first) cr_post_to(in->owner, CR_CALLBACKS);
}

static void complete(void *arg) { inbox_leave(arg); }

/* What libnats has to say about a connection is seen in its status; without a handler it
** would be written to stderr. */
static void ignore(natsConnection *nc, natsSubscription *sub, natsStatus status, void *arg) {
  (void)nc;
  (void)sub;
  (void)status;
  (void)arg;
}

/* --------------------------------------------------------------- connecting */

static connection *check(lua_State *L) {
  connection *c = luaL_checkudata(L, 1, CONNECTION);
  if (!c->nc) cr_raise(L, "the connection is closed");
  return c;
}

/* The servers: the list at the field `servers`. */
static int read_servers(lua_State *L, const char *servers[SERVERS]) {
  lua_getfield(L, 1, "servers");
  luaL_checktype(L, -1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, -1);
  luaL_argcheck(L, n > 0 && n <= SERVERS, 1, "1 to 16 servers");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1); /* the table keeps it alive */
    servers[i] = luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  return n;
}

static natsStatus set_options(natsOptions *o, const char *const *servers, int n, const char *token,
                              const char *ca) {
  natsStatus s = nats.natsOptions_SetServers(o, (const char **)servers, n);
  if (s == NATS_OK) s = nats.natsOptions_SetName(o, "conrun");
  if (s == NATS_OK) s = nats.natsOptions_SetTimeout(o, CONNECT_WITHIN);
  if (s == NATS_OK) s = nats.natsOptions_SetMaxReconnect(o, -1);
  if (s == NATS_OK) s = nats.natsOptions_SetReconnectWait(o, RECONNECT_EVERY);
  if (s == NATS_OK) s = nats.natsOptions_SetReconnectJitter(o, RECONNECT_EVERY, RECONNECT_EVERY);
  if (s == NATS_OK) s = nats.natsOptions_SetPingInterval(o, PING_EVERY);
  if (s == NATS_OK) s = nats.natsOptions_SetMaxPingsOut(o, 2);
  if (s == NATS_OK) s = nats.natsOptions_SetSendAsap(o, true);
  if (s == NATS_OK) s = nats.natsOptions_SetWriteDeadline(o, WRITE_WITHIN);
  if (s == NATS_OK) s = nats.natsOptions_SetErrorHandler(o, ignore, NULL);
  if (s == NATS_OK && token) s = nats.natsOptions_SetToken(o, token);
  if (s == NATS_OK && ca) s = nats.natsOptions_SetSecure(o, true);
  if (s == NATS_OK && ca) s = nats.natsOptions_LoadCATrustedCertificates(o, ca);
  return s;
}

static natsStatus make(connection *c, const char *const *servers, int n, const char *token,
                       const char *ca) {
  natsOptions *o = NULL;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  natsStatus s = nats.natsOptions_Create(&o);
  if (s == NATS_OK) s = set_options(o, servers, n, token, ca);
  if (s == NATS_OK) s = nats.natsConnection_Connect(&c->nc, o);
  nats.natsOptions_Destroy(o);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return s;
}

/* The end of a call that may have failed: true, or nil and why.  libnats' longer text has
** its own source files in it. */
static int answer(lua_State *L, natsStatus s) {
  if (s == NATS_OK) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, nats.natsStatus_GetText(s));
  return 2;
}

static const char *field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name); /* stays on the stack, and so alive */
  return luaL_optstring(L, -1, NULL);
}

/* connect{servers=, token=, ca=} -> connection | nil, why */
static int connect_to(lua_State *L) {
  const char *servers[SERVERS], *why = nats_missing();
  if (why) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = read_servers(L, servers);
  const char *token = field(L, "token"), *ca = field(L, "ca");
  connection *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (connection){0};
  luaL_setmetatable(L, CONNECTION);
  c->in = inbox_new();
  if (!c->in) return cr_fail(L, ENOMEM);
  natsStatus s = make(c, servers, n, token, ca);
  if (s != NATS_OK) return answer(L, s);
  return 1;
}

/* close(): also as __gc and __close. */
static int close_connection(lua_State *L) {
  connection *c = luaL_checkudata(L, 1, CONNECTION);
  natsConnection *nc = c->nc;
  c->nc = NULL;
  for (int i = 0; i < c->subscriptions; i++) nats.natsSubscription_Destroy(c->subscription[i]);
  c->subscriptions = 0;
  if (nc) nats.natsConnection_Destroy(nc);
  if (c->in) inbox_leave(c->in);
  c->in = NULL;
  return 0;
}

/* ------------------------------------------------------------------ letters */

/* A subscription that libnats does not complete keeps the inbox for good, so what is not
** there any more is never written to. */
static natsStatus subscribe_to(connection *c, const char *subject) {
  natsSubscription **sub = &c->subscription[c->subscriptions];
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  inbox_use(c->in);
  natsStatus s = nats.natsConnection_Subscribe(sub, c->nc, subject, deliver, c->in);
  if (s != NATS_OK)
    inbox_leave(c->in);
  else
    c->subscriptions++;
  if (s == NATS_OK) s = nats.natsSubscription_SetOnCompleteCB(*sub, complete, c->in);
  if (s == NATS_OK) s = nats.natsSubscription_SetPendingLimits(*sub, -1, -1);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return s;
}

/* subscribe(subject) -> true | nil, why */
static int subscribe(lua_State *L) {
  connection *c = check(L);
  const char *subject = luaL_checkstring(L, 2);
  if (c->subscriptions == SUBSCRIPTIONS) return cr_raise(L, "too many subscriptions");
  return answer(L, subscribe_to(c, subject));
}

static natsStatus send(connection *c, const char *subject, const char *reply, const char *data,
                       size_t n, const char *id) {
  natsMsg *m = NULL;
  if (!reply && !id) return nats.natsConnection_Publish(c->nc, subject, data, (int)n);
  natsStatus s = nats.natsMsg_Create(&m, subject, reply, data, (int)n);
  if (s == NATS_OK && id) s = nats.natsMsgHeader_Set(m, "Nats-Msg-Id", id);
  if (s == NATS_OK) s = nats.natsConnection_PublishMsg(c->nc, m);
  nats.natsMsg_Destroy(m);
  return s;
}

/* publish(subject, data [, reply [, id]]) -> true | nil, why.  A stream takes what has the
** same id only once. */
static int publish(lua_State *L) {
  size_t n;
  connection *c = check(L);
  const char *subject = luaL_checkstring(L, 2), *data = luaL_checklstring(L, 3, &n);
  luaL_argcheck(L, n <= INT32_MAX, 3, "too long");
  return answer(L,
                send(c, subject, luaL_optstring(L, 4, NULL), data, n, luaL_optstring(L, 5, NULL)));
}

/* flush() -> has the server got all that was published? */
static int flush(lua_State *L) {
  return answer(L, nats.natsConnection_FlushTimeout(check(L)->nc, FLUSH_WITHIN));
}

/* In a protected call: subject, data, reply or nil, status or nil. */
static int push_letter(lua_State *L) {
  const letter *l = lua_touserdata(L, 1);
  const char *status = NULL, *reply = nats.natsMsg_GetReply(l->message);
  lua_pushstring(L, nats.natsMsg_GetSubject(l->message));
  lua_pushlstring(L, nats.natsMsg_GetData(l->message),
                  (size_t)nats.natsMsg_GetDataLength(l->message));
  lua_pushstring(L, reply); /* NULL gives nil */
  if (nats.natsMsgHeader_Get(l->message, "Status", &status) != NATS_OK) status = NULL;
  lua_pushstring(L, status);
  return 4;
}

static int read_letter(lua_State *L, letter *l) {
  lua_pushcfunction(L, push_letter);
  lua_pushlightuserdata(L, l);
  int status = lua_pcall(L, 1, 4, 0);
  letter_free(l);
  return status == LUA_OK ? 4 : lua_error(L);
}

static int wait(bool more, cr_time until) {
  cr_pool *p = cr_at(cr_pool, &cr_in_worker(cr_me)->serves);
  return cr_pool_carry_wait(p, p && more, until);
}

/* take([timeout [, more]]) -> subject, data, reply, status | nothing, at the timeout, when
** callbacks have run, or with `more` when there is a task in the line of the strand's
** pool. */
static int take(lua_State *L) {
  connection *c = check(L);
  cr_time until = cr_check_timeout(L, 2);
  bool more = lua_toboolean(L, 3);
  letter *l = inbox_get(c->in);
  if (l) return read_letter(L, l);
  if (until == 0) return 0;
  if (wait(more, until) == EINTR) cr_look_up(L);
  l = inbox_get(c->in);
  return l ? read_letter(L, l) : 0;
}

/* status() -> is it connected?, how often it was connected again */
static int status(lua_State *L) {
  connection *c = check(L);
  natsStatistics *all = NULL;
  uint64_t n[4] = {0}, again = 0;
  if (nats.natsStatistics_Create(&all) == NATS_OK &&
      nats.natsConnection_GetStats(c->nc, all) == NATS_OK)
    nats.natsStatistics_GetCounts(all, &n[0], &n[1], &n[2], &n[3], &again);
  nats.natsStatistics_Destroy(all);
  lua_pushboolean(L, nats.natsConnection_Status(c->nc) == NATS_CONN_STATUS_CONNECTED);
  lua_pushinteger(L, (lua_Integer)again);
  return 2;
}

static const luaL_Reg methods[] = {
    {"subscribe", subscribe}, {"publish", publish},        {"flush", flush}, {"take", take},
    {"status", status},       {"close", close_connection}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", close_connection}, {"__close", close_connection}, {NULL, NULL}};

void connection_open(lua_State *L) {
  luaL_newmetatable(L, CONNECTION);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushcfunction(L, connect_to);
  lua_setfield(L, -2, "connect");
}
