-- SPDX-License-Identifier: MIT
--
-- More faults that other libraries answer by hanging: initializers that raise, values
-- that cannot travel or cannot be built again, items nobody has taken yet, programs
-- that end with tasks pending, terminals that go away, and thousands of deaths.
-- What is killed is in killed_spec.lua, what runs short in faults_spec.lua.

local conrun = require "conrun"
local committed = require "spec.chaos.committed"
local errors = require "conrun.errors"
local helpers = require "spec.helpers"
local kinds = require "spec.lib.kinds"

local LONG = kinds.LONG

local function square(x)
  return x * x
end

for _, kind in ipairs(kinds) do
  describe("an initializer (" .. kind .. ")", function()
    it("that raises breaks the pool, once, with its cause", function()
      local started = conrun.shared.value "i64"
      local p = kinds.pool(kind, 2, { initializer = function()
        started:add(1)
        error "no such disk"
      end })
      local futures = {}
      for i = 1, 10 do
        local ok, f = pcall(p.submit, p, square, i)
        if ok then
          futures[#futures + 1] = f
        else
          assert.matches("no such disk", tostring(f))
        end
      end
      for _, f in ipairs(futures) do
        local e = f:error(LONG)
        assert.is_true(errors.is(e, "broken"))
        assert.matches("no such disk", tostring(e))
      end
      p:close()
      assert.is_true(p:join(LONG))
      assert.is_true(started:get() <= 2)
      assert.is_false((pcall(p.submit, p, square, 1)))
    end)
  end)

  describe("what cannot travel (" .. kind .. ")", function()
    it("is an error at the caller, who may go on", function()
      local p <close> = kinds.pool(kind, 1)
      local e = kinds.raised(p.submit, p, square, coroutine.create(square))
      assert.matches("cannot send a coroutine", tostring(e))
      assert.are.equal(9, p:apply(square, 3))
    end)

    it("fails one task as its result, and no worker", function()
      local p <close> = kinds.pool(kind, 1)
      for _ = 1, 20 do
        local f = p:submit(function() return coroutine.create(print) end)
        assert.matches("cannot send a coroutine", tostring(f:error(LONG)))
      end
      assert.are.equal(9, p:apply(square, 3))
    end)

    it("fails one task as its error, with the reason", function()
      local p <close> = kinds.pool(kind, 1)
      local f = p:submit(function() error(setmetatable({}, { __tostring = error })) end)
      assert.is_truthy(f:error(LONG))
      assert.are.equal(9, p:apply(square, 3))
    end)

    it("fails its task when it cannot be built again", function()
      local p <close> = kinds.pool(kind, 1)
      local stubborn = setmetatable({}, { __transfer = function()
        return function() error "will not be built again" end
      end })
      local ok, f = pcall(p.submit, p, square, stubborn)
      local e = ok and f:error(LONG) or f
      assert.matches("will not be built again", tostring(e))
      assert.are.equal(9, p:apply(square, 3))
    end)
  end)

  describe("a large item that nobody has taken (" .. kind .. ")", function()
    it("does not keep its putter from ending", function()
      local q = conrun.queue.new()
      local w = kinds.start(kind, function() q:put(("x"):rep(1 << 20)) end)
      assert.is_true(w:join(LONG))
      assert.are.equal(1 << 20, #q:get(LONG))
    end)
  end)

  describe("main that ends with tasks pending (" .. kind .. ")", function()
    local function ending(source)
      return kinds.run(([[
        local done = conrun.shared.value "i64"
        local function work(v) v:add(1) end
        %s
      ]]):format(source:gsub("KIND", kind)), "--audit")
    end

    it("finishes them first", function()
      local out, err, status = ending [[
        local p = conrun.pool.new { workers = 1, kind = "KIND" }
        for i = 1, 50 do p:submit(work, done) end
        p:submit(function(v) print(v:get()) end, done)
      ]]
      assert.are.equal("50\n", out)
      assert.matches("audit: clean", err)
      assert.are.equal(0, status)
    end)

    it("finishes them at the end of their block", function()
      local out, err = ending [[
        do
          local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
          for i = 1, 50 do p:submit(work, done) end
        end
        print(done:get())
      ]]
      assert.are.equal("50\n", out)
      assert.matches("audit: clean", err)
    end)

    it("gives them up when the block is left by an error", function()
      local out, err = ending [[
        print(pcall(function()
          local p <close> = conrun.pool.new { workers = 1, kind = "KIND" }
          p:submit(function() conrun.event.new():wait() end)
          for i = 1, 50 do p:submit(work, done) end
          error("enough", 0)
        end))
      ]]
      assert.are.equal("false\tenough\n", out)
      assert.matches("audit: clean", err)
    end)
  end)
end

describe("a terminal that is closed", function()
  it("takes the whole program along", function()
    local file, script = os.tmpname(), os.tmpname()
    local out <close> = assert(io.open(script, "w"))
    out:write(([[
      local conrun = require "conrun"
      local pids = conrun.queue.new()
      local function wait(q) q:put(conrun.current().pid) conrun.event.new():wait() end
      local pool = conrun.pool.new { workers = 1, kind = "process" }
      pool:submit(wait, pids)
      conrun.process.start(wait, pids)
      local file = io.open(%q, "w")
      file:write(conrun.current().pid, " ", pids:get(), " ", pids:get(), " end\n")
      file:close()
      conrun.event.new():wait(600)
    ]]):format(file))
    out:close()
    local pipe = assert(io.popen(("setsid script -qec %s /dev/null >/dev/null 2>&1 </dev/null & echo $!"):format(
      helpers.quote(helpers.quote(helpers.conrun) .. " " .. script))))
    local terminal = pipe:read "n"
    pipe:close()
    local text = helpers.eventually(function()
      local t = helpers.slurp(file)
      return t:find "end" and t
    end)
    assert.is_truthy(text)
    kinds.signal("KILL", terminal)
    for pid in text:gmatch "%d+" do
      assert.is_true(kinds.eventually(function() return not kinds.process_alive(tonumber(pid)) end))
    end
    os.remove(file)
    os.remove(script)
  end)
end)

describe("thousands of deaths", function()
  it("leave the shared memory as large as it was", function()
    local q, list, d = conrun.queue.new(), conrun.shared.list(), conrun.shared.dict()
    local function die(n)
      q:put { ("x"):rep(n % 5000), q }
      list:append { n }
      list:pop()
      d[n % 10] = { n, ("y"):rep(n % 700) }
      local mine = conrun.queue.new()
      mine:put(("z"):rep(n % 20000))
      os.execute "kill -KILL $PPID"
    end
    local function deaths(from, to)
      for n = from, to do
        local w = conrun.process.start({ daemon = true }, die, n)
        assert.is_true(w:join(LONG))
        assert.are.equal(-9, w.exitcode)
        assert.is_truthy(q:get(0))
      end
      collectgarbage()
      return committed()
    end
    local before = deaths(1, 100)
    assert.is_true(before > 0)
    local after = deaths(101, 400)
    assert.is_true(after <= before + (1 << 20), before .. " bytes became " .. after)
  end)
end)
