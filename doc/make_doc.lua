-- SPDX-License-Identifier: MIT
--
-- make_doc: the reference as two pages, reference.md and reference.html.
--
--   build/conrun doc/make_doc.lua FOLDER
--
-- Both are made from the same entries (conrun.reference): first as Markdown, and
-- that as HTML.  The page needs nothing beside it, no script, no other file, and
-- reads well in light and dark, on paper and on a telephone.
--
-- The Markdown understood here is what the texts use: paragraphs, lists, code
-- blocks, headings, `code`, **bold**.  Anything else stays as it is written.

local reference = require "conrun.reference"

------------------------------------------------------------------- Markdown

local function anchor(name)
  return (name:gsub("[.:]", "-"))
end

-- A module may be called as a function is: conrun.range is both.
local function module_anchor(name)
  return "module-" .. anchor(name)
end

-- "- `name: type` what it is"; a name with a `?` may be left out, or be nil.
local function describe(part)
  local mark = part.optional and part.name ~= "..." and "?" or ""
  local text = part.text ~= "" and ", " .. part.text or ""
  return ("- `%s%s: %s`%s"):format(part.name, mark, part.type, text)
end

local function add_list(out, title, parts)
  if #parts == 0 then
    return
  end
  out[#out + 1] = title .. "\n"
  for _, part in ipairs(parts) do
    out[#out + 1] = describe(part)
  end
  out[#out + 1] = ""
end

local function add_text(out, entry)
  if entry.text ~= "" then
    out[#out + 1] = entry.text .. "\n"
  end
end

local function add_function(out, entry)
  out[#out + 1] = ("<a id=\"%s\"></a>\n"):format(anchor(entry.full))
  out[#out + 1] = ("#### `%s`\n"):format(table.concat(reference.signatures(entry), "`, `"))
  add_text(out, entry)
  add_list(out, "Takes", entry.params)
  add_list(out, "Returns", entry.returns)
end

-- Options and plain records have fields only.
local function add_class(out, entry)
  out[#out + 1] = ("<a id=\"%s\"></a>\n"):format(anchor(entry.full))
  out[#out + 1] = ("### %s\n"):format(entry.full)
  add_text(out, entry)
  for _, operator in ipairs(entry.operators) do
    out[#out + 1] = operator:find "^len" and "`#x` is its length.\n" or ("Operator `%s`.\n"):format(operator)
  end
  add_list(out, "Fields", entry.fields)
end

-- The parts of `conrun` are fields of the module's own class; they have chapters
-- of their own.
local function add_module(out, module)
  local first = module.entries[1]
  out[#out + 1] = ("<a id=\"%s\"></a>\n"):format(module_anchor(module.name))
  out[#out + 1] = ("## %s\n"):format(module.name)
  add_text(out, first)
  for _, field in ipairs(first.fields) do
    if not reference.module(field.type) then
      out[#out + 1] = describe(field) .. "\n"
    end
  end
  for i = 2, #module.entries do
    local entry = module.entries[i]
    local add = entry.kind == "class" and add_class or add_function
    add(out, entry)
  end
end

local function first_sentence(text)
  local paragraph = (text:match "^(.-)\n\n" or text):gsub("\n", " ")
  return paragraph:match "^.-%.%f[%s%z]" or paragraph
end

local function link(text, target)
  return ("[%s](#%s)"):format(text, target)
end

-- The functions of each class of a module as links: "new, lifo", "Queue: put, get".
local function index_of(module)
  local groups, owner = {}, nil
  for _, entry in ipairs(module.entries) do
    if entry.kind == "function" then
      local names = link(entry.name, anchor(entry.full))
      if entry.owner == owner then
        groups[#groups] = groups[#groups] .. ", " .. names
      else
        owner = entry.owner
        local short = owner:match "[^.]*$"
        groups[#groups + 1] = (entry.method and link(short, anchor(owner)) .. ": " or "") .. names
      end
    end
  end
  return groups
end

local function add_contents(out)
  for module in reference.modules() do
    local title = "**" .. link(module.name, module_anchor(module.name)) .. "**"
    out[#out + 1] = ("- %s %s %s"):format(title, first_sentence(module.entries[1].text),
      table.concat(index_of(module), "; "))
  end
  out[#out + 1] = ""
end

-- Names that other languages have, as a table.
local function add_answers(out)
  out[#out + 1] = "## Names that other languages have\n\nThey raise an error that says what to write instead.\n"
  local list = require("conrun.core").answers()
  for _, answer in ipairs(list) do
    local loose = answer.owner == "option" or answer.owner == "type"
    local what = loose and ("%s %s"):format(answer.owner, answer.name)
      or answer.owner:find "^conrun" and answer.owner .. "." .. answer.name
      or ("%s:%s"):format(answer.owner, answer.name)
    out[#out + 1] = ("- `%s`: %s"):format(what, answer.use)
  end
  out[#out + 1] = ""
end

local function markdown()
  local out = {
    "# The reference of conrun " .. require("conrun").version .. "\n",
    "Every public function, by module. The examples are programs that the specs run; they begin with",
    "`local conrun = require \"conrun\"`, and what stands behind `-->` is what they print.\n",
  }
  add_contents(out)
  for module in reference.modules() do
    add_module(out, module)
  end
  add_answers(out)
  return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("\n*$", "\n"))
end

----------------------------------------------------------------------- HTML

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(text)
  return (text:gsub('[&<>"]', entities))
end

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or
  repeat return then true until while]]):gmatch "%a+" do
  keywords[word] = true
end

local function span(class, text)
  return ("<span class=%s>%s</span>"):format(class, escape(text))
end

-- Patterns of Lua's words at a place, the first that fits counts.
local lexemes = {
  { "^%-%->[^\n]*", function(text) return span("out", text) end },
  { "^%-%-[^\n]*", function(text) return span("note", text) end },
  { '^"[^"\n]*"', function(text) return span("text", text) end },
  { "^[%a_][%w_]*", function(text) return keywords[text] and span("word", text) or text end },
  { "^.", escape },
}

local function highlight(code)
  local out, at = {}, 1
  while at <= #code do
    for _, lexeme in ipairs(lexemes) do
      local text = code:match(lexeme[1], at) or lexeme[1] == "^." and code:sub(at, at)
      if text then
        out[#out + 1] = lexeme[2](text)
        at = at + #text
        break
      end
    end
  end
  return table.concat(out)
end

-- Code first: nothing in it is markup.
local function inline(text)
  local codes = {}
  text = escape(text):gsub("`([^`]+)`", function(code)
    codes[#codes + 1] = "<code>" .. code .. "</code>"
    return "\1" .. #codes .. "\2"
  end)
  text = text:gsub("%*%*(.-)%*%*", "<b>%1</b>")
  text = text:gsub("%[([^%]]+)%]%((#[%w_-]+)%)", '<a href="%2">%1</a>')
  return (text:gsub("\1(%d+)\2", function(n) return codes[tonumber(n)] end))
end

local blocks = {}

function blocks.heading(lines)
  local marks, text = lines[1]:match "^(#+) (.*)$"
  return ("<h%d>%s</h%d>"):format(#marks, inline(text), #marks)
end

function blocks.list(lines)
  local items = {}
  for _, line in ipairs(lines) do
    local item = line:match "^%- (.*)$"
    if item then
      items[#items + 1] = item
    else
      items[#items] = items[#items] .. "\n" .. line
    end
  end
  for i, item in ipairs(items) do
    items[i] = "<li>" .. inline(item) .. "</li>"
  end
  return "<ul>\n" .. table.concat(items, "\n") .. "\n</ul>"
end

function blocks.code(lines)
  return "<pre>" .. highlight(table.concat(lines, "\n", 2, #lines - 1)) .. "</pre>"
end

function blocks.paragraph(lines)
  local text = table.concat(lines, "\n")
  return text:find "^<a id=" and text or "<p>" .. inline(text) .. "</p>"
end

local function kind_of(line)
  return line:find "^#+ " and "heading" or line:find "^%- " and "list" or line:find "^```" and "code"
    or "paragraph"
end

-- Blocks are parted by blank lines, which count for nothing inside of code.
local function to_html(text)
  local out, lines = {}, {}
  local function flush()
    out[#out + 1] = #lines > 0 and blocks[kind_of(lines[1])](lines) or nil
    lines = {}
  end
  for line in text:gmatch "([^\n]*)\n" do
    local in_code = #lines > 0 and kind_of(lines[1]) == "code"
    if line == "" and not in_code then
      flush()
    else
      lines[#lines + 1] = line
      if in_code and line == "```" or kind_of(lines[1]) == "heading" then
        flush()
      end
    end
  end
  flush()
  return table.concat(out, "\n")
end

local style = [[
:root { color-scheme: light dark; --faint: #8883; --mark: #06c; --word: #a0278f; --text: #1a7f37; --note: #777 }
@media (prefers-color-scheme: dark) { :root { --mark: #6bf; --word: #e08ad4; --text: #7ee08f; --note: #999 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 4rem; border-bottom: 2px solid var(--faint) }
h3 { margin-top: 2.5rem }
h4 { margin: 2rem 0 .5rem; font-size: 1rem }
h4 code { background: none; padding: 0; font-weight: bold }
code, pre { font: .92em/1.45 ui-monospace, monospace; background: var(--faint); border-radius: 4px }
code { padding: .1em .3em }
pre { padding: .7em 1em; overflow-x: auto }
a { color: var(--mark); text-decoration: none }
a:hover { text-decoration: underline }
ul { padding-left: 1.4rem }
.word { color: var(--word) } .text { color: var(--text) } .note { color: var(--note) }
.out { color: var(--mark); font-weight: bold }
]]

local function page(text)
  return table.concat {
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    "<title>The reference of conrun</title>\n<style>\n", style, "</style>\n</head>\n<body>\n",
    to_html(text), "\n</body>\n</html>\n",
  }
end

------------------------------------------------------------------------ main

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
  print("wrote " .. path)
end

local folder = arg[1]
if not folder then
  io.stderr:write("usage: conrun doc/make_doc.lua FOLDER\n")
  os.exit(1, true)
end
local text = markdown()
write(folder .. "/reference.md", text)
write(folder .. "/reference.html", page(text))
