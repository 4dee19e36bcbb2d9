-- SPDX-License-Identifier: MIT
--
-- wire: what programs and agents say to each other, as bytes.
--
-- Every message has a subject, by which the server knows who wants it:
--
--   conrun.t.POOL         tasks of a pool: the one subject of the pool's stream
--   conrun.p.POOL.KIND    to the program that made the pool
--   conrun.a.AGENT.KIND   to one agent
--   conrun.all.KIND       to all agents
--   conrun.beat           from agents, to all programs
--
-- Kinds to a program: k (the server has a task), g (what the server says of one), s (of the
-- stream), r (a result), b (an agent lives, and has these tasks), w (a piece is wanted),
-- d (a piece).  To an agent: c (results have come), w, d, x (what was wanted is not there).
-- To all agents: open, close, cancel.
--
-- A task and a result bring their bytes along if these are few; otherwise they say how many
-- there are, and the receiver asks for one piece after the other, a few ahead.  So neither
-- side nor the server has more of a large value under way than those pieces.

local net = require "conrun.core.net"

local wire = {}

-- Both sides must agree in this whole line.
wire.version = ("conrun 1, %s, %d-byte integers, %d-byte floats, %s-endian"):format(
  _VERSION, string.packsize "j", string.packsize "n", string.pack("=I2", 1) == "\1\0" and "little" or "big")

wire.inline = 128 * 1024 -- bytes that a message brings along at most
wire.piece = 256 * 1024
wire.ahead = 4 -- pieces that are asked for before the first has come

function wire.subject(who, id, kind)
  return ("conrun.%s.%s.%s"):format(who, id, kind)
end

--------------------------------------------------------------------- announcements

--- Are all of `wanted` among the tags?
function wire.has_all(tags, wanted)
  local has = {}
  for _, tag in ipairs(tags) do
    has[tag] = true
  end
  for _, tag in ipairs(wanted) do
    if not has[tag] then return false end
  end
  return true
end

--- A table of plain values, behind the version.
function wire.tell(t)
  return wire.version .. "\n" .. net.encode(t)
end

--- The table, or nil and the other's version.
function wire.told(data)
  local version, rest = data:match "^([^\n]*)\n(.*)$"
  if version ~= wire.version then
    return nil, (version or data):sub(1, 100):gsub("[^%w ,%.-]", "?")
  end
  return net.decode(rest)
end

----------------------------------------------------------------- tasks and results

local task_head = "<I8I4I4Bs1I8I8"
function wire.task(id, puts, before, mode, key, code_size, size, bytes)
  return task_head:pack(id, puts, before, mode, key, code_size, size) .. (bytes or "")
end

--- id, how often it was put, attempts before, mode, key and size of the code, size, bytes or
--- nil
function wire.read_task(data)
  local id, puts, before, mode, key, code_size, size, at = task_head:unpack(data)
  return id, puts, before, mode, key, code_size, size, at <= #data and data:sub(at) or nil
end

local result_head = "<I8I4s1s1s1I8"
function wire.result(id, attempts, state, agent, host, size, bytes)
  return result_head:pack(id, attempts, state, agent, host, size) .. (bytes or "")
end

--- id, attempts, state, agent, host, size, bytes or nil
function wire.read_result(data)
  local id, attempts, state, agent, host, size, at = result_head:unpack(data)
  return id, attempts, state, agent, host, size, at <= #data and data:sub(at) or nil
end

--- Numbers of tasks, behind a word.
function wire.ids(word, ids)
  local parts = { ("<s1"):pack(word) }
  for i, id in ipairs(ids) do
    parts[i + 1] = ("<I8"):pack(id)
  end
  return table.concat(parts)
end

function wire.read_ids(data)
  local word, at = ("<s1"):unpack(data)
  local ids = {}
  while at + 7 <= #data do
    ids[#ids + 1], at = ("<I8"):unpack(data, at)
  end
  return word, ids
end

---------------------------------------------------------------------------- pieces

local want_head = "<s1s1s1s1I8I4"
--- `what` of POOL is wanted ("c" code, "a" arguments, "r" a result, "s" settings).
function wire.want(back, pool, what, key, offset, n)
  return want_head:pack(back, pool, what, key, offset, n)
end

function wire.read_want(data)
  return want_head:unpack(data)
end

local piece_head = "<s1s1s1I8"
function wire.give(pool, what, key, offset, bytes)
  return piece_head:pack(pool, what, key, offset) .. bytes
end

function wire.read_piece(data)
  local pool, what, key, offset, at = piece_head:unpack(data)
  return pool, what, key, offset, data:sub(at)
end

-- A value on its way here.  The server keeps the order of what one sends to another, so a
-- piece that is not the next one comes after one that was lost; it is asked for again.
local fetch = {}
fetch.__index = fetch

--- `connection`, where the pieces are, where they are to go, and what they are of.
function wire.fetch(connection, to, back, pool, what, key, size)
  local self = setmetatable({
    connection = connection, to = to, back = back, pool = pool, what = what, key = key, size = size,
    value = net.value(size), have = 0, asked = 0, moved = 0,
  }, fetch)
  return self
end

--- Asks for as many as may be under way; again, if nothing has come for a while.
function fetch:ask(now)
  if now - self.moved > 1 then
    self.asked = self.have
    self.moved = now
  end
  while self.asked < self.size and self.asked - self.have < wire.ahead * wire.piece do
    local n = math.min(wire.piece, self.size - self.asked)
    self.connection:publish(self.to, wire.want(self.back, self.pool, self.what, self.key, self.asked, n))
    self.asked = self.asked + n
  end
end

--- A piece has come: the value, if it is whole.
function fetch:add(offset, bytes, now)
  if offset ~= self.have or #bytes == 0 then return nil end
  self.have = self.have + #bytes
  self.moved = now
  if self.value:add(bytes) then return self.value end
  self:ask(now)
  return nil
end

return wire
