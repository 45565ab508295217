"use strict";
// The page: which step is shown and what is selected. An op keeps its number from step to step, and so stays selected.
const LISTED = 100;  // lines of a kernel that are shown at first
const SHOWN = 4000;  // and characters of an operation
const $ = (id) => document.getElementById(id);

async function unpack(id) {
  const bytes = Uint8Array.from(atob($(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

class Page {
  constructor(index) {
    this.index = index;
    this.texts = index.texts;
    this.parts = new Map();
    this.step = -1;
    this.selected = null;
    this.selectedRow = -1;
    this.uses = null;
    this.dark = matchMedia("(prefers-color-scheme: dark)").matches;
    this.worst = Math.max(1, ...Object.values(index.times).map((t) => t[1] ?? 0));
    this.lives = new Map(index.memory.lives.map((life) => [life[0], life]));
    this.text = new TextView($("text"), $("rows"), this);
    this.graph = new GraphView($("graph"), this);
    this.arena = new ArenaView($("arena"), this);
    this.colors();
    $("name").textContent = "@" + index.name;
    $("slider").max = index.steps.length - 1;
    $("steps").innerHTML = index.steps.map((s, i) =>
      `<button data-i="${i}">${i}. ${escaped(s.title)} <small>${s.ops} ops</small></button>`).join("");
    this.listen();
  }

  // ------------------------------------------------------------ steps
  async show(i) {
    i = Math.min(Math.max(i, 0), this.index.steps.length - 1);
    if (i === this.step) return;
    this.step = i;
    if (!this.parts.has(i)) this.parts.set(i, await unpack(`part-${i}`));
    if (i !== this.step) return;  // another was asked for meanwhile
    const head = this.index.steps[i], part = this.part = this.parts.get(i);
    $("slider").value = i;
    $("slider").setAttribute("aria-valuetext", head.title);
    const [added, changed, moved, removed] = head.changes;
    $("step").textContent = `${i}. ${head.title}: +${added} ~${changed} →${moved} −${removed}`;
    const quiet = head.quiet.length ? `; before it without effect: ${head.quiet.join(", ")}` : "";
    $("summary").textContent = `${head.title}${head.options}${head.ms ? ` in ${head.ms} ms` : ""}: ${head.summary}${quiet}`;
    $("summary").title = $("summary").textContent;
    for (const b of $("steps").children) b.setAttribute("aria-current", Number(b.dataset.i) === i);
    $("steps").children[i].scrollIntoView({block: "nearest", inline: "nearest"});
    const row = this.selected === null ? -1 : part.op.indexOf(this.selected);
    this.uses = row < 0 ? null : this.usesOf(row, null);
    this.text.show(part);
    this.graph.show(part);
    if (row >= 0) this.text.reveal(row), this.graph.center(row), this.graph.draw();
    if (this.text.word) this.find($("search").value);
    this.details(row);
    this.arena.draw();
    document.body.dataset.step = i;
  }

  // ------------------------------------------------------------ what is selected
  select(op, row, name, fromGraph = false) {
    this.selected = op >= 0 ? op : null;
    this.selectedRow = row;
    this.uses = this.usesOf(row, name);
    this.text.reveal(row);
    if (!fromGraph) this.graph.center(row);
    this.graph.draw();
    this.arena.draw();
    this.details(row);
  }

  selectOp(op) {
    const row = this.part.op.indexOf(op);
    if (row >= 0) this.select(op, row, null, true), this.graph.center(row), this.graph.draw();
    else this.selected = op, this.details(-1), this.arena.draw();
  }

  usesOf(row, name) {
    const scope = this.part.scope[row], text = this.texts[this.part.text[row]];
    if (name !== null) return {scope, names: new Set([name])};
    const equals = text.indexOf(" = ");
    if (this.part.op[row] < 0 || equals < 0) return null;
    return {scope, names: new Set(text.slice(0, equals).split(", "))};
  }

  // The lines of what is selected: one, or two where a pass has replaced an op and its old line is shown too.
  selectedRows(part) {
    if (this.selected === null) return this.selectedRow > 0 ? [this.selectedRow] : [];
    if (!part.rows) {
      part.rows = new Map();
      part.op.forEach((op, row) => op >= 0 && (part.rows.get(op)?.push(row) ?? part.rows.set(op, [row])));
    }
    return part.rows.get(this.selected) ?? [];
  }

  // An op inside of a kernel has the time and the code of the kernel: a number below zero says which.
  of(table, op) {
    const found = table[op];
    return found && found[0] < 0 ? table[-1 - found[0]] : found;
  }

  heat(op) {
    const t = this.index.times[op];
    return t && t[0] >= 0 && t.length > 1 ? t[1] / this.worst : 0;
  }

  place(op) {
    return this.lives.get(op)?.[2] ?? null;
  }

  alive() {
    const life = this.selected === null ? undefined : this.lives.get(this.selected);
    return life === undefined ? null : new Set(this.index.memory.order.slice(life[4], life[5] + 1));
  }

  details(row) {
    const {index, texts, part, selected: op} = this, out = [];
    const add = (title, html) => out.push(`<h2>${title}</h2>${html}`);
    const pre = (text) => `<pre>${escaped(text)}</pre>`;
    if (row < 0 && op === null) return;
    if (row < 0) {
      add("Operation", "<p>It is not in this step: a pass has made it or removed it.</p>");
    } else {
      const text = texts[part.text[row]], rest = text.length - SHOWN;
      add("Operation", pre(text.slice(0, SHOWN)) + (rest > 0 ? `<button data-t="${part.text[row]}">${rest} more characters</button>` : ""));
      const what = ["", "added by this pass", "changed by this pass", "moved by this pass", "removed by this pass"][part.change[row]];
      if (what) add("Change", `<p>${what}</p>` + (part.was[row] >= 0 ? pre(texts[part.was[row]].slice(0, SHOWN)) : ""));
      if (part.loc[row] >= 0) {
        const [file, line, lines] = index.locs[part.loc[row]], first = Math.max(1, line - 2);
        const marked = lines.map((l, i) => {
          const text = `${String(first + i).padStart(5)}  ${escaped(l)}`;
          return first + i === line ? `<mark>${text}</mark>` : text;
        });
        add(`<span id="loc">${escaped(file)}:${line}</span>`, `<pre>${marked.join("\n")}</pre>`);
      }
      if (part.cost[row] >= 0) add("Cost", `<p>${escaped(texts[part.cost[row]])}</p>`);
    }
    const time = this.of(index.times, op), kernels = this.of(index.kernels, op), life = this.lives.get(op);
    const inside = index.times[op]?.[0] < 0 || index.kernels[op]?.[0] < 0 ? " (of the kernel that holds it)" : "";
    if (time && time[0]) {
      const share = (100 * time[1] / index.callNs).toFixed(1);
      add("Measured" + inside, `<p id="time">${nanoseconds(time[1] / time[0])} each time, ${share} % of the function; ${time[0]} times in ${index.calls} calls</p>`);
    }
    if (life) add("Memory", `<p>%${escaped(texts[life[1]].slice(1))}: ${bytes(life[3])} at arena+${life[2]}, from op ${life[4]} to ${life[5]}${life[6] ? ", over an operand" : ""}</p>`);
    for (const k of kernels ?? []) {
      const lines = texts[index.code[k]].split("\n"), more = lines.length > LISTED ? `<button data-k="${k}">all ${lines.length} lines</button>` : "";
      add(`Kernel ${escaped(texts[k])}${inside}`, `<pre class="kernel">${escaped(lines.slice(0, LISTED).join("\n"))}</pre>${more}`);
    }
    $("details").innerHTML = out.join("");
    for (const b of $("details").querySelectorAll("button"))
      b.onclick = () => { b.previousSibling.textContent = texts[b.dataset.t ?? index.code[b.dataset.k]]; b.remove(); };
    $("details").scrollTop = 0;
  }

  // ------------------------------------------------------------ search and moves
  find(word) {
    this.text.search(word);
    this.hit = -1;
    $("hits").textContent = word ? `${this.text.hits.length} found` : "";
  }

  nextHit(by) {
    const hits = this.text.hits ?? [];
    if (!hits.length) return;
    this.hit = this.hit < 0 && by < 0 ? hits.length - 1 : (this.hit + by + hits.length) % hits.length;
    $("hits").textContent = `${this.hit + 1} of ${hits.length}`;
    this.go(hits[this.hit]);
  }

  go(row) {
    this.select(this.part.op[row], row, null);
  }

  move(by) {
    const rows = this.text.visible, at = rows.indexOf(this.currentRow());
    const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
    this.go(rows[next]);
  }

  currentRow() {
    return this.selected === null ? this.selectedRow : this.part.op.indexOf(this.selected);
  }

  nextChange(by) {
    const {change} = this.part, n = change.length;
    let r = this.currentRow();
    if (r < 0 && by < 0) r = n;
    for (r += by; r >= 0 && r < n; r += by)
      if (change[r] && r > 0 && (this.text.removed || change[r] !== 4)) return this.go(r);
  }

  neighbour(back) {
    const row = this.currentRow(), {boxes, wires} = this.part, [here, there] = back ? [1, 0] : [0, 1];
    const box = boxes.findIndex((b) => b[0] === row), wire = wires.find((w) => w[here] === box);
    if (wire) this.go(boxes[wire[there]][0]);
  }

  toggle(id) {
    const on = $(id).getAttribute("aria-pressed") !== "true";
    $(id).setAttribute("aria-pressed", on);
    this.text[id === "changed" ? "onlyChanges" : "removed"] = on;
    this.text.layout();
  }

  // ------------------------------------------------------------ looks
  colors() {
    document.documentElement.classList.toggle("dark", this.dark);
    const style = getComputedStyle(document.documentElement), known = new Map();
    this.css = (name) => {
      if (!known.has(name)) known.set(name, style.getPropertyValue(name).trim());
      return known.get(name);
    };
    if (this.part) this.graph.draw(), this.arena.draw();
  }

  listen() {
    $("slider").addEventListener("input", (e) => this.show(Number(e.target.value)));
    $("steps").addEventListener("click", (e) => e.target.closest("button") && this.show(Number(e.target.closest("button").dataset.i)));
    $("back").onclick = () => this.show(this.step - 1);
    $("forth").onclick = () => this.show(this.step + 1);
    $("search").addEventListener("input", (e) => this.find(e.target.value));
    $("search").addEventListener("keydown", (e) => {
      if (e.key === "Enter") this.nextHit(e.shiftKey ? -1 : 1);
      if (e.key === "Escape") $("text").focus();
    });
    $("removed").onclick = () => this.toggle("removed");
    $("changed").onclick = () => this.toggle("changed");
    $("theme").onclick = () => { this.dark = !this.dark; this.colors(); };
    $("help").onclick = () => $("keys").showModal();
    const keys = {
      ArrowLeft: () => this.show(this.step - 1), "[": () => this.show(this.step - 1),
      ArrowRight: () => this.show(this.step + 1), "]": () => this.show(this.step + 1),
      Home: () => this.show(0), End: () => this.show(Infinity), ArrowUp: () => this.move(-1), ArrowDown: () => this.move(1),
      c: () => this.nextChange(1), C: () => this.nextChange(-1), n: () => this.nextHit(1), N: () => this.nextHit(-1),
      Enter: () => { const r = this.currentRow(); if (this.part.fold[r]) this.text.toggle(r); },
      f: () => this.text.toggleAll(), "/": () => $("search").focus(), u: () => this.neighbour(true), d: () => this.neighbour(false),
      "+": () => this.graph.zoom(1.25), "-": () => this.graph.zoom(0.8), 0: () => { this.graph.fit(true); this.graph.draw(); },
      o: () => this.toggle("changed"), r: () => this.toggle("removed"), t: () => $("theme").click(), "?": () => $("keys").showModal(),
      Escape: () => { this.selected = null; this.selectedRow = -1; this.uses = null; $("details").innerHTML = ""; this.text.draw(); this.graph.draw(); this.arena.draw(); },
    };
    document.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.target.id === "search" || $("keys").open) return;
      if (e.key === "Enter" && e.target.tagName === "BUTTON") return;
      const action = keys[e.key];
      if (action) e.preventDefault(), action();
    });
    addEventListener("beforeprint", () => this.text.draw(true));
    addEventListener("afterprint", () => this.text.draw());
    addEventListener("resize", () => this.text.draw());
  }
}

const escaped = (s) => s.replace(/[&<>"]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);

unpack("index").then(async (index) => {
  const page = globalThis.page = new Page(index);
  await page.show(0);
  document.body.dataset.ready = Math.round(performance.now());  // milliseconds since the page was asked for
});
