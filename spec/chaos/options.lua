-- SPDX-License-Identifier: MIT
--
-- options: the whole numbers that make hands to a program that runs for long.

---Reads the words of the command line into `options`; tells the usage and ends the program
---where one is no option.
---@param goal string of the Makefile
---@param names string[] in the order of the usage
---@param options table<string, integer> name -> default
---@return table<string, integer> options
return function(goal, names, options)
  for _, word in ipairs(arg) do
    local name, value = word:match "^%-%-(%a+)=(%d+)$"
    if not options[name] then
      local variable = goal:upper():gsub("-", "_")
      print(('usage: make %s %s="[--%s=N]"'):format(goal, variable, table.concat(names, "=N] [--")))
      os.exit(word == "--help")
    end
    options[name] = math.tointeger(tonumber(value))
  end
  return options
end
