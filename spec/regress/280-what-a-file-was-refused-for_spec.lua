-- SPDX-License-Identifier: MIT
--
-- The file of a token that could not come to its place gave the reason of an earlier call that
-- was meant to fail ("No such file or directory"), and not its own.

local helpers = require "spec.helpers"
local net = require "conrun.core.net"

describe("a file for its owner alone", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert.is_true(net.folder(folder .. "/taken"))
  end)

  after_each(function() os.execute("rm -rf " .. helpers.quote(folder)) end)

  it("says why it cannot be, and leaves nothing", function()
    local path = folder .. "/taken"
    assert.are.same({ nil, path .. ": Is a directory" }, { net.private_file(path, "x") })
    assert.are.equal("taken\n", (helpers.run("ls " .. helpers.quote(folder))))
    path = folder .. "/none/file"
    assert.are.same({ nil, path .. ": No such file or directory" }, { net.private_file(path, "x") })
  end)

  it("takes the place of another", function()
    local path = folder .. "/file"
    os.execute("touch " .. helpers.quote(path))
    assert.is_true(net.private_file(path, "first"))
    assert.is_true(net.private_file(path, "second"))
    assert.are.equal("second", helpers.slurp(path))
    assert.are.equal("600\n", (helpers.run("stat -c %a " .. helpers.quote(path))))
    assert.are.equal("file\ntaken\n", (helpers.run("ls " .. helpers.quote(folder))))
  end)

  it("is written by what also makes the bytes of an error", function()
    local e = net.decode(net.failure("broken", "no more", "a strand"))
    assert.are.same({ "broken", "no more", "a strand" }, { e.kind, e.message, e.strand })
  end)
end)
