-- SPDX-License-Identifier: MIT
--
-- A name with a newline in it tore lines of reports, logs and bars apart, and one that was
-- cut could end within a character.

local conrun = require "conrun"
local helpers = require "spec.helpers"

describe("a name", function()
  it("is one line, wherever it is shown", function()
    local w <const> = conrun.thread.start({ name = "a\nb\27[2Jc" }, function() return conrun.current().name end)
    assert.are.equal("a?b?[2Jc", w.name)
    assert.are.equal("a?b?[2Jc", w:result())
    assert.is_nil(tostring(w):find "%c")
    local pool <close> = conrun.pool.new { workers = 1, name = "two\r\nlines" }
    assert.matches("^pool 'two%?%?lines'", tostring(pool))
    assert.matches("^two%?%?lines%-1$", pool:apply(function() return conrun.current().name end))
  end)

  it("keeps its characters whole", function()
    local pool <close> = conrun.pool.new { workers = 1, name = "x" .. ("ä"):rep(23) }
    local name = pool:apply(function() return conrun.current().name end)
    assert.is_truthy(utf8.len(name))
    assert.matches("^xä", name)
  end)

  it("of a bar is one line, too", function()
    local code = "require('conrun').progress.new({ total = 1, label = 'two\\nlines' }):close()"
    local _, err = helpers.run(("%s -e %s"):format(helpers.quote(helpers.conrun), helpers.quote(code)))
    assert.matches("^two lines: [^\n]*\n$", err)
  end)
end)
