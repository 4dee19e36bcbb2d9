-- SPDX-License-Identifier: MIT
-- scripts/shared_list.lua: every line must follow from the lines before it.

local helpers = require "spec.helpers"

-- Replays the story on a list of our own; the order of the two threads is free.
local function replay(out)
  local list, added, removed, empty, final = {}, 0, 0, 0, nil
  local function text()
    return "[" .. table.concat(list, ", ") .. "]"
  end
  for _, line in ipairs(helpers.lines(out)) do
    local item, after = line:match "^Added: (%d), List: (.*)$"
    local gone, rest = line:match "^Removed: (%d), List: (.*)$"
    assert.is_nil(final)
    if item then
      assert.are.equal(tostring(added), item)
      list[#list + 1], added = item, added + 1
      assert.are.equal(text(), after)
    elseif gone then
      assert.are.equal(table.remove(list, 1), gone)
      assert.are.equal(text(), rest)
      removed = removed + 1
    elseif line == "List is empty, nothing to remove." then
      assert.are.equal(0, #list)
      empty = empty + 1
    elseif line:find "^With the lock" then
      assert.are.equal(("With the lock no item is lost or doubled: holds (10 added, %d removed, %d left)"):format(
        removed, #list), line)
    else
      final = line
      assert.are.equal("Final List: " .. text(), line)
    end
  end
  return added, removed + empty, final
end

describe("scripts/shared_list.lua", function()
  it("adds ten, tries to remove ten, and tells the rest", function()
    for _ = 1, 5 do
      local out, err, code = helpers.script("shared_list", "--fast")
      assert.are.equal("", err)
      assert.are.equal(0, code)
      assert.matches("\nWith the lock [^\n]*: holds %(", out)
      local added, tried, final = replay(out)
      assert.are.equal(10, added)
      assert.are.equal(10, tried)
      assert.is_truthy(final)
    end
  end)

  it("counts no lost or doubled item with the lock, and shows the count without", function()
    local out, err, code = helpers.script("shared_list", "--no-lock --items=2000")
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.matches("without a lock +%d+ +%d+\n", out)
    assert.matches("with the lock +0 +0\n", out)
    assert.matches("With the lock every item is taken once: holds", out)
  end)

  it("refuses what it does not know", function()
    local _, err, code = helpers.script("shared_list", "--nolock")
    assert.are.equal(
      "shared_list.lua: unknown option '--nolock'; it knows --fast --help --items --no-lock; "
        .. "did you mean '--no-lock'?\n",
      err
    )
    assert.are.equal(1, code)
  end)
end)
