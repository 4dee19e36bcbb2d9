-- SPDX-License-Identifier: MIT
--
-- "make demo" installed shells, tmux and everything else that only specs need.  The list is
-- looked at on a machine that has nothing: commands are found in one folder, which has a
-- stand-in for apt-get that tells what it was asked for.

local helpers = require "spec.helpers"

local machine = [[
d=$(mktemp -d)
for c in sh id cat env; do ln -s "$(command -v $c)" $d/$c; done
printf '#!/bin/sh\n"$@"\n' >$d/sudo
printf '#!/bin/sh\n[ "$1" = update ] || echo "packages: $*"\n' >$d/apt-get
chmod +x $d/sudo $d/apt-get
PATH=$d /bin/sh .ci/deps %s
PATH=/usr/bin:/bin rm -r $d]]

local function packages(what)
  local output = helpers.run(machine:format(what))
  local list = assert(output:match "packages: install([^\n]*)", output)
  local set = {}
  for name in list:gmatch " (%w%S*)" do
    set[name] = true
  end
  return set
end

describe("what is missing", function()
  it("is installed for the build alone, if that is all that is wanted", function()
    local set = packages "build"
    assert.is_true(set.gcc and set["liblua5.4-dev"] and set.make)
    for _, name in ipairs { "tmux", "zsh", "fish", "mandoc", "less", "lua-busted", "lua5.4", "clang" } do
      assert.is_nil(set[name])
    end
  end)

  it("is installed for the specs, and for the checks", function()
    local set = packages ""
    assert.is_true(set.gcc and set.tmux and set["lua-busted"])
    assert.is_nil(set["cppcheck"])
    assert.is_true(packages "lint".cppcheck)
  end)

  it("is what each goal needs", function()
    assert.matches("%.ci/deps build\n", (helpers.run "make -n demo"))
    assert.matches("%.ci/deps\n", (helpers.run "make -n test"))
  end)
end)
