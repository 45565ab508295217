"use strict";
// The graph on a canvas: what is out of view is not drawn, and small boxes are drawn without their texts.
class GraphView {
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
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
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(part) {
    const first = !this.part;
    this.part = part;
    this.boxes = part.boxes;
    this.depths = part.boxes.reduce((most, b) => Math.max(most, b[2]), 0);
    if (first) this.fit();
    this.draw();
  }

  fit(all = false) {
    const {clientWidth: w, clientHeight: h} = this.canvas, [gw, gh] = this.part.size;
    this.scale = Math.min(1, w / (gw + 40), all ? h / (gh + 40) : 1);
    if (!all) this.scale = Math.max(this.scale, 0.35);
    this.x = Math.max(20, (w - gw * this.scale) / 2);
    this.y = 20;
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
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
    const b = this.boxes.find((b) => b[0] === row);
    if (!b) return;
    const x = (b[3] + b[5] / 2) * this.scale + this.x, y = (b[4] + Math.min(b[6], 40) / 2) * this.scale + this.y;
    const {clientWidth: w, clientHeight: h} = this.canvas;
    if (x > 20 && x < w - 20 && y > 20 && y < h - 20 && this.scale > 0.2) return;
    this.scale = Math.max(this.scale, 0.6);
    this.x = w / 2 - (b[3] + b[5] / 2) * this.scale;
    this.y = h / 2 - (b[4] + Math.min(b[6], 40) / 2) * this.scale;
  }

  draw() {
    const {canvas, page, part} = this;
    if (!part) return;
    const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== w * ratio || canvas.height !== h * ratio) [canvas.width, canvas.height] = [w * ratio, h * ratio];
    const g = canvas.getContext("2d"), css = page.css;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = css("--bg");
    g.fillRect(0, 0, w, h);
    g.translate(this.x, this.y);
    g.scale(this.scale, this.scale);
    const left = -this.x / this.scale, top = -this.y / this.scale, right = left + w / this.scale, bottom = top + h / this.scale;
    const texts = page.texts, names = this.scale > 0.3, dark = page.dark, alive = page.alive();
    const marks = ["", css("--added"), css("--changed"), css("--moved")];
    g.font = "11px ui-monospace, Menlo, Consolas, monospace";
    for (let d = 0; d <= this.depths; d++) {
      g.strokeStyle = css("--dim");
      g.lineWidth = Math.max(1, 0.6 / this.scale);
      g.globalAlpha = 0.6;
      g.beginPath();
      const strong = new Path2D();
      for (const wire of part.wires) {
        if (wire[3] !== d) continue;
        const last = wire.length - 1;
        if (Math.max(wire[5], wire[last]) < top || Math.min(wire[5], wire[last]) > bottom) continue;
        const own = page.isSelected(part, this.boxes[wire[0]][0]) || page.isSelected(part, this.boxes[wire[1]][0]);
        const path = own ? strong : g;
        path.moveTo(wire[4], wire[5]);
        for (let i = 6; i < wire.length; i += 2) path.lineTo(wire[i], wire[i + 1]);
      }
      g.stroke();
      g.globalAlpha = 1;
      g.strokeStyle = css("--value");
      g.lineWidth = 2 / Math.min(1, this.scale);
      g.stroke(strong);
      for (const b of this.boxes) {
        const [row, kind, depth, x, y, bw, bh, label, type] = b;
        if (depth !== d || x > right || x + bw < left || y > bottom || y + bh < top) continue;
        const [fill, border] = page.index.colors[page.index.kinds[kind]], op = part.op[row], change = part.change[row];
        const selected = page.isSelected(part, row) && (op >= 0 || row !== 0);
        const onDevice = texts[type].includes("@cuda");
        g.fillStyle = selected ? css("--sel") : op >= 0 && change ? marks[change] : dark ? css("--box") : fill;
        g.strokeStyle = onDevice ? "#db2777" : border;
        g.lineWidth = (selected ? 3 : change && op >= 0 ? 2.5 : 1) / Math.min(1, this.scale * 1.5);
        g.beginPath();
        g.roundRect(x, y, bw, bh, 5);
        g.fill();
        g.stroke();
        const place = page.place(op);
        if (place !== null) {  // what shares its memory has the same colour
          g.fillStyle = `hsl(${(place * 0.6180339 * 360) % 360} 70% ${dark ? 55 : 50}%)`;
          g.fillRect(x + 1, y + 4, 4, Math.min(bh - 8, 26));
        }
        if (alive !== null && op >= 0 && alive.has(op)) {
          g.strokeStyle = css("--heat");
          g.setLineDash([4, 3]);
          g.strokeRect(x - 3, y - 3, bw + 6, bh + 6);
          g.setLineDash([]);
        }
        if (!names) continue;
        g.fillStyle = css("--fg");
        g.fillText(texts[label], x + 8, y + 14);
        g.fillStyle = css("--dim");
        if (texts[type]) g.fillText(texts[type].slice(0, 34), x + 8, y + 28);
      }
    }
  }
}

// The workspace: time goes to the right, addresses go up; the curve is what is in use.
class ArenaView {
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
    this.memory = page.index.memory;
    canvas.addEventListener("click", (e) => {
      const life = this.at(e.offsetX, e.offsetY);
      if (life) page.selectOp(life[0]);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  box(life) {
    const m = this.memory, w = this.canvas.clientWidth - 12, h = this.canvas.clientHeight - 22;
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
    const {canvas, page, memory: m} = this, ratio = window.devicePixelRatio || 1;
    const w = canvas.clientWidth, h = canvas.clientHeight;
    [canvas.width, canvas.height] = [w * ratio, h * ratio];
    const g = canvas.getContext("2d");
    g.scale(ratio, ratio);
    g.fillStyle = page.css("--bg");
    g.fillRect(0, 0, w, h);
    g.fillStyle = page.css("--dim");
    g.font = "11px system-ui, sans-serif";
    const text = m.lives.length ? `workspace: ${bytes(m.arena)}, ${bytes(m.peak)} in use at once, ${bytes(m.total)} without sharing` : "no workspace";
    g.fillText(text, 6, 11);
    for (const life of m.lives) {
      const [x, y, bw, bh] = this.box(life);
      g.fillStyle = life[0] === page.selected ? page.css("--heat") : `hsl(${(life[2] * 0.6180339 * 360) % 360} 60% ${page.dark ? 40 : 70}%)`;
      g.fillRect(x, y, bw, bh);
    }
    g.strokeStyle = page.css("--fg");
    g.beginPath();
    const dx = (w - 12) / Math.max(1, m.curve.length), k = (h - 22) / Math.max(1, m.arena);
    m.curve.forEach((used, i) => {
      g.lineTo(6 + i * dx, h - 6 - used * k);
      g.lineTo(6 + (i + 1) * dx, h - 6 - used * k);
    });
    g.stroke();
    const at = m.order.indexOf(page.selected);
    if (at >= 0) {
      g.strokeStyle = page.css("--heat");
      g.strokeRect(6 + (at + 0.5) * dx, 14, 0.01, h - 20);
    }
  }
}

const bytes = (n) => n < 1000 ? `${n} B` : n < 1e6 ? `${(n / 1e3).toPrecision(3)} kB` : n < 1e9 ? `${(n / 1e6).toPrecision(3)} MB` : `${(n / 1e9).toPrecision(3)} GB`;
const nanoseconds = (n) => n < 1e3 ? `${Math.round(n)} ns` : n < 1e6 ? `${(n / 1e3).toPrecision(3)} µs` : n < 1e9 ? `${(n / 1e6).toPrecision(3)} ms` : `${(n / 1e9).toPrecision(3)} s`;
