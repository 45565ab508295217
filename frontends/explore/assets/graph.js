"use strict";
// A canvas with a picture that is drawn when something of it changes, and marks on top of it for what is selected.
// Its size is told, not asked for: asking would lay the page out anew in the middle of a change.
class Picture {
  constructor(canvas, redraw) {
    this.canvas = canvas;
    this.under = document.createElement("canvas");
    this.w = canvas.clientWidth;
    this.h = canvas.clientHeight;
    new ResizeObserver(([entry]) => {
      [this.w, this.h] = [entry.contentRect.width, entry.contentRect.height];
      redraw();
    }).observe(canvas);
  }

  // `paint` draws the picture unless it is there for this `key`; then `mark` draws on top.
  draw(key, paint, mark) {
    const ratio = window.devicePixelRatio || 1, size = [Math.round(this.w * ratio), Math.round(this.h * ratio)];
    if (!size[0] || !size[1]) return;
    const whole = [...key, ...size];
    for (const c of [this.canvas, this.under])
      if (c.width !== size[0] || c.height !== size[1]) [c.width, c.height] = size;
    if (!this.key || whole.some((k, i) => k !== this.key[i])) {
      this.key = whole;
      const g = this.under.getContext("2d");
      g.setTransform(ratio, 0, 0, ratio, 0, 0);
      paint(g);
    }
    const g = this.canvas.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.drawImage(this.under, 0, 0);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    mark(g);
  }
}

// The graph: what is out of view is not drawn, and small boxes are drawn without their texts.
class GraphView {
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
    this.picture = new Picture(canvas, () => this.draw());
    this.x = this.y = 0;
    this.scale = 1;
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      this.zoom(Math.exp(-e.deltaY / 400), e.offsetX, e.offsetY);
    }, {passive: false});
    canvas.addEventListener("pointerdown", (e) => {
      this.held = {x: e.offsetX, y: e.offsetY, moved: false};
      canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!this.held) return;
      const dx = e.offsetX - this.held.x, dy = e.offsetY - this.held.y;
      if (!this.held.moved && Math.hypot(dx, dy) < 4) return;
      this.held = {x: e.offsetX, y: e.offsetY, moved: true};
      this.x += dx;
      this.y += dy;
      this.draw();
    });
    canvas.addEventListener("pointerup", (e) => {
      if (this.held && !this.held.moved) {
        const b = this.at(e.offsetX, e.offsetY);
        if (b) page.select(page.part.op[b[0]], b[0], null, true);
      }
      this.held = null;
    });
  }

  show(part) {
    const first = !this.part;
    this.part = part;
    this.boxes = part.boxes;
    if (!part.levels) {  // boxes and wires by the depth of their regions, boxes and their wires by rows
      const depths = part.boxes.reduce((most, b) => Math.max(most, b[2]), 0);
      part.levels = Array.from({length: depths + 1}, () => ({boxes: [], wires: []}));
      part.at = new Map(part.boxes.map((b) => [b[0], {box: b, wires: []}]));
      for (const b of part.boxes) part.levels[b[2]].boxes.push(b);
      for (const wire of part.wires) {
        part.levels[wire[3]].wires.push(wire);
        for (const end of new Set([wire[0], wire[1]])) part.at.get(part.boxes[end][0]).wires.push(wire);
      }
    }
    if (first) this.fit();
    this.draw();
  }

  fit(all = false) {
    const {w, h} = this.picture, [gw, gh] = this.part.size;
    this.scale = Math.min(1, w / (gw + 40), all ? h / (gh + 40) : 1);
    if (!all) this.scale = Math.max(this.scale, 0.35);
    this.x = Math.max(20, (w - gw * this.scale) / 2);
    this.y = 20;
  }

  zoom(factor, x = this.picture.w / 2, y = this.picture.h / 2) {
    const scale = Math.min(4, Math.max(0.01, this.scale * factor)), k = scale / this.scale;
    this.x = x - (x - this.x) * k;
    this.y = y - (y - this.y) * k;
    this.scale = scale;
    this.draw();
  }

  at(px, py) {
    const x = (px - this.x) / this.scale, y = (py - this.y) / this.scale;
    let found = null;
    for (const b of this.boxes)
      if (x >= b[3] && x <= b[3] + b[5] && y >= b[4] && y <= b[4] + b[6] && (!found || b[2] >= found[2])) found = b;
    return found;
  }

  center(row) {
    const b = this.part.at.get(row)?.box;
    if (!b) return;
    const x = (b[3] + b[5] / 2) * this.scale + this.x, y = (b[4] + Math.min(b[6], 40) / 2) * this.scale + this.y;
    const {w, h} = this.picture;
    if (x > 20 && x < w - 20 && y > 20 && y < h - 20 && this.scale > 0.2) return;
    this.scale = Math.max(this.scale, 0.6);
    this.x = w / 2 - (b[3] + b[5] / 2) * this.scale;
    this.y = h / 2 - (b[4] + Math.min(b[6], 40) / 2) * this.scale;
  }

  draw() {
    const {page, part} = this;
    if (part) this.picture.draw([part, this.x, this.y, this.scale, page.dark], (g) => this.paint(g), (g) => this.mark(g));
  }

  paint(g) {
    const {page, part} = this, {w, h} = this.picture, css = page.css;
    g.fillStyle = css("--bg");
    g.fillRect(0, 0, w, h);
    g.translate(this.x, this.y);
    g.scale(this.scale, this.scale);
    const left = -this.x / this.scale, top = -this.y / this.scale, right = left + w / this.scale, bottom = top + h / this.scale;
    for (const {boxes, wires} of part.levels) {
      g.strokeStyle = css("--dim");
      g.lineWidth = Math.max(1, 0.6 / this.scale);
      g.globalAlpha = 0.6;
      g.beginPath();
      for (const wire of wires) {
        const last = wire.length - 1;
        if (Math.max(wire[5], wire[last]) >= top && Math.min(wire[5], wire[last]) <= bottom) this.wire(g, wire);
      }
      g.stroke();
      g.globalAlpha = 1;
      for (const b of boxes) if (b[3] <= right && b[3] + b[5] >= left && b[4] <= bottom && b[4] + b[6] >= top) this.box(g, b, false);
    }
  }

  // What is selected, its wires, and what is alive in memory with it.
  mark(g) {
    const {page, part} = this, css = page.css, alive = page.alive();
    g.translate(this.x, this.y);
    g.scale(this.scale, this.scale);
    const rows = page.selectedRows(part);
    g.strokeStyle = css("--value");
    g.lineWidth = 2 / Math.min(1, this.scale);
    g.beginPath();
    for (const row of rows) for (const wire of part.at.get(row)?.wires ?? []) this.wire(g, wire);
    g.stroke();
    for (const row of rows) if (part.at.has(row)) this.box(g, part.at.get(row).box, true);
    if (alive === null) return;
    g.strokeStyle = css("--heat");
    g.lineWidth = 1 / Math.min(1, this.scale * 1.5);
    g.setLineDash([4, 3]);
    for (const b of this.boxes) if (alive.has(part.op[b[0]])) g.strokeRect(b[3] - 3, b[4] - 3, b[5] + 6, b[6] + 6);
    g.setLineDash([]);
  }

  wire(g, wire) {
    g.moveTo(wire[4], wire[5]);
    for (let i = 6; i < wire.length; i += 2) g.lineTo(wire[i], wire[i + 1]);
  }

  box(g, b, selected) {
    const {page, part} = this, css = page.css, texts = page.texts, dark = page.dark;
    const [row, kind, , x, y, bw, bh, label, type] = b;
    const [fill, border] = page.index.colors[page.index.kinds[kind]], op = part.op[row], change = part.change[row];
    const marks = ["", "--added", "--changed", "--moved"];
    g.fillStyle = selected ? css("--sel") : op >= 0 && change ? css(marks[change]) : dark ? css("--box") : fill;
    g.strokeStyle = texts[type].includes("@cuda") ? "#db2777" : border;
    g.lineWidth = (selected ? 3 : change && op >= 0 ? 2.5 : 1) / Math.min(1, this.scale * 1.5);
    g.beginPath();
    g.roundRect(x, y, bw, selected && part.fold[row] ? Math.min(bh, 32) : bh, 5);  // of a region only the head, not what is in it
    g.fill();
    g.stroke();
    const place = page.place(op);
    if (place !== null) {  // what shares its memory has the same colour
      g.fillStyle = `hsl(${(place * 0.6180339 * 360) % 360} 70% ${dark ? 55 : 50}%)`;
      g.fillRect(x + 1, y + 4, 4, Math.min(bh - 8, 26));
    }
    if (this.scale <= 0.3) return;
    g.font = "11px ui-monospace, Menlo, Consolas, monospace";
    g.fillStyle = css("--fg");
    g.fillText(texts[label], x + 8, y + 14);
    g.fillStyle = css("--dim");
    if (texts[type]) g.fillText(texts[type].slice(0, 34), x + 8, y + 28);
  }
}

// The workspace: time goes to the right, addresses go up; the curve is what is in use.
class ArenaView {
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
    this.memory = page.index.memory;
    this.picture = new Picture(canvas, () => this.draw());
    canvas.addEventListener("click", (e) => {
      const life = this.at(e.offsetX, e.offsetY);
      if (life) page.selectOp(life[0]);
    });
  }

  box(life) {
    const m = this.memory, w = this.picture.w - 12, h = this.picture.h - 22;
    const dx = w / Math.max(1, m.curve.length), k = h / Math.max(1, m.arena);
    return [6 + life[4] * dx, 16 + h - (life[2] + life[3]) * k, Math.max(1.5, (life[5] - life[4] + 1) * dx - 0.5), Math.max(1, life[3] * k)];
  }

  at(px, py) {
    return this.memory.lives.findLast((life) => {
      const [x, y, w, h] = this.box(life);
      return px >= x && px <= x + w && py >= y && py <= y + h;
    });
  }

  draw() {
    this.picture.draw([this.page.dark], (g) => this.paint(g), (g) => this.mark(g));
  }

  paint(g) {
    const {page, memory: m} = this, {w, h} = this.picture;
    g.fillStyle = page.css("--bg");
    g.fillRect(0, 0, w, h);
    g.fillStyle = page.css("--dim");
    g.font = "11px system-ui, sans-serif";
    const text = m.lives.length ? `workspace: ${bytes(m.arena)}, ${bytes(m.peak)} in use at once, ${bytes(m.total)} without sharing` : "no workspace";
    g.fillText(text, 6, 11);
    for (const life of m.lives) {
      g.fillStyle = `hsl(${(life[2] * 0.6180339 * 360) % 360} 60% ${page.dark ? 40 : 70}%)`;
      g.fillRect(...this.box(life));
    }
    this.curve(g);
  }

  curve(g) {
    const {page, memory: m} = this, {w, h} = this.picture;
    g.strokeStyle = page.css("--fg");
    g.beginPath();
    const dx = (w - 12) / Math.max(1, m.curve.length), k = (h - 22) / Math.max(1, m.arena);
    m.curve.forEach((used, i) => {
      g.lineTo(6 + i * dx, h - 6 - used * k);
      g.lineTo(6 + (i + 1) * dx, h - 6 - used * k);
    });
    g.stroke();
  }

  mark(g) {
    const {page, memory: m} = this, {w, h} = this.picture, at = m.order.indexOf(page.selected);
    g.fillStyle = g.strokeStyle = page.css("--heat");
    for (const life of m.lives) if (life[0] === page.selected) g.fillRect(...this.box(life));
    if (at >= 0) g.strokeRect(6 + (at + 0.5) * (w - 12) / Math.max(1, m.curve.length), 14, 0.01, h - 20);
  }
}

const bytes = (n) => n < 1000 ? `${n} B` : n < 1e6 ? `${(n / 1e3).toPrecision(3)} kB` : n < 1e9 ? `${(n / 1e6).toPrecision(3)} MB` : `${(n / 1e9).toPrecision(3)} GB`;
const nanoseconds = (n) => n < 1e3 ? `${Math.round(n)} ns` : n < 1e6 ? `${(n / 1e3).toPrecision(3)} µs` : n < 1e9 ? `${(n / 1e6).toPrecision(3)} ms` : `${(n / 1e9).toPrecision(3)} s`;
