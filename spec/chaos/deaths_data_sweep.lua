-- SPDX-License-Identifier: MIT
--
-- deaths_data_sweep: the table of deaths (death.lua) for what holds data: lists, dicts,
-- values, arrays and buffers.

local conrun = require "conrun"
local death = require "spec.chaos.death"

local rows = {}

local long = ("long "):rep(10)

---Verbs of one object: each is the victim's deed once, while the partner does all of
---them, again and again, and then once more when the victim is buried.  `sound`: what
---must hold of the object then.
---@type table<string, { make: (fun(): any), sound: fun(it: any), [string]: any }>
local data = {
  list = {
    make = function() return conrun.shared.list { 1, { 2 }, long, 4 } end,
    sound = function(l)
      for i = 1, #l do
        assert(l[i] ~= nil)
      end
      assert(#l:totable() == #l)
    end,
    append = function(l) l:append { long } end,
    insert = function(l) l:insert(1, long) end,
    set = function(l) pcall(function() l[1] = { long } end) end,
    pop = function(l) pcall(l.pop, l, 1) end,
    remove = function(l) l:remove(4) end,
    clear = function(l) l:clear() end,
  },
  dict = {
    make = function() return conrun.shared.dict { a = 1, [long] = { 2 } } end,
    sound = function(d)
      for k in pairs(d:totable()) do
        assert(d:get(k) ~= nil)
      end
    end,
    set = function(d) d.b = { long } end,
    ["set a long key"] = function(d) d[long .. "!"] = 3 end,
    pop = function(d) d:pop(long) end,
    update = function(d) d:update("a", function(n) return (n or 0) + 1 end) end,
    clear = function(d) d:clear() end,
  },
  ["numeric value"] = {
    make = function() return conrun.shared.value("i64", 1) end,
    sound = function(v) assert(math.type(v:get()) == "integer") end,
    set = function(v) v:set(2) end,
    add = function(v) v:add(1) end,
    cas = function(v) v:cas(1, 2) end,
  },
  ["value of any kind"] = {
    make = function() return conrun.shared.value("any", { 1 }) end,
    sound = function(v) assert(v:get() ~= nil) end,
    ["set a table"] = function(v) v:set { 2, long } end,
    ["set a number"] = function(v) v:set(1) end,
    get = function(v) v:get() end,
    cas = function(v) v:cas(1, long) end,
  },
  ["value of strings"] = {
    make = function() return conrun.shared.value("string", "start") end,
    sound = function(v) assert(type(v:get()) == "string") end,
    set = function(v) v:set(long) end,
    cas = function(v) v:cas(long, "start") end,
  },
  array = {
    make = function() return conrun.shared.array("i32", { 1, 2, 3 }) end,
    sound = function(a) assert(#a:totable() == 3) end,
    set = function(a) a[1] = 7 end,
    add = function(a) a:add(2, 1) end,
    cas = function(a) a:cas(3, 3, 4) end,
    fill = function(a) a:fill(5) end,
  },
  buffer = {
    make = function() return conrun.shared.buffer(200) end,
    sound = function(b) assert(#b:read() == 200) end,
    write = function(b) b:write(10, long) end,
    read = function(b) b:read() end,
  },
}

local function is_verb(name)
  return name ~= "make" and name ~= "sound"
end

for name, d in pairs(data) do
  local verbs = {}
  for verb, fn in pairs(d) do
    if is_verb(verb) then verbs[verb] = fn end
  end
  local function all(it)
    for _, fn in pairs(verbs) do
      fn(it)
    end
  end
  for verb, fn in pairs(verbs) do
    rows[#rows + 1] = {
      name = name .. ": " .. verb,
      make = function() return { it = d.make(), buried = conrun.shared.value "i64" } end,
      busy = true,
      deed = function(o) fn(o.it) end,
      await = function(o)
        repeat
          all(o.it)
        until o.buried:get() ~= 0
        all(o.it)
        d.sound(o.it)
      end,
      rescue = function(o) o.buried:set(1) end,
    }
  end
end

---Its function runs with the dict locked, and nobody else's may then.
rows[#rows + 1] = {
  name = "dict: update, in its function",
  make = function() return { it = conrun.shared.dict { n = 1 } } end,
  deed = function(o)
    o.it:update("n", function(n)
      death.inside(o)
      return n + 1
    end)
  end,
  first = "inside",
  await = function(o)
    assert(o.it:update("n", function(n) return n + 10 end) >= 11)
  end,
}

death.table(rows, describe, it)
