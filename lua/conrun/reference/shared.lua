-- SPDX-License-Identifier: MIT
---@meta conrun.shared
-- luacheck: ignore

--- Shared data: values that live in the shared memory, seen and changed by every strand that has the handle. They need
--- no server process, and live as long as a strand holds them.
---
--- One operation is atomic: no strand sees half of it, and a strand that is killed leaves no half of it. What takes
--- several operations is not: use an atomic one (`add`, `cas`, `update`) or a `conrun.lock`.
---
--- Items of lists and dicts are copies: to change a table in a list, write it back. Shared objects as items are
--- handles, so a list in a dict is shared as well.
---@class conrun.shared
local shared = {}

--- One value. The types are i8, i16, i32, i64, u8, u16, u32, u64 (which ends at 2^63-1, as Lua's integers do), f32,
--- f64, "boolean", "string", and "any" for whatever can be sent.
---
--- ```lua
--- local counter = conrun.shared.value("i64")
--- local pool <close> = conrun.pool.processes(4)
--- pool:map(function(n) counter:add(n) end, conrun.range(1, 1000))
--- print(counter:get()) --> 500500
--- ```
---@param type string
---@param x? any what it is at first; default 0, false, "" or nil
---@return conrun.SharedValue value
function shared.value(type, x) end

--- A row of numbers of one type: i8 to i64, u8 to u64, f32 or f64. Its length is fixed.
---
--- ```lua
--- local squares = conrun.shared.array("i32", 4)
--- local worker = conrun.process.start(function()
---   for i = 1, #squares do squares[i] = i * i end
--- end)
--- worker:join()
--- print(squares[4], #squares)             --> 16 4
--- print(pcall(squares.add, squares, 1, 2^40 | 0) == false) --> true
--- ```
---@param type string
---@param n integer|number[] the length, for zeros, or a list of numbers to begin with
---@return conrun.SharedArray array
function shared.array(type, n) end

--- A list. Its items can be anything that can be sent, but nil.
---
--- ```lua
--- local l = conrun.shared.list { "a" }
--- conrun.process.start(function() l:append "b" end):join()
--- print(#l, l[2]) --> 2 b
--- ```
---@param t? any[] what is in it at first
---@return conrun.SharedList list
function shared.list(t) end

--- A table by key. Keys are strings, numbers or booleans; values anything that can be sent.
---
--- ```lua
--- local d = conrun.shared.dict { x = 1 }
--- conrun.process.start(function() d.y = 2 end):join()
--- print(d.x, d.y, #d) --> 1 2 2
--- ```
---@param t? table what is in it at first
---@return conrun.SharedDict dict
function shared.dict(t) end

---@class conrun.BufferOptions
---@field name? string 1 byte or more, without `/`: the buffer is for every program of this user that knows the name

--- Raw bytes, zeroed. Without a name a buffer lives as every shared object does: until no strand holds it.
---
--- A buffer with a **name** is for programs that do not know each other. Whoever asks first makes it, the others get
--- what is there; asking for another size than it has is an error. It is a file `conrun.NAME` in the system's
--- shared memory (/dev/shm), and is removed when the last program that uses it lets go of it or ends, killed or not.
--- Should a program be killed together with the small process that forks its workers, the file stays until
--- some conrun program asks for any named buffer. A handle that is on its way in a message does not keep the file.
--- All its memory is taken when it is made, and having too little is an error; a file of that name that is another
--- user's, or open to others, is refused.
---
--- ```lua
--- local buffer = conrun.shared.buffer(16)
--- conrun.process.start(function() buffer:write(4, "hello") end):join()
--- print(buffer:read(4, 5), #buffer) --> hello 16
--- ```
---@param size? integer bytes, 1 or more; nil only for a name that is there
---@param options? conrun.BufferOptions
---@return conrun.SharedBuffer buffer
function shared.buffer(size, options) end

--- The handle of a shared value.
---@class conrun.SharedValue
local SharedValue = {}

--- The value; a table is a copy.
---
--- ```lua
--- print(conrun.shared.value("any", { 1, 2 }):get()[2]) --> 2
--- ```
---@return any x
function SharedValue:get() end

--- Writes the value. An error if it is not of the type or does not fit it: integers are never wrapped.
---
--- ```lua
--- local v = conrun.shared.value("u8")
--- v:set(255)
--- print(v:get(), pcall(v.set, v, 256) == false) --> 255 true
--- ```
---@param x any
function SharedValue:set(x) end

--- Adds to a number in one step. An error if the sum does not fit, or the type is no number.
---
--- ```lua
--- local v = conrun.shared.value("i64", 40)
--- print(v:add(2), v:get()) --> 42 42
--- ```
---@param n number
---@return number sum
function SharedValue:add(n) end

--- Writes `new` if the value equals `old`, in one step. Tables are never equal.
---
--- ```lua
--- local owner = conrun.shared.value("string")
--- print(owner:cas("", "me"), owner:cas("", "you"), owner:get()) --> true false me
--- ```
---@param old any
---@param new any
---@return boolean written
function SharedValue:cas(old, new) end

--- The handle of a shared array. `a[i]` reads and writes an element, from 1 on; an index out of range and a number that
--- does not fit the type are errors.
---@class conrun.SharedArray
---@field [integer] number
---@operator len: integer
local SharedArray = {}

--- Writes the same number to all elements, or to those from i to j.
---
--- ```lua
--- local a = conrun.shared.array("i8", 4)
--- a:fill(7, 2, 3)
--- print(a[1], a[2], a[3], a[4]) --> 0 7 7 0
--- ```
---@param x number
---@param i? integer
---@param j? integer
function SharedArray:fill(x, i, j) end

--- A view of the elements from i to j, both included: a window, not a copy.
---
--- ```lua
--- local numbers = conrun.shared.array("f64", { 1, 2, 3, 4 })
--- local middle = numbers:slice(2, 3)
--- middle[1] = 20
--- print(numbers[2], #middle) --> 20.0 2
--- ```
---@param i integer
---@param j? integer the last one unless given
---@return conrun.View view
function SharedArray:slice(i, j) end

--- A table of the elements, or of those from i to j.
---
--- ```lua
--- print(table.concat(conrun.shared.array("i8", { 1, 2, 3 }):totable(2), " ")) --> 2 3
--- ```
---@param i? integer
---@param j? integer
---@return number[] numbers
function SharedArray:totable(i, j) end

--- Adds to an element in one step.
---
--- ```lua
--- local a = conrun.shared.array("i64", 2)
--- print(a:add(1, 5), a[1]) --> 5 5
--- ```
---@param i integer
---@param x number
---@return number sum
function SharedArray:add(i, x) end

--- Writes `new` if element i equals `old`, in one step.
---
--- ```lua
--- local a = conrun.shared.array("i64", 2)
--- print(a:cas(1, 0, 9), a:cas(1, 0, 8), a[1]) --> true false 9
--- ```
---@param i integer
---@param old number
---@param new number
---@return boolean written
function SharedArray:cas(i, old, new) end

--- The name of the elements' type.
---
--- ```lua
--- print(conrun.shared.array("f32", 1):type()) --> f32
--- ```
---@return string type "i8" to "f64"
function SharedArray:type() end

--- A window on a shared array. It is used as an array, its elements being counted from 1, and can be sent: the
--- receiver sees the same array.
---@class conrun.View
---@field [integer] number
---@operator len: integer
local View = {}

--- Writes the same number to all elements.
---
--- ```lua
--- local a = conrun.shared.array("i8", 3)
--- a:slice(2):fill(1)
--- print(a[1], a[2], a[3]) --> 0 1 1
--- ```
---@param x number
function View:fill(x) end

--- A view of a part of this one.
---
--- ```lua
--- local a = conrun.shared.array("i8", { 1, 2, 3, 4 })
--- print(a:slice(2):slice(2)[1]) --> 3
--- ```
---@param i integer
---@param j? integer
---@return conrun.View view
function View:slice(i, j) end

--- A table of the elements.
---
--- ```lua
--- print(#conrun.shared.array("i8", 10):slice(3, 5):totable()) --> 3
--- ```
---@return number[] numbers
function View:totable() end

--- Adds to an element in one step.
---
--- ```lua
--- local a = conrun.shared.array("i64", 3)
--- print(a:slice(3):add(1, 5), a[3]) --> 5 5
--- ```
---@param i integer
---@param x number
---@return number sum
function View:add(i, x) end

--- Writes `new` if element i equals `old`, in one step.
---
--- ```lua
--- local a = conrun.shared.array("i64", 3)
--- print(a:slice(3):cas(1, 0, 9), a[3]) --> true 9
--- ```
---@param i integer
---@param old number
---@param new number
---@return boolean written
function View:cas(i, old, new) end

--- The handle of a shared list. `l[i]` reads item i, nil if there is none; `l[i] = x` writes it, `l[#l + 1] = x`
--- appends. Every method is one step for the others.
---@class conrun.SharedList
---@field [integer] any
---@operator len: integer
local SharedList = {}

--- Puts an item behind the last one.
---
--- ```lua
--- local l = conrun.shared.list()
--- l:append { "copied" }
--- print(#l, l[1][1]) --> 1 copied
--- ```
---@param x any
function SharedList:append(x) end

--- Puts an item at position i; those from there on move up.
---
--- ```lua
--- local l = conrun.shared.list { "a", "c" }
--- l:insert(2, "b")
--- print(l[1], l[2], l[3]) --> a b c
--- ```
---@param i integer 1 to #l + 1
---@param x any
function SharedList:insert(i, x) end

--- Takes an item out, the last one unless a position is given. A position that is out of range is an error.
---
--- ```lua
--- local l = conrun.shared.list { "a", "b", "c" }
--- print(l:pop(), l:pop(1), #l) --> c a 1
--- l:clear()
--- print(l:pop())               --> nil empty
--- ```
---@param i? integer
---@return any x nil also if the list is empty
---@return string? why "empty"
function SharedList:pop(i) end

--- Takes out the first item that equals `x`. Tables are never equal.
---
--- ```lua
--- local l = conrun.shared.list { "a", "b" }
--- print(l:remove "a", l:remove "z", #l) --> true false 1
--- ```
---@param x any
---@return boolean removed
function SharedList:remove(x) end

--- Iterates over `i, item`; `pairs(l)` is the same. It takes no lock: each step reads the item that is at the next
--- position then, so an item is missed or seen twice if others insert or remove before it meanwhile. `totable` is a
--- snapshot.
---
--- ```lua
--- for i, item in conrun.shared.list({ "a", "b" }):items() do print(i, item) end
--- --> 1 a
--- --> 2 b
--- ```
---@return fun(): integer?, any iterator with what a `for` loop needs
function SharedList:items() end

--- Takes all items out.
---
--- ```lua
--- local l = conrun.shared.list { 1, 2 }
--- l:clear()
--- print(#l) --> 0
--- ```
function SharedList:clear() end

--- A table with copies of all items, as they are at one moment.
---
--- ```lua
--- print(table.concat(conrun.shared.list({ 1, 2 }):totable(), "+")) --> 1+2
--- ```
---@return any[] items
function SharedList:totable() end

--- The handle of a shared dict. `d[k]` reads an entry, nil if there is none; `d[k] = x` writes it, nil removes it. An
--- entry that is called as a method is, such as "items", is read by `d:get(k)`.
---@class conrun.SharedDict
---@operator len: integer
local SharedDict = {}

--- Reads an entry.
---
--- ```lua
--- local d = conrun.shared.dict { keys = 3 }
--- print(d:get "keys", d:get("none", 0)) --> 3 0
--- ```
---@param k string|number|boolean
---@param default? any what to return if there is none
---@return any x
function SharedDict:get(k, default) end

--- Writes an entry, as `d[k] = x` does; nil removes it.
---
--- ```lua
--- local d = conrun.shared.dict()
--- d:set("items", 2)
--- print(d:get "items") --> 2
--- ```
---@param k string|number|boolean
---@param x any
function SharedDict:set(k, x) end

--- Takes an entry out.
---
--- ```lua
--- local d = conrun.shared.dict { a = 1 }
--- print(d:pop "a", d:pop("a", "gone")) --> 1 gone
--- ```
---@param k string|number|boolean
---@param default? any what to return if there is none
---@return any x
function SharedDict:pop(k, default) end

--- A table of the keys, in no order.
---
--- ```lua
--- local keys = conrun.shared.dict({ b = 1, a = 2 }):keys()
--- table.sort(keys)
--- print(table.concat(keys, " ")) --> a b
--- ```
---@return any[] keys
function SharedDict:keys() end

--- Iterates over `k, x`, in no order; `pairs(d)` is the same. It takes no lock: an entry that is there all the time is
--- seen, one that others write or remove meanwhile may be or not.
---
--- ```lua
--- for key, x in conrun.shared.dict({ a = 1 }):items() do print(key, x) end
--- --> a 1
--- ```
---@return fun(): any, any iterator
function SharedDict:items() end

--- Writes `fn(old)` in one step: nobody can write to the dict between. `fn` gets nil if there is no entry, and removes
--- it by returning nil; it should be quick, since others wait. If it raises, the entry stays as it was.
---
--- ```lua
--- local words = conrun.shared.dict()
--- local function count(word)
---   words:update(word, function(n) return (n or 0) + 1 end)
--- end
--- local pool <close> = conrun.pool.processes(2)
--- pool:map(count, { "the", "cat", "the", "dog", "the" })
--- print(words.the, words.cat, #words) --> 3 1 3
--- ```
---@param k string|number|boolean
---@param fn fun(old: any): any
---@return any new what it returned
function SharedDict:update(k, fn) end

--- Takes all entries out.
---
--- ```lua
--- local d = conrun.shared.dict { a = 1 }
--- d:clear()
--- print(#d) --> 0
--- ```
function SharedDict:clear() end

--- A table with copies of all entries. It takes no lock, see `items`.
---
--- ```lua
--- print(conrun.shared.dict({ a = 1 }):totable().a) --> 1
--- ```
---@return table entries
function SharedDict:totable() end

--- The handle of a shared buffer. Offsets count from 0. Reading and writing take no lock: who reads while another
--- writes may see a part of it.
---@class conrun.SharedBuffer
---@operator len: integer
local SharedBuffer = {}

--- Copies bytes out. Reaching beyond the end is an error.
---
--- ```lua
--- local b = conrun.shared.buffer(4)
--- b:write(0, "abcd")
--- print(b:read(1, 2), b:read()) --> bc abcd
--- ```
---@param offset? integer 0 unless given
---@param n? integer how many; to the end unless given
---@return string bytes
function SharedBuffer:read(offset, n) end

--- Copies bytes in. Reaching beyond the end is an error, and nothing is written then.
---
--- ```lua
--- local b = conrun.shared.buffer(4)
--- b:write(2, "xy")
--- print(b:read(2)) --> xy
--- print(pcall(b.write, b, 3, "xy") == false) --> true
--- ```
---@param offset integer
---@param bytes string
function SharedBuffer:write(offset, bytes) end

--- Its size; `#b` is the same.
---
--- ```lua
--- print(conrun.shared.buffer(100):size()) --> 100
--- ```
---@return integer size in bytes
function SharedBuffer:size() end

--- Its name.
---
--- ```lua
--- print(conrun.shared.buffer(1):name() == nil) --> true
--- ```
---@return string? name nil if it has none
function SharedBuffer:name() end

return shared
