-- SPDX-License-Identifier: MIT
-- conrun.args: what a script's options become, and how wrong ones are refused.

local conrun = require "conrun"
local helpers = require "spec.helpers"

local spec = { count = 10, seed = 0, rate = 0.5, sizes = "2,4", kind = { "process", "thread" }, no_lock = false }

local function read(...)
  return conrun.args.read({ ... }, "usage", spec, 1)
end

-- What a script with these options says when it is called so: its two streams, and how it ends.
local function call(words)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write [[
    local args = require "conrun.args"
    local options = args.read(arg, "usage: ...", {
      count = 10, rate = 0.5, sizes = "1", kind = { "process", "thread" }, fast = false,
    })
    print(table.concat(args.integers("--sizes", options.sizes), " "))
  ]]
  file:close()
  local out, err, code = helpers.run(("%s %s %s"):format(helpers.quote(helpers.conrun), path, words))
  os.remove(path)
  return out, err:gsub("^[^:]*: ", ""), code
end

describe("args.read", function()
  it("has the defaults", function()
    local options = read()
    assert.are.same({ count = 10, seed = 0, rate = 0.5, sizes = "2,4", kind = "process", no_lock = false }, options)
  end)

  it("reads each kind of option, and the other words", function()
    local options = read("--count=3", "--seed=0", "--rate=2", "--sizes=1", "--kind=thread", "file", "--no-lock")
    assert.are.same({ "file", count = 3, seed = 0, rate = 2.0, sizes = "1", kind = "thread", no_lock = true }, options)
    assert.are.equal("float", math.type(options.rate))
    assert.are.equal("-5", read("-5")[1])
    assert.are.equal("", read("--sizes=").sizes)
  end)

  it("tells its usage", function()
    local out, err, code = call "--help"
    assert.are.same({ "usage: ...\n", "", 0 }, { out, err, code })
  end)

  local known = "it knows --count --fast --help --kind --rate --sizes"
  local wrong = {
    ["--cuont=3"] = "unknown option '--cuont=3'; " .. known .. "; did you mean '--count'?",
    ["--zzzz"] = "unknown option '--zzzz'; " .. known,
    ["-x"] = "unknown option '-x'; " .. known,
    ["--count=0"] = "--count needs a whole number of at least 1, got '0'",
    ["--count=1.5"] = "--count needs a whole number of at least 1, got '1.5'",
    ["--count"] = "--count needs a whole number of at least 1, got ''",
    ["--rate=-1"] = "--rate needs a number of at least 0, got '-1'",
    ["--rate=nan"] = "--rate needs a number of at least 0, got 'nan'",
    ["--rate=1e999"] = "--rate needs a number of at least 0, got '1e999'",
    ["--kind=threads"] = "--kind needs one of process, thread, got 'threads'; did you mean 'thread'?",
    ["--kind"] = "--kind needs one of process, thread, got ''",
    ["--sizes"] = "--sizes needs a value: --sizes=...",
    ["--sizes=1,,2"] = "--sizes needs a whole number of at least 1, got ''",
    ["--fast=yes"] = "--fast takes no value",
    ["--help=x"] = "--help takes no value",
    ["word"] = "unexpected argument 'word'; try --help",
  }
  for words, message in pairs(wrong) do
    it("refuses " .. words, function()
      local out, err, code = call(words)
      assert.are.same({ "", message .. "\n", 1 }, { out, err, code })
    end)
  end

  it("reads lists of numbers", function()
    assert.are.equal("1 2 16\n", (call "--sizes=1,2,16"))
  end)

  it("keeps a number within limits", function()
    local limits = { size = { 8, least = 2, most = 64 }, high = { 5, most = 9 } }
    local read_limited = function(word) return conrun.args.read({ word }, "usage", limits) end
    assert.are.same({ size = 64, high = 5 }, read_limited "--size=64")
    assert.are.same({ size = 8, high = 1 }, read_limited "--high=1")
    for word, message in pairs {
      ["--size=65"] = "needs a whole number from 2 to 64, got '65'", ["--size=1"] = "from 2 to 64, got '1'",
      ["--high=1e11"] = "needs a whole number from 1 to 9, got '1e11'", ["--high=0"] = "from 1 to 9, got '0'",
    } do
      local code = ("require 'conrun.args'.read({ '%s' }, 'usage', %s)"):format(word,
        "{ size = { 8, least = 2, most = 64 }, high = { 5, most = 9 } }")
      local _, complaint, status = helpers.run(helpers.quote(helpers.conrun) .. " -e " .. helpers.quote(code))
      assert.is_truthy(complaint:find(message, 1, true), complaint)
      assert.are.equal(1, status)
    end
  end)
end)
