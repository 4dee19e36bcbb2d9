-- SPDX-License-Identifier: MIT
--
-- progress: how far a map has come, on one line of stderr.
--
-- Internal; the option `progress` of pool:map and its kin.  The line is written
-- again when the percentage changes, and ends with the last item.

local progress = {}

--- A function to be told how many items are done.
---@param label string|true
---@param total integer? unknown for iterators
---@return fun(done: integer)
function progress.new(label, total)
  local prefix = label == true and "" or label .. " "
  local shown
  return function(done)
    local percent = total and done * 100 // total or done
    if percent == shown then
      return
    end
    shown = percent
    if total then
      io.stderr:write(("\r%s%d/%d (%d%%)"):format(prefix, done, total, percent), done == total and "\n" or "")
    else
      io.stderr:write(("\r%s%d"):format(prefix, done))
    end
  end
end

return progress
