-- SPDX-License-Identifier: MIT
--
-- text: strings and numbers as JSON has them, and a writer that writes by large pieces.

local json = require "conrun.view.json"

local text = {}

-- Programs say the same names again and again.
local quoted, count, most = {}, 0, 10000

--- The string in quotes.  `<` is written as an escape, so that it can stand in a page.
function text.quote(s)
  local known = quoted[s]
  if known then return known end
  known = json.quote(s):gsub("<", "\\u003c")
  if count < most then
    quoted[s] = known
    count = count + 1
  end
  return known
end

--- A value that is a string, a number or a boolean.  What JSON has no number for is null.
function text.value(v)
  if type(v) == "string" then return text.quote(v) end
  if math.type(v) == "float" then
    if v ~= v or v == math.huge or v == -math.huge then return "null" end
    return ("%.17g"):format(v)
  end
  return tostring(v)
end

--- Two functions: one that takes the next piece, one that is called when there are no more.
function text.writer(write)
  local pieces, length = {}, 0
  local function finish()
    write(table.concat(pieces))
    pieces, length = {}, 0
  end
  return function(s)
    pieces[#pieces + 1] = s
    length = length + #s
    if length > 65536 then finish() end
  end, finish
end

return text
