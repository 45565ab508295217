"use strict";
// The program as lines: only those in view are in the page, so that its length does not matter.
const ROW = 18;
const LONG = 1000;  // characters of a line that are shown: the first line of a large model has 300,000
const TOKEN = /(%[\w.]+)|(@[\w.]+)|("(?:[^"\\]|\\.)*")|\b((?:bool|complex\d+|[fiuc]\d+|bf16)\[[^\]]*\](?:@\w+)?)|([\w.]+)(?=\()|(?<![\w.%@])(-?\d[\w.+-]*)/g;
const CLASSES = ["v", "s", "q", "t", "o", "m"];

class TextView {
  constructor(element, rows, page) {
    this.element = element;
    this.rows = rows;
    this.page = page;
    this.folded = new Set();  // numbers of ops; -1 is the function
    this.onlyChanges = false;
    this.removed = true;
    this.word = "";
    element.addEventListener("scroll", () => this.draw());
    rows.addEventListener("click", (e) => this.click(e));
  }

  show(part) {
    this.part = part;
    let widest = 0;
    for (let i = 0; i < part.text.length; i++) widest = Math.max(widest, Math.min(LONG, this.page.texts[part.text[i]].length) + 2 * part.depth[i]);
    this.width = widest * 7.3 + 110;
    this.layout();
  }

  layout() {
    const p = this.part, out = [];
    for (let i = 0; i < p.text.length; i++) {
      const gone = p.change[i] === 4;
      if (!(gone && !this.removed) && !(this.onlyChanges && !p.change[i] && p.depth[i] > 0)) out.push(i);
      if (p.fold[i] && this.folded.has(p.op[i])) i = p.fold[i] - 1;
    }
    this.visible = out;
    this.rows.style.height = out.length * ROW + "px";
    this.rows.style.width = this.width + "px";
    this.draw();
  }

  draw(all = false) {
    const top = Math.max(0, Math.floor(this.element.scrollTop / ROW) - 10);
    const count = Math.ceil(this.element.clientHeight / ROW) + 20;
    const rows = all ? this.visible : this.visible.slice(top, top + count);
    this.rows.innerHTML = rows.map((r, k) => this.line(r, all ? k : top + k)).join("");
  }

  line(r, at) {
    const p = this.part, page = this.page, op = p.op[r];
    const selected = op >= 0 ? op === page.selected : page.selected === null && r === page.selectedRow;
    const fold = p.fold[r] ? (this.folded.has(op) ? "▸" : "▾") : p.change[r] ? " +~→−"[p.change[r]] : " ";
    const heat = page.heat(op);
    const cls = `row c${p.change[r]}` + (selected ? " sel" : "");
    return `<div class="${cls}" data-r="${r}" style="top:${at * ROW}px"><span class="n">${r + 1}</span>` +
      `<span class="g">${fold}</span><span class="h" style="--w:${(100 * heat).toFixed(1)}%"></span> ` +
      "  ".repeat(p.depth[r]) + this.colored(this.excerpt(page.texts[p.text[r]]), p.scope[r]) + "</div>";
  }

  // A long line from its beginning, or from just before what is looked for.
  excerpt(text) {
    if (text.length <= LONG) return text;
    const hit = this.word ? text.toLowerCase().indexOf(this.word) : -1, start = hit < LONG / 2 ? 0 : hit - 100;
    const end = start + LONG;
    return (start ? "… " : "") + text.slice(start, end) + (end < text.length ? ` … ${text.length - end} more characters` : "");
  }

  colored(text, scope) {
    const uses = this.page.uses;
    let out = "", last = 0;
    const plain = (s) => this.found(s);
    for (const m of text.matchAll(TOKEN)) {
      out += plain(text.slice(last, m.index));
      const k = m.slice(1).findIndex((x) => x !== undefined);
      const use = k < 2 && uses !== null && uses.scope === scope && uses.names.has(m[0]) ? " use" : "";
      out += `<span class="${CLASSES[k]}${use}">${plain(m[0])}</span>`;
      last = m.index + m[0].length;
    }
    return out + plain(text.slice(last));
  }

  found(text) {
    const safe = (s) => s.replace(/[&<>]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;"})[c]);
    if (!this.word) return safe(text);
    const low = text.toLowerCase();
    let out = "", at = 0, i;
    while ((i = low.indexOf(this.word, at)) >= 0) {
      out += safe(text.slice(at, i)) + `<span class="hit">${safe(text.slice(i, i + this.word.length))}</span>`;
      at = i + this.word.length;
    }
    return out + safe(text.slice(at));
  }

  click(e) {
    const row = e.target.closest(".row");
    if (!row) return;
    const r = Number(row.dataset.r);
    if (e.target.classList.contains("g") && this.part.fold[r]) return this.toggle(r);
    const name = e.target.closest(".v, .s");
    this.page.select(this.part.op[r], r, name ? name.textContent : null);
  }

  toggle(r) {
    const op = this.part.op[r];
    this.folded.has(op) ? this.folded.delete(op) : this.folded.add(op);
    this.layout();
  }

  toggleAll() {
    const ops = this.part.op.filter((op, r) => this.part.fold[r] && op >= 0);
    const close = !ops.every((op) => this.folded.has(op));
    for (const op of ops) close ? this.folded.add(op) : this.folded.delete(op);
    this.layout();
  }

  reveal(r) {
    const p = this.part;
    let hidden = false;
    for (let i = 0; i < r; i++) if (p.fold[i] > r && this.folded.delete(p.op[i])) hidden = true;
    if (hidden) this.layout();
    if (this.onlyChanges && !p.change[r]) this.page.toggle("changed");
    const at = this.visible.indexOf(r) * ROW, view = this.element;
    if (at < view.scrollTop || at > view.scrollTop + view.clientHeight - 2 * ROW)
      view.scrollTop = Math.max(0, at - view.clientHeight / 2);
    this.draw();
  }

  search(word) {
    this.word = word.toLowerCase();
    const p = this.part, texts = this.page.texts;
    this.hits = [];
    if (this.word)
      for (let i = 0; i < p.text.length; i++)
        if (texts[p.text[i]].toLowerCase().includes(this.word) && (this.removed || p.change[i] !== 4)) this.hits.push(i);
    this.draw();
  }
}
