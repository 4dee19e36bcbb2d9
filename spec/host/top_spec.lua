-- SPDX-License-Identifier: MIT
--
-- conrun --top, as a person at a terminal meets it.  The program that is looked at is the
-- one that runs this spec.

local conrun = require "conrun"
local helpers = require "spec.helpers"
local terminal = require "spec.host.terminal"

local quote = helpers.quote

local pid = conrun.current().pid
local go, queue, worker

setup(function()
  go, queue = conrun.event.new(), conrun.queue.new(5)
  queue:put "item"
  worker = conrun.thread.start({ name = "wäiter" }, function(event) event:wait() end, go)
end)

teardown(function()
  go:set()
  worker:join()
end)

-- What follows on the person's own screen: are keys lines again, and shown?
local AFTER = [[; code=$?; stty -a | tr ' ;' '\n\n' | grep -x -e -*icanon -e -*echo | sort | xargs echo modes
  echo code $code]]

local function open(options)
  options = options or {}
  options.command = (options.before or "") .. quote(terminal.conrun) .. " --top=" .. (options.pid or pid) .. AFTER
  return terminal.open(options)
end

describe("--top", function()
  it("shows the strands, and the objects by a key, and leaves the terminal as it was", function()
    local t <close> = open { width = 110 }
    t:shows "wäiter  thread"
    local screen = t:shows "0%" -- what a strand does is known from the second look on
    assert.matches("^conrun %d+%.%d+%.%d+, process " .. pid .. ": ", screen)
    assert.matches("\nSTRAND +KIND +PID +STATE +BUSY +MEMORY +TASK +SINCE +WAITS FOR\n", screen)
    assert.matches("\nwäiter +thread +" .. pid .. " +waiting [^\n]+ event %d+ %(wait%), at ", screen)
    t:press("o"):shows "1 of 5 items"
    t:press("p"):shows "PAUSED"
    queue:put "another" -- which shows in a new look only
    t:press("o"):shows "STRAND"
    assert.truthy(t:press("o"):shows("WHAT IS IN IT"):find("1 of 5 items", 1, true))
    t:press("p"):shows "2 of 5 items"
    t:press("o"):press("n"):shows "(name)"
    t:tmux "resize-window -x 48 -y 8" -- what tells least is left out
    t:shows "\nSTRAND  STATE    BUSY  WAITS FOR\n"
    t:press("q"):shows "modes echo icanon"
    assert.is_nil(t:shows("code 0"):find("STRAND", 1, true))
  end)

  it("puts the terminal back when a signal ends it", function()
    local file = os.tmpname()
    local t <close> = open { before = ("sh -c 'echo $$ >%s; exec \"$0\" \"$@\"' "):format(file) }
    t:shows "wäiter"
    os.execute(("kill -TERM $(cat %s)"):format(file))
    t:shows "modes echo icanon"
    t:shows "code 143"
    os.remove(file)
  end)

  it("can be stopped and continued, and ended by Ctrl-C", function()
    local t <close> = terminal.open { command = "bash --norc", env = "PS1='$ '" }
    t:shows "$"
    t:type(("%s --top=%d"):format(terminal.conrun, pid)):shows "wäiter"
    t:press("C-z"):shows "Stopped"
    t:type("stty -a | grep -o ' icanon' && echo as $((40 + 2))"):shows "as 42"
    t:type("fg"):shows "wäiter"
    t:press("C-c"):shows "as 42"
    t:type("echo code $?"):shows "code 130"
  end)

  it("says when the program has ended", function()
    local file = os.tmpname()
    local program = io.popen(("echo $$ >%s; exec %s -e 'io.read()'"):format(file, quote(helpers.conrun)), "w")
    local other = helpers.eventually(function() return tonumber(helpers.slurp(file)) end)
    assert(helpers.eventually(function() return helpers.run(("%s --dump=%d"):format(helpers.conrun, other)) ~= "" end))
    local t <close> = open { pid = other }
    t:shows "main"
    program:close()
    t:shows(("process %d has ended\nmodes echo icanon\ncode 0"):format(other))
    os.remove(file)
  end)

  it("prints one frame where there is no terminal", function()
    local out, err, code = helpers.run(("%s --top=%d"):format(quote(helpers.conrun), pid))
    assert.same({ "", 0 }, { err, code })
    assert.matches("\nSTRAND .*\nwäiter ", out)
  end)
end)
