"use strict";
// Text from the history is only ever set as textContent.
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let chosen = null, shown = null;
if (location.search) history.replaceState(null, "", location.pathname);  // the token is a cookie now

function make(name, fields = {}, ...children) {
  const element = document.createElement(name);
  Object.assign(element, fields);
  element.append(...children);
  return element;
}

function draw(name, fields, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(fields)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const number = (value) => (value === null || value === undefined ? "–" : Number(value).toPrecision(3));
const when = (seconds) => new Date(1000 * seconds).toLocaleString();
const section = (row) => `${row.machine}, section ${String(row.section).padStart(2, "0")}`;

async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function showSections() {
  const rows = await get("api/sections");
  const focused = document.activeElement && document.activeElement.dataset.key;
  $("sections").replaceChildren(...rows.map((row) => {
    const key = JSON.stringify([row.machine, row.section]);
    const button = make("button", { type: "button", className: row.level },
      make("span", { className: "level", textContent: row.level }),
      make("strong", { textContent: section(row) }),
      make("br"),
      make("small", { textContent: `${row.clips} clips` + (row.last ? `, last ${when(row.last.time)}` : "") }),
      strip(row.recent, row.warning_p));
    button.dataset.key = key;
    button.setAttribute("aria-pressed", String(key === chosen));
    button.addEventListener("click", () => { chosen = key; shown = null; refresh(true); });
    return make("li", {}, button);
  }));
  const again = [...document.querySelectorAll("#sections button")].find((b) => b.dataset.key === focused);
  if (again) again.focus();
  return rows;
}

// p-values of the last clips: the higher the bar, the more anomalous.
function strip(values, level) {
  const svg = draw("svg", { viewBox: "0 0 60 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  values.forEach((p, i) => {
    const height = Math.min(20, 1 + 6 * -Math.log10(Math.max(p, 1e-4)));
    svg.append(draw("rect", { x: i, y: 20 - height, width: 0.8, height, fill: p <= level ? "var(--alarm)" : "var(--dim)" }));
  });
  return svg;
}

function range(clips) {
  const values = clips.flatMap((c) => [c.score, c.smoothed]).filter((v) => v !== null);
  return [Math.min(...values), Math.max(...values)];
}

function curve(clips, level) {
  const [low, high] = range(clips), span = high - low || 1;
  const x = (i) => 10 + 980 * i / Math.max(1, clips.length - 1), y = (v) => 190 - 180 * (v - low) / span;
  const svg = draw("svg", { viewBox: "0 0 1000 200", preserveAspectRatio: "none", role: "img",
    "aria-label": `Scores of the last ${clips.length} clips, from ${number(low)} to ${number(high)}` });
  const line = (field, colour, width) => draw("polyline", { fill: "none", stroke: colour, "stroke-width": width,
    "vector-effect": "non-scaling-stroke",
    points: clips.map((c, i) => [i, c[field]]).filter(([, v]) => v !== null).map(([i, v]) => `${x(i)},${y(v)}`).join(" ") });
  svg.append(line("score", "var(--dim)", 1), line("smoothed", "var(--smooth)", 2));
  clips.forEach((c, i) => {
    if (c.level !== "normal") {
      svg.prepend(draw("rect", { x: x(i - 0.5), y: 0, width: 980 / Math.max(1, clips.length - 1), height: 200,
        fill: `var(--${c.level})`, opacity: 0.2 }));
    }
    if (c.p <= level) {  // a dot, as large on a narrow screen
      svg.append(draw("path", { d: `M${x(i)} ${y(c.score)}h0.01`, stroke: "var(--alarm)", "stroke-width": 8,
        "stroke-linecap": "round", "vector-effect": "non-scaling-stroke" }));
    }
  });
  return svg;
}

function clipButton(row) {
  const facts = [when(row.time), `p ${number(row.p)}`, `score ${number(row.score)}`];
  if (row.acknowledged) facts.push(`acknowledged: ${row.acknowledged}`);
  if (!row.evidence) facts.push("held back");
  const button = make("button", { type: "button", className: row.level },
    make("span", { className: "level", textContent: row.level }),
    make("strong", { textContent: row.name }), make("small", { textContent: facts.join(" · ") }));
  button.dataset.clip = row.id;
  button.addEventListener("click", () => { shown = row.id; showClip(true); });
  return make("li", {}, button);
}

async function showSection(rows, move) {
  const row = rows.find((r) => JSON.stringify([r.machine, r.section]) === chosen);
  $("section").hidden = !row;
  if (!row) return;
  const clips = await get(`api/section?machine=${encodeURIComponent(row.machine)}&section=${row.section}`);
  $("section-name").textContent = section(row);
  const facts = [`${row.clips} clips`];
  if (row.drift) facts.push(`drift: p ${number(row.drift.p)}${row.drift.warning ? ", the sound has changed" : ""}`);
  if (row.look_back) facts.push(`looking back: ${row.look_back.choice}${row.look_back.joins ? ", part of the evidence" : ""}`);
  $("section-facts").textContent = facts.join(" · ");
  $("hit").textContent = `p at most ${number(row.warning_p)}, a hit towards a warning`;
  $("range").textContent = `last ${clips.length} clips, ${range(clips).map(number).join(" to ")}`;
  $("curve").replaceChildren(curve(clips, row.warning_p));
  const stood = clips.filter((c) => c.p <= row.warning_p || c.level === "alarm").slice(-8).reverse();
  const last = clips.slice(-5).reverse().filter((c) => !stood.includes(c));
  const focused = document.activeElement && document.activeElement.dataset.clip;
  $("clips").replaceChildren(...stood.map(clipButton), ...last.map(clipButton));
  const again = [...document.querySelectorAll("#clips button")].find((b) => b.dataset.clip === focused);
  if (again) again.focus();
  if (move) $("section-name").focus();
}

function paint(canvas, levels) {
  const bands = 64, frames = levels.length / bands;
  canvas.width = frames; canvas.height = bands;
  const context = canvas.getContext("2d"), image = context.createImageData(frames, bands);
  for (let b = 0; b < bands; b++) for (let f = 0; f < frames; f++) {
    const v = levels[b * frames + f] / 255, at = 4 * ((bands - 1 - b) * frames + f);
    image.data[at] = 255 * Math.min(1, 1.6 * v);
    image.data[at + 1] = 255 * Math.max(0, 1.5 * v - 0.5) ** 1.3;
    image.data[at + 2] = 255 * (v < 0.5 ? 0.9 * v : 0.9 - 0.9 * v + Math.max(0, 2 * v - 1.2));
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function sound(row, caption) {
  const canvas = make("canvas"), figure = make("figure", {}, canvas);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Spectrogram of ${row.name}`);
  figure.append(make("audio", { controls: true, preload: "none", src: `api/clip/${row.id}/sound` }),
    make("figcaption", { textContent: caption }));
  fetch(`api/clip/${row.id}/mel`).then(async (answer) => {
    if (answer.ok) paint(canvas, new Uint8Array(await answer.arrayBuffer()));
    else canvas.replaceWith(make("p", { textContent: "The recording is no longer there." }));
    figure.dataset.ready = "yes";
  });
  return figure;
}

async function showClip(move) {
  $("clip").hidden = shown === null;
  if (shown === null) return;
  const row = await get(`api/clip/${shown}`);
  $("clip-name").textContent = row.name;
  const facts = { Machine: section(row), Time: when(row.time), "Level after it": row.level,
    "p, combined": number(row.p), "p, score": number(row.p_score), "p, distance": number(row.p_distance),
    Score: number(row.score), "Gamma quantile": number(row.gamma),
    Evidence: row.evidence ? "counts for others" : "held back", Acknowledged: row.acknowledged || "no" };
  $("clip-facts").replaceChildren(...Object.entries(facts).map(([name, value]) =>
    make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }))));
  if ($("clip").dataset.number !== String(shown)) {
    $("clip-sound").replaceChildren(sound(row, row.name));
    $("neighbors").replaceChildren(...row.neighbors.map((other) =>
      sound(other, `${other.name}, distance ${number(other.distance)}, ${other.acknowledged || other.level}`)));
    if (!row.neighbors.length) $("neighbors").textContent = "No neighbours yet.";
    $("answer").textContent = "";
  }
  $("clip").dataset.number = shown;
  if (move) { $("clip-name").focus(); $("clip").scrollIntoView(); }
}

async function acknowledge(kind) {
  const answer = await fetch("api/acknowledge", { method: "POST",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify({ clip: shown, kind }) });
  $("answer").textContent = answer.ok ? "Told the monitor." : `Refused: ${(await answer.json()).error}`;
}

async function refresh(move) {
  try {
    const rows = await showSections();
    await showSection(rows, move);
    await showClip(false);
    $("news").textContent = `Live, ${new Date().toLocaleTimeString()}`;
    document.title = rows.some((r) => r.level === "alarm") ? "Alarm – Machines" : "Machines";
  } catch (error) {
    $("news").textContent = `No answer: ${error.message}`;
  }
}

document.querySelectorAll(".actions button").forEach((button) =>
  button.addEventListener("click", () => acknowledge(button.dataset.kind)));
const news = new EventSource("events");
news.onmessage = () => refresh(false);
news.onerror = () => { $("news").textContent = "No connection; trying again"; };
