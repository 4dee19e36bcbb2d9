-- SPDX-License-Identifier: MIT
--
-- committed: how much memory the shared memory of the calling program takes.
--
-- The kernel knows: the arena is a file without a name, sparse, and only what is used
-- has blocks.  Its descriptor is found by what it is called.

---@return integer bytes
return function()
  local pipe <close> = assert(io.popen(
    "for f in /proc/$PPID/fd/*; do readlink $f | grep -q memfd:conrun && stat -L -c %b $f; done"))
  return 512 * (math.tointeger(tonumber(pipe:read("a"):match "%d+")) or 0)
end
