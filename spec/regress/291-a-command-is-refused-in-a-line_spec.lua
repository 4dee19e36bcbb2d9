-- SPDX-License-Identifier: MIT
--
-- conrun --agent and conrun --hub told what keeps them from beginning with a traceback of
-- nothing but [C] behind it; doc/cluster.md promises one line.

local helpers = require "spec.helpers"

local conrun = helpers.conrun:find "^/" and helpers.conrun or helpers.absolute(helpers.conrun)

local function refused(arguments)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder .. " && touch " .. folder .. "/empty"))
  local out, err, code = helpers.run(("cd %s && XDG_STATE_HOME=%s PATH=%s/none %s %s </dev/null"):format(
    folder, folder, folder, helpers.quote(conrun), arguments))
  os.execute("rm -rf " .. folder)
  assert.same({ "", 1 }, { out, code })
  return (err:gsub("[^\n:]*conrun: ", "conrun: "))
end

describe("what keeps an agent or a hub from beginning", function()
  it("is one line", function()
    assert.equal("conrun: cannot read the token: none: No such file or directory\n",
      refused "--agent=nats://127.0.0.1:1 --token-file=none")
    assert.equal("conrun: no token in the file 'empty'\n", refused "--agent=nats://127.0.0.1:1 --token-file=empty")
    assert.matches("^conrun: cannot reach the server nats://127%.0%.0%.1:1: [^\n]+\n$",
      refused "--agent=nats://127.0.0.1:1")
    assert.matches("^[^\n]*conrun hub: [^\n]+\nconrun: cannot start nats%-server: it is not installed [^\n]+\n$",
      refused "--hub")
  end)
end)
