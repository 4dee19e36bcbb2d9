-- SPDX-License-Identifier: MIT
--
-- style: how the page of a timeline looks, by day and by night.

return [[
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1d232b; --dim: #5c6672; --line: #d9dee4; --lane: #f4f6f8;
  --task: #2f77c4; --wait: #d9822b; --idle: #d5dbe1; --span: #5b9a68; --call: #8a63c0;
  --hold: #b3423f; --fail: #c22f3d; --path: #d6219c; --mark: #1d232b; --on: #ffffff; --curve: #a5c9ac;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14181d; --text: #e4e8ec; --dim: #9aa4af; --line: #323a43; --lane: #1b2027;
    --task: #4b93e0; --wait: #e09a4d; --idle: #333c46; --span: #62ab72; --call: #a583d8;
    --hold: #e0706c; --fail: #f0616e; --path: #ff5cc6; --mark: #e4e8ec; --on: #0d1014; --curve: #3c6145;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 12px 16px 32px; background: var(--back); color: var(--text);
  font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 18px; margin: 0; }
p { margin: 4px 0 10px; }
#facts, #legend { color: var(--dim); }
#facts b { color: var(--fail); font-weight: 600; }
#tools { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 8px 0; }
#search { flex: 1 1 140px; max-width: 320px; }
#found { color: var(--dim); min-width: 5em; }
input, button { font: inherit; color: inherit; background: var(--lane); border: 1px solid var(--line);
  border-radius: 5px; padding: 4px 9px; }
button[aria-pressed="true"] { border-color: var(--path); color: var(--path); }
:focus-visible { outline: 2px solid var(--task); outline-offset: 1px; }
#lanes { position: relative; overflow-y: auto; overflow-x: hidden; max-height: 65vh; border: 1px solid var(--line);
  border-radius: 5px; }
#canvas { position: sticky; top: 0; display: block; width: 100%; cursor: crosshair; touch-action: pan-y; }
#detail { min-height: 3.2em; padding: 6px 2px; overflow-wrap: anywhere; }
#detail b { font-weight: 600; }
#detail span { color: var(--dim); }
#legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 4px 0 12px; }
#legend i:first-child { margin-left: 0; }
details { margin: 10px 0; }
summary { font-weight: 600; cursor: pointer; }
.table { overflow-x: auto; }
table { border-collapse: collapse; margin: 6px 0; white-space: nowrap; }
th, td { padding: 3px 12px 3px 0; text-align: right; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th { color: var(--dim); font-weight: 500; }
th:first-child, td:first-child { text-align: left; }
td.bar { width: 180px; min-width: 120px; }
td.bar div { display: flex; height: 11px; border-radius: 2px; overflow: hidden; background: var(--lane); }
td.bad { color: var(--fail); }
kbd { border: 1px solid var(--line); border-radius: 3px; padding: 0 4px; background: var(--lane); font-size: 12px; }
]]
