/* SPDX-License-Identifier: MIT */
/*
** inside: what the files of net/ know of each other.
*/
#ifndef CR_NET_INSIDE_H
#define CR_NET_INSIDE_H

#include <nats/nats.h>

#include "net/net.h"

/* nats.c: the functions of libnats that are used, under their own names. */
#define NATS_FUNCTIONS(F)                  \
  F(natsOptions_Create)                    \
  F(natsOptions_Destroy)                   \
  F(natsOptions_SetServers)                \
  F(natsOptions_SetToken)                  \
  F(natsOptions_SetName)                   \
  F(natsOptions_SetTimeout)                \
  F(natsOptions_SetMaxReconnect)           \
  F(natsOptions_SetReconnectWait)          \
  F(natsOptions_SetReconnectJitter)        \
  F(natsOptions_SetPingInterval)           \
  F(natsOptions_SetMaxPingsOut)            \
  F(natsOptions_SetSendAsap)               \
  F(natsOptions_SetWriteDeadline)          \
  F(natsOptions_SetSecure)                 \
  F(natsOptions_LoadCATrustedCertificates) \
  F(natsOptions_SetErrorHandler)           \
  F(natsConnection_Connect)                \
  F(natsConnection_Destroy)                \
  F(natsConnection_Publish)                \
  F(natsConnection_PublishMsg)             \
  F(natsConnection_FlushTimeout)           \
  F(natsConnection_Subscribe)              \
  F(natsConnection_Status)                 \
  F(natsConnection_GetStats)               \
  F(natsSubscription_SetPendingLimits)     \
  F(natsSubscription_SetOnCompleteCB)      \
  F(natsSubscription_Destroy)              \
  F(natsStatistics_Create)                 \
  F(natsStatistics_GetCounts)              \
  F(natsStatistics_Destroy)                \
  F(natsMsg_Create)                        \
  F(natsMsg_Destroy)                       \
  F(natsMsg_GetSubject)                    \
  F(natsMsg_GetReply)                      \
  F(natsMsg_GetData)                       \
  F(natsMsg_GetDataLength)                 \
  F(natsMsgHeader_Set)                     \
  F(natsMsgHeader_Get)                     \
  F(natsStatus_GetText)                    \
  F(nats_GetLastError)

#define DECLARE(name) __typeof__(name) *(name);
extern struct nats { NATS_FUNCTIONS(DECLARE) } nats;
#undef DECLARE

/* Finds them, once per process.  NULL, or why there are none. */
const char *nats_missing(void);

/* connection.c: adds `connect` to the module on top.  [-0, +0, m] */
void connection_open(lua_State *L);

/* value.c */
void value_open(lua_State *L);
/* The bytes at `index`, a string or a value that is whole, become `v`, which is in the
** caller's hands then; a value is empty afterwards.  Raises if they cannot be one. */
void value_take(lua_State *L, int index, cr_value *v);
/* How many bytes stand for `v` on the wire. */
size_t value_size(const cr_value *v);
/* Pushes `n` of them from `from` on, fewer at the end.  [-0, +1, m] */
void value_slice(lua_State *L, const cr_value *v, lua_Integer from, lua_Integer n);

/* tasks.c: adds what carriers and agents do with pools. */
void tasks_open(lua_State *L);

/* system.c: adds what is asked of the operating system. */
void system_open(lua_State *L);

#endif
