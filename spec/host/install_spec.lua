-- SPDX-License-Identifier: MIT
--
-- What `make install` puts where, how it looks to a reader of manuals and to three shells,
-- and that `make uninstall` leaves nothing.

local helpers = require "spec.helpers"
local terminal = require "spec.host.terminal"

local root = helpers.run("mktemp -d"):gsub("\n", "")

local function make(goal)
  local variant = terminal.conrun:match "build/(%w+)/conrun$"
  return helpers.run(("env -u MAKEFLAGS make %s%s DESTDIR=%s/stage PREFIX=/usr"):format(goal,
    variant and " VARIANT=" .. variant or "", root))
end

local function files()
  return helpers.lines((helpers.run(("cd %s && find stage -type f | LC_ALL=C sort"):format(root))))
end

local function has(list, name)
  for _, path in ipairs(list) do
    if path == "stage/usr/" .. name then return true end
  end
  return false
end

setup(function() make "install" end)
teardown(function() os.execute("rm -rf " .. root) end)

describe("make install", function()
  it("puts everything in its place", function()
    local list = files()
    for _, name in ipairs {
      "bin/conrun", "share/man/man1/conrun.1",
      "share/conrun/scripts/squares.lua", "share/conrun/scripts/lib/lesson.lua",
      "share/conrun/library/pool.lua", "share/conrun/config.json", "share/conrun/luacheck.lua",
      "share/bash-completion/completions/conrun", "share/zsh/site-functions/_conrun",
      "share/fish/vendor_completions.d/conrun.fish", "share/doc/conrun/README.md", "share/doc/conrun/LICENSE",
      "share/doc/conrun/CHANGELOG.md", "share/pkgconfig/conrun.pc",
    } do
      assert.is_true(has(list, name), name)
    end
  end)

  it("tells pkg-config the version, which is the newest of the changes", function()
    local command = "PKG_CONFIG_PATH=%s/stage/usr/share/pkgconfig pkg-config --modversion conrun"
    local version = helpers.run(command:format(root))
    assert.are.equal(require("conrun").version .. "\n", version)
    local newest = helpers.slurp("CHANGELOG.md"):match "\n## (%S+)"
    assert.are.equal(newest .. "\n", version)
    assert.is_truthy(helpers.slurp(".ci/conrun-" .. newest .. "-1.rockspec"):find('"' .. newest .. '-1"', 1, true))
  end)

  it("installs pages whose links lead to pages", function()
    local links = 0
    for _, path in ipairs(files()) do
      if path:find "%.md$" then
        local folder = path:match "^(.*/)"
        local file <close> = assert(io.open(root .. "/" .. path))
        for target in file:read("a"):gmatch "%]%(([%w_./-]+%.md)" do
          local there <close> = io.open(root .. "/" .. folder .. target)
          assert.is_truthy(there, path .. ": " .. target)
          links = links + 1
        end
      end
    end
    assert.is_true(links > 10)
  end)

  it("installs a program that finds its examples", function()
    local out = helpers.run(root .. "/stage/usr/bin/conrun --examples")
    assert.matches("\n  squares +Does a larger pool", out)
  end)

  it("installs definitions that are Lua", function()
    for _, path in ipairs(files()) do
      if path:find "/library/" or path:find "luacheck%.lua$" then
        assert.is_truthy(loadfile(root .. "/" .. path), path)
      end
    end
  end)
end)

describe("the manual page", function()
  it("has no fault", function()
    assert.are.equal("", (helpers.run "mandoc -T lint -W warning doc/conrun.1 2>&1"))
  end)

  it("names every option that --help names", function()
    local page = helpers.run "mandoc -T ascii doc/conrun.1 | col -b"
    local help = helpers.run(helpers.quote(terminal.conrun) .. " --help")
    for option in help:gmatch "\n  (%-%-?[%w-]*)" do
      assert.is_truthy(page:find(option, 1, true), option)
    end
  end)
end)

describe("completion", function()
  local path, data = ("PATH=%s/stage/usr/bin:$PATH"):format(root), root .. "/stage/usr/share"
  local shells = {
    bash = {
      command = "bash --norc --noprofile",
      start = (". %s/bash-completion/completions/conrun"):format(data),
      option = "--workers=",
    },
    zsh = {
      command = "zsh -f",
      start = ("fpath=(%s/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D"):format(data),
      option = "--workers=",
    },
    fish = { -- which leaves the "=" to the person
      command = "fish --no-config",
      start = ("source %s/fish/vendor_completions.d/conrun.fish"):format(data),
      option = "--workers",
    },
  }

  for name, shell in pairs(shells) do
    it("knows options, their values and examples in " .. name, function()
      local t <close> = terminal.open { command = shell.command, env = path .. " PS1='> ' TERM=screen", width = 100 }
      t:type(shell.start):type("echo rea''dy"):shows "\nready"
      t:type("conrun --work", false):press("Tab"):shows("conrun " .. shell.option)
      t:press("C-u"):type("conrun --color=al", false):press("Tab"):shows "conrun --color=always"
      t:press("C-u"):type("conrun --example=squ", false):press("Tab"):shows "conrun --example=squares"
    end)
  end
end)

describe("make uninstall", function()
  it("leaves nothing", function()
    make "uninstall"
    assert.are.same({}, files())
    assert.are.equal("", (helpers.run(("find %s/stage -name '*conrun*'"):format(root))))
  end)
end)
