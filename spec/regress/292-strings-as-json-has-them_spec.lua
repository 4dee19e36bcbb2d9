-- SPDX-License-Identifier: MIT
--
-- Dumps and traces had a writer of strings each, which had to agree; now a trace has that of a
-- dump, and `<` as an escape, since it may stand in a page.  The lines that --dump and --top
-- begin with are made in one place, too.

local json = require "conrun.view.json"
local text = require "conrun.timeline.text"
local words = require "conrun.view.words"

describe("a string in JSON", function()
  it("has escapes, and a sign for bytes that are no UTF-8", function()
    for s, quoted in pairs {
      [""] = '""', ["é\u{10FFFF}"] = '"é\u{10FFFF}"', ['"\\\n\r\t'] = [["\"\\\n\r\t"]],
      ["\0\27\127"] = [["\u0000\u001b\u007f"]], ["\xFFa\xC3"] = '"\u{FFFD}a\u{FFFD}"',
    } do
      assert.equal(quoted, json.quote(s))
      assert.equal(quoted, text.quote(s))
      assert.equal(quoted, text.quote(s)) -- as it was kept
    end
  end)

  it("cannot end the script of a page", function()
    assert.equal([["\u003c/script>"]], text.quote "</script>")
    assert.equal('"</script>"', json.quote "</script>")
  end)
end)

describe("what is said of a program as a whole", function()
  it("is three lines", function()
    local seen = {
      version = "9.9", pid = 7, stopped = true, command = "a\27b", uptime = 61, used = 524288, limit = 1 << 30,
      strands = { {} }, states = { running = 1 }, tasks = { queued = 1, running = 2, done = 3, failed = 4 },
      pools = { { id = 5, name = "p\n" } },
    }
    assert.same({
      "conrun 9.9, process 7 (stopped): a?b",
      "up 1m01s; 1 strand: 1 running; 512K of 1.0G of shared memory",
      "tasks: 1 queued, 2 running, 3 done, 4 failed",
    }, words.head(seen, "of shared memory"))
    assert.same({ [5] = "p?" }, words.pools(seen))
  end)
end)
