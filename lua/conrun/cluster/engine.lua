-- SPDX-License-Identifier: MIT
--
-- engine: what is asked of NATS with JetStream, for programs and for agents.
--
-- Each pool has a stream, in which tasks wait until an agent has acknowledged them, with
-- one consumer that all agents share.  An agent asks the consumer for some tasks (pull); one
-- that it neither acknowledges nor says to be in work for the time of a lease is given to
-- another.  The API of JetStream is messages, so this needs no more of the client library
-- than to send and to receive.

local engine = {}

engine.consumer = "agents"
local api = "$JS.API."
local longest_life = 7 * 24 * 3600 -- seconds: a net under streams that nobody has deleted
local pull_expires = 5 -- seconds

local function nanoseconds(seconds)
  return ("%d"):format(seconds * 1e9 // 1)
end

function engine.stream(pool)
  return "conrun-" .. pool
end

--- Makes the stream, if it is not there; what came of it goes to `reply`.
function engine.announce(connection, pool, reply)
  local stream = engine.stream(pool)
  connection:publish(api .. "STREAM.CREATE." .. stream, ([[{"name":"%s","subjects":["conrun.t.%s"],
    "retention":"workqueue","storage":"file","discard":"new","max_age":%s,"duplicate_window":%s,
    "num_replicas":1}]]):format(stream, pool, nanoseconds(longest_life), nanoseconds(120)), reply)
end

--- Was the stream made by the request that this answers?
function engine.is_new(data)
  return data:find '"did_create":%s*true' ~= nil
end

--- Makes the stream's consumer, if it is not there; what came of it goes to `reply`.
function engine.share(connection, pool, options, reply)
  local stream = engine.stream(pool)
  connection:publish(api .. "CONSUMER.DURABLE.CREATE." .. stream .. "." .. engine.consumer,
    ([[{"stream_name":"%s","config":{"durable_name":"%s","deliver_policy":"all","ack_policy":"explicit",
    "ack_wait":%s,"max_deliver":-1,"max_waiting":100000,"max_ack_pending":%d}}]]):format(
      stream, engine.consumer, nanoseconds(options.lease), options.workers or 1000000), reply)
end

--- Is JetStream there?  The answer goes to `reply`.
function engine.ask(connection, reply)
  connection:publish(api .. "INFO", "", reply)
end

--- The whole pool is over.
function engine.delete(connection, pool)
  connection:publish(api .. "STREAM.DELETE." .. engine.stream(pool), "")
end

--- A task; the server's word that it has it goes to `reply`.
function engine.put(connection, pool, data, reply, unique)
  return connection:publish("conrun.t." .. pool, data, reply, unique)
end

--- What the server says of one of its messages goes to `reply`.
function engine.look(connection, pool, sequence, reply)
  connection:publish(api .. "STREAM.MSG.GET." .. engine.stream(pool), ('{"seq":%d}'):format(sequence), reply)
end

function engine.cancel(connection, pool, sequence)
  connection:publish(api .. "STREAM.MSG.DELETE." .. engine.stream(pool), ('{"seq":%d}'):format(sequence))
end

--- An agent wants so many tasks; nothing more will come for that after some seconds.
function engine.take(connection, pool, n, reply)
  connection:publish(api .. "CONSUMER.MSG.NEXT." .. engine.stream(pool) .. "." .. engine.consumer,
    ('{"batch":%d,"expires":%s}'):format(n, nanoseconds(pull_expires)), reply)
  return pull_expires
end

function engine.beat(connection, ticket)
  connection:publish(ticket, "+WPI")
end

function engine.done(connection, ticket)
  connection:publish(ticket, "+ACK")
end

--- How often the task with that ticket has been given to an agent.
function engine.deliveries(ticket)
  return tonumber(ticket:match "^%$JS%.ACK%.[^.]+%.[^.]+%.(%d+)%.") or 1
end

--- The number that the server gave a message, or nil and what it says instead.
function engine.accepted(data, status)
  if status then return nil, "status " .. status end
  local sequence = data:match '"seq":%s*(%d+)'
  if data:find('"error"', 1, true) or not sequence then
    return nil, engine.refusal(data) or "no answer that JetStream gives"
  end
  return tonumber(sequence)
end

--- What an answer of the API complains about, and its code, or nil.
function engine.refusal(data)
  if not data:find('"error"', 1, true) then return nil end
  return data:match '"description":%s*"([^"]*)"' or "an error", tonumber(data:match '"err_code":%s*(%d+)')
end

return engine
