-- SPDX-License-Identifier: MIT
--
-- What a sandboxed worker sends is data: nothing that it has made runs in who receives it,
-- whatever the way.  What the receiver has itself comes back as that.

local conrun = require "conrun"
local kinds = require "spec.lib.kinds"
local pool = require "conrun.pool"

local LONG = kinds.LONG

-- Values that would do something where they arrive.  Made in the sandbox.
local makers = {
  ["function"] = function() return function() escaped = true end end, -- luacheck: ignore
  ["function in a table"] = function() return { { f = function() end } } end,
  metatable = function() return setmetatable({}, { __index = function() end }) end,
  ["metatable of words"] = function() return setmetatable({}, { __name = "thing" }) end,
  finalizer = function() return setmetatable({}, { __gc = function() escaped = true end }) end, -- luacheck: ignore
  transfer = function() return setmetatable({}, { __transfer = function() return tostring, 1 end }) end,
}

-- The ways by which a value leaves a strand; each is called in the sandbox.
local ways = {
  queue = { conrun.queue.new, function(q, v) q:put(v) end },
  ["many in a queue"] = { conrun.queue.new, function(q, v) q:put_many { 1, v } end },
  pipe = { function() return (select(2, conrun.pipe.new { duplex = false })) end, function(p, v) p:send(v) end },
  list = { conrun.shared.list, function(l, v) l:append(v) end },
  ["item of a list"] = { function() return conrun.shared.list { 1 } end, function(l, v) l[1] = v end },
  dict = { conrun.shared.dict, function(d, v) d.key = v end },
  ["update of a dict"] = { conrun.shared.dict, function(d, v) d:update("key", function() return v end) end },
  value = { function() return conrun.shared.value("any", 1) end, function(c, v) c:set(v) end },
  ["future's result"] = { conrun.future.new, function(f, v) f:set_result(v) end },
}

for _, kind in ipairs(kinds) do
  describe("a sandbox (" .. kind .. ")", function()
    local function run(fn, ...)
      return kinds.start(kind, { libs = {} }, fn, ...):result(LONG)
    end

    for what, make in pairs(makers) do
      for how, way in pairs(ways) do
        it(("sends no %s by a %s"):format(what, how), function()
          local ok, message = run(function(object, send, make_it)
            local good, e = pcall(send, object, make_it())
            return good, tostring(e)
          end, way[1](), way[2], make)
          assert.is_false(ok)
          assert.matches("cannot send a .* sandbox", message)
        end)
      end

      it(("returns no %s"):format(what), function()
        local w = kinds.start(kind, { libs = {} }, make)
        local e = kinds.raised_kind("transfer", w.result, w, LONG)
        assert.matches("cannot send a .* sandbox %(result 1", e.message)
      end)

      it(("raises no %s"):format(what), function()
        local w = kinds.start(kind, { libs = {} }, function(f) error(f()) end, make)
        local e = kinds.raised_kind("task", w.result, w, LONG)
        assert.is_nil(e.value)
      end)

      it(("settles no future with a %s as its error"):format(what), function()
        local f = conrun.future.new()
        run(function(future, make_it) future:set_error(make_it()) end, f, make)
        assert.is_nil(f:error(LONG).value)
      end)

      it(("maps nothing to a %s"):format(what), function()
        local p <close> = kinds.pool(kind, 1, { libs = {} })
        for _, options in ipairs { { chunksize = 1 }, { chunksize = 3 } } do
          local e = kinds.raised_kind("transfer", p.map, p, make, { 1, 2, 3 }, options)
          assert.matches("sandbox", e.message)
        end
        local all = p:map(make, { 1, 2, 3 }, { collect_errors = true })
        for i = 1, 3 do assert.is_true(conrun.errors.is(all[i], "transfer")) end
      end)
    end

    it("sends tables, as deep as they are, and errors with their fields", function()
      local t = { 1, { "two", [3.5] = { true } } }
      t.again = t[2]
      local back = run(function(x) return x end, t)
      assert.are.same({ 1, { "two", [3.5] = { true } }, again = { "two", [3.5] = { true } } }, back)
      assert.are.equal(back[2], back.again)
      local w = kinds.start(kind, { libs = {} }, function() error { code = { 7 } } end)
      assert.are.same({ code = { 7 } }, kinds.raised_kind("task", w.result, w, LONG).value)
      local e = run(function()
        return require("conrun.errors").new { kind = "task", message = "made there" }
      end)
      assert.is_true(conrun.errors.is(e, "task"))
      assert.are.equal("made there", tostring(e))
    end)

    it("sends what the receiver has by a name, and modules as copies", function()
      assert.are.equal(tostring, (run(function() return tostring end)))
      assert.are.equal(conrun.queue.new, (run(function() return require("conrun.queue").new end)))
      local range = run(function() return require("conrun.range").new(1, 3) end)
      assert.are.equal(3, #range)
      assert.are.equal(getmetatable(conrun.range(1, 2)), getmetatable(range))
      local globals = run(function() return _G end)
      assert.is_false(rawequal(_G, globals))
      assert.are.equal(tostring, globals.tostring)
    end)

    it("sends back what it has been given, as what it is here", function()
      local class = { name = function(self) return self.text end }
      class.__index = class
      local function mine() return class end
      local object, f, same, c = run(function(o, g)
        local meta = getmetatable(o)
        meta.name = function() return "changed in the sandbox" end
        local new = setmetatable({ text = "made in the sandbox" }, meta)
        return new, g, o, meta
      end, setmetatable({ text = "mine" }, class), mine)
      assert.are.equal(class, getmetatable(object))
      assert.are.equal("made in the sandbox", object:name())
      assert.are.equal("mine", same:name())
      assert.are.equal(mine, f)
      assert.are.equal(class, c)
    end)

    it("cannot change a class that others have got", function()
      local class = { name = function() return "as it was" end }
      class.__index = class
      local q, go = conrun.queue.new(), conrun.event.new()
      local other = kinds.start(kind, function(o, inbox, ready)
        ready:set()
        return o:name(), inbox:get(30):name()
      end, setmetatable({}, class), q, go)
      go:wait(LONG)
      run(function(o, outbox)
        getmetatable(o).name = function() return "changed" end
        outbox:put(o)
      end, setmetatable({}, class), q)
      local before, after = other:result(LONG)
      assert.are.equal("as it was", before)
      assert.are.equal("as it was", after)
    end)

    it("submits to no pool whose workers may do more, and to those like itself any function", function()
      local free <close> = kinds.pool(kind, 1)
      local more <close> = kinds.pool(kind, 1, { libs = { "math" } })
      local like <close> = kinds.pool(kind, 1, { libs = {} })
      local results = { run(function(a, b, c)
        local told = {}
        for i, p in ipairs { a, b, c } do
          for name, call in pairs {
            submit = function() return p:submit(function() return 1 end):result() end,
            map = function() return p:map(function(x) return x end, { 1 })[1] end,
            map_async = function() return p:map_async(tostring, { 1 }):result()[1] end,
            imap = function() return (select(2, p:imap(function(x) return x end, { 1 })())) end,
            apply = function() return p:apply(tostring, 1) end,
          } do
            local ok, e = pcall(call)
            told[i .. name] = ok or tostring(e)
          end
        end
        return told
      end, free, more, like) }
      for _, name in ipairs { "submit", "map", "map_async", "imap", "apply" } do
        for i = 1, 2 do assert.matches("cannot submit to pool", results[1][i .. name]) end
        assert.is_true(results[1]["3" .. name])
      end
    end)

    it("calls its own workers with functions, objects and callbacks", function()
      local sum, name, fired = run(function(k)
        local p <close> = require("conrun.pool").new { kind = k, workers = 1 }
        local n = 0
        local function twice(x) return 2 * x end
        local function square(x) return x * x end
        for _, x in ipairs(p:map(function(f) return f(3) end, { twice, square })) do n = n + x end
        local class = {}
        class.__index = class
        function class.name() return "own class" end
        local w = require("conrun." .. k).start(function(o, f) return f(o) end, setmetatable({}, class),
          function(o) return o:name() end)
        local event = require("conrun.event").new()
        require("conrun.thread").timer(0, function(e) e:set() end, event)
        return n, w:result(), event:wait(30)
      end, kind)
      assert.are.equal(15, sum)
      assert.are.equal("own class", name)
      assert.is_true(fired)
    end)

    it("has all public modules and no others", function()
      local loaded = run(function(names)
        local found = {}
        for _, name in ipairs(names) do found[name] = (pcall(require, name)) end
        return found
      end, { "conrun", "conrun.args", "conrun.bench", "conrun.log", "conrun.plot", "conrun.pool", "conrun.process",
        "conrun.progress", "conrun.queue", "conrun.shared", "conrun.svg", "conrun.thread", "conrun.core",
        "conrun.core.pool", "conrun.core.begin", "conrun.repl", "conrun.repl.classes", "conrun.check",
        "conrun.worker", "conrun.reference", "conrun.reference.pool", "conrunx" })
      for name, is_there in pairs(loaded) do
        local public = not name:find "core" and not name:find "repl" and not name:find "check"
          and not name:find "worker" and not name:find "reference" and name ~= "conrunx"
        assert.are.equal(public, is_there, name)
      end
    end)

    it("makes no file by naming a buffer, and has a limit that goes on", function()
      local ok, e = run(function()
        return pcall(require("conrun.shared").buffer, 8, { name = "sandbox" })
      end)
      assert.is_false(ok)
      assert.matches("cannot open the shared buffer 'sandbox'", tostring(e))
      local limited = kinds.start(kind, { memory_limit = 4000000 }, function(k)
        local w = require("conrun." .. k).start(function()
          local t = {}
          for i = 1, 1e6 do t[i] = { i } end
          return #t
        end)
        local _, memory = pcall(w.result, w)
        local _, more = pcall(require("conrun." .. k).start, { memory_limit = 4000001 }, print)
        return tostring(memory), tostring(more)
      end, kind)
      local memory, more = limited:result(LONG)
      assert.matches("not enough memory", memory)
      assert.matches("this worker has 4000000 bytes itself", more)
    end)

    it("wins nothing by replacing what conrun's own parts call", function()
      local kept, names = run(function()
        local caught = {}
        local function catch(...)
          for i = 1, select("#", ...) do caught[#caught + 1] = (select(i, ...)) end
          return ...
        end
        local methods = getmetatable("").__index
        for name in pairs(methods) do methods[name] = catch end
        for name, f in pairs(require("conrun.errors")) do
          if type(f) == "function" then require("conrun.errors")[name] = catch end
        end
        local conrun = require "conrun" -- luacheck: ignore
        pcall(conrun.log.info, "%s", catch)
        pcall(conrun.plot.bars, { { "a", 1 } })
        pcall(conrun.progress.new, { total = 3, label = "x" })
        pcall(conrun.range, 1, 2)
        pcall(tostring, conrun.range(1, 2))
        local found = {}
        for _, value in ipairs(caught) do
          if type(value) == "table" and rawget(value, "require") then
            found[#found + 1] = value.io and value.io.open and "io.open" or "an environment"
          end
        end
        return #caught, found
      end)
      assert.is_number(kept)
      assert.are.same({}, names)
    end)
  end)
end

describe("a pool with libs", function()
  it("is like the strand that makes it, and no more", function()
    local p <close> = pool.new { workers = 1, libs = { "math", "table" } }
    local ok, e = p:apply(function()
      local made = pcall(require("conrun.pool").new, { libs = { "math" } })
      local _, message = pcall(require("conrun.pool").new, { libs = { "io" } })
      return made, tostring(message)
    end)
    assert.is_true(ok)
    assert.matches("has no library 'io'", e)
  end)
end)
