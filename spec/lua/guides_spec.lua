-- SPDX-License-Identifier: MIT
--
-- Every Lua program in the guides (doc/*.md) is run as it stands, ends well, and prints what
-- stands behind `-->` in it, if anything does.

local helpers = require "spec.helpers"

---The programs of a page, each under the heading that is nearest above it.
---@param page string path
---@return { title: string, code: string }[]
local function programs_of(page)
  local programs, title, code = {}, page, nil
  for line in io.lines(page) do
    title = line:match "^##+ (.*)" or title
    if line == "```lua" then
      code = {}
    elseif line == "```" and code then
      programs[#programs + 1] = { title = title, code = table.concat(code, "\n") }
      code = nil
    elseif code then
      code[#code + 1] = line
    end
  end
  return programs
end

-- Tabulators and runs of blanks are one blank on a page.
local function squeeze(line)
  return (line:gsub("%s+", " "):gsub(" $", ""))
end

local function run(code)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  local out, err, status = helpers.run(("%s --audit %s"):format(helpers.quote(helpers.conrun), path))
  os.remove(path)
  local lines = helpers.lines(out)
  for i, line in ipairs(lines) do
    lines[i] = squeeze(line)
  end
  return lines, err, status
end

for _, page in ipairs(helpers.lines((helpers.run "ls doc/*.md"))) do
  describe(page, function()
    for _, program in ipairs(programs_of(page)) do
      it("has a program that does what it says: " .. program.title, function()
        local expected = {}
        for line in program.code:gmatch "%-%-> ?([^\n]*)" do
          expected[#expected + 1] = squeeze(line)
        end
        local lines, err, status = run(program.code)
        if #expected > 0 then
          assert.are.same(expected, lines, err)
        end
        assert.are.equal(0, status)
      end)
    end
  end)
end

it("the cookbook has some thirty recipes", function()
  assert.is_true(#programs_of "doc/cookbook.md" >= 30)
end)
