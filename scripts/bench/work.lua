-- SPDX-License-Identifier: MIT
--
-- work: conrun's side of the benchmark, a program that the driver talks to.
--
-- It does what a request names (sides.lua has the form), by the rows of the
-- groups; what a row keeps between requests (a pool, an echoing worker) is in the
-- table that it is given.  An error is answered, not raised: a side that fails
-- must not stop the others.

local folder = arg[0]:match "^(.*/)" or "./"
package.path = folder .. "?.lua;" .. package.path

local rows = require "rows"

local kept = {}
io.stdout:setvbuf "line"
for line in io.lines() do
  local name, count = line:match "^(%S+) (%d+)"
  local row = rows.by_name[name]
  local ok, value, check = xpcall(row.conrun, debug.traceback, math.tointeger(count), kept)
  if ok then
    print(("%.9f %s"):format(value, check))
  else
    print("error " .. tostring(value):gsub("\n", " "))
  end
end
-- What idles is not waited for.
os.exit(0)
