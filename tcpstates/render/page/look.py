"""The style and the script of the page. Without the script, everything is shown."""

from __future__ import annotations

STYLE = """
body{font-family:system-ui,sans-serif;line-height:1.45;margin:0 auto;padding:0 1em 4em;
max-width:100em}
svg{max-width:100%;height:auto}
a{color:#1864ab}code,pre,.step td{font-family:ui-monospace,Menlo,Consolas,monospace}
pre{overflow-x:auto;padding:.6em;border:1px solid #868e96}
td,th{padding:.15em .9em .15em 0;text-align:left;vertical-align:top}
.number{text-align:right}
dt{font-weight:600;margin-top:.5em}dd{margin-left:1.5em}
nav a{margin-right:1em}summary{cursor:pointer;padding:.2em 0}
section section{border-top:1px solid #868e9688;padding-top:.2em}
.wide{overflow-x:auto}.step td:nth-child(2){text-align:center;min-width:18em}
.step .act{font-family:system-ui,sans-serif}.now{outline:2px solid #d9480f}
section:target>h3,details:target>summary{background:#ffd43b55}
@media(min-width:78em){main{display:grid;
grid-template-columns:minmax(0,44em) minmax(0,1fr);
column-gap:2em}#drawing{position:sticky;top:0;align-self:start;height:100vh}
#drawing svg{max-height:88vh}}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e9ecef}
a{color:#74c0fc}}
@media print{details{display:block}.steps-buttons{display:none}}
"""

# A link to a closed <details> opens it. Sequences get buttons, and show in the drawing
# in which states both sides are.
SCRIPT = """
"use strict";
const boxes = name => document.querySelectorAll(`[data-state="${name}"]`);
function reveal() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place) return;
  if (place.tagName === "DETAILS") place.open = true;
  for (const lit of document.querySelectorAll(".lit, .faded"))
    lit.setAttribute("class", "usual");
  if (!place.classList.contains("state")) return;
  for (const way of document.querySelectorAll("[data-from]")) {
    const own = [way.dataset.from, way.dataset.to].includes(place.id);
    way.setAttribute("class", own ? "lit" : "faded");
  }
  for (const box of boxes(place.id)) box.setAttribute("class", "lit");
}
function mark(row) {
  for (const old of document.querySelectorAll(".now")) old.classList.remove("now");
  if (!row) return;
  row.classList.add("now");
  for (const name of [row.dataset.client, row.dataset.server])
    for (const box of boxes(name)) box.classList.add("now");
}
function button(text, label, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", action);
  return made;
}
for (const table of document.querySelectorAll("table.step")) {
  const rows = [...table.tBodies[0].rows];
  let shown = rows.length;
  const show = number => {
    shown = Math.max(1, Math.min(rows.length, number));
    rows.forEach((row, place) => { row.hidden = place >= shown; });
    mark(rows[shown - 1]);
  };
  const bar = document.createElement("p");
  bar.className = "steps-buttons";
  bar.append(
    button("From the start", "Show only the start", () => show(1)), " ",
    button("Back", "One step back", () => show(shown - 1)), " ",
    button("Next", "One step on", () => show(shown + 1)), " ",
    button("All", "Show all steps", () => { show(rows.length); mark(null); }));
  table.before(bar);
}
addEventListener("hashchange", reveal);
reveal();
"""
