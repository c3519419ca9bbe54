// Every page works without this file: it only answers while a slider moves, instead of after a click.
"use strict";

const form = document.getElementById("setting");
const trouble = document.getElementById("trouble");
const SETTLED = 500; // milliseconds without a change before many worlds are solved
const BREATH = 50; // milliseconds between two questions about them

function say(title, text) {
  trouble.replaceChildren();
  if (!text) return;
  const box = document.createElement("section");
  box.className = "call";
  const heading = document.createElement("h2");
  heading.textContent = title;
  const words = document.createElement("p");
  words.textContent = text;
  box.append(heading, words);
  trouble.append(box);
}

// A value as the server writes it: four digits.
const short = (value) => String(Number(Number(value).toPrecision(4)));

function query(node) {
  const asked = new URLSearchParams();
  const fields = new FormData(form);
  asked.set("policy", fields.get("policy"));
  for (const slider of form.querySelectorAll("[data-median]")) {
    const moved = slider.type === "number" ? slider.value !== "" : true;
    if (moved && Number(short(slider.value)) !== Number(slider.dataset.median)) asked.set(slider.name, short(slider.value));
  }
  for (const pin of fields.getAll("pin")) asked.append("pin", pin);
  if (form.elements.courses.selectedIndex > 0) asked.set("courses", fields.get("courses"));
  if (node) asked.set("node", node);
  return asked.toString();
}

function show(slider) {
  const value = short(slider.value);
  document.getElementById(slider.id.replace("s-", "o-")).textContent = value;
  slider.setAttribute("aria-valuetext", value);
  slider.closest(".slider").classList.toggle("held", Number(value) !== Number(slider.dataset.median));
}

let busy = false;
let wanted = null;
let node = new URLSearchParams(location.search).get("node");
let settled = 0;

// One question at a time; what has changed meanwhile is asked next, and what lies between is left out.
async function refresh(focusPlace) {
  wanted = { text: query(node), focusPlace };
  if (busy) return;
  busy = true;
  clearTimeout(settled);
  stopWorlds();
  while (wanted) {
    const asked = wanted;
    wanted = null;
    try {
      const answer = await fetch(`${form.dataset.part}?${asked.text}`, { credentials: "same-origin" });
      const text = await answer.text();
      if (answer.ok) put(text, asked);
      else say("The last good forecast is still shown", text);
    } catch (error) {
      say("The last good forecast is still shown", "The server did not answer. Is it still running?");
    }
  }
  busy = false;
}

function put(text, asked) {
  say("", "");
  const part = document.getElementById("forecast");
  const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
  const scrolled = [...part.querySelectorAll(".scroll")].map((one) => [one.getAttribute("aria-label"), one.scrollLeft]);
  const focused = part.contains(document.activeElement) ? document.activeElement.dataset.node : null;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  part.replaceChildren(...[...fresh.body.childNodes].map((one) => document.adoptNode(one)));
  for (const id of open) if (document.getElementById(id)) document.getElementById(id).open = true;
  for (const [label, left] of scrolled) {
    const again = [...part.querySelectorAll(".scroll")].find((one) => one.getAttribute("aria-label") === label);
    if (again) again.scrollLeft = left;
  }
  if (focused) part.querySelector(`[data-node="${focused}"]`)?.focus();
  history.replaceState(null, "", `?${asked.text}`);
  const saved = document.getElementById("save-setting");
  if (saved) saved.value = asked.text;
  document.body.dataset.answered = asked.text;
  if (asked.focusPlace) document.getElementById("place")?.focus();
  settled = setTimeout(() => {
    announce();
    solveWorlds();
  }, SETTLED);
}

// Many worlds are solved a few at a time, for as long as this page asks.
let turn = 0;
const stopWorlds = () => {
  turn += 1;
};
async function solveWorlds() {
  turn += 1;
  const mine = turn;
  for (;;) {
    const place = document.getElementById("ranges");
    if (!place) return;
    let answer;
    try {
      answer = await fetch(place.dataset.part, { credentials: "same-origin" });
    } catch (error) {
      return;
    }
    const text = await answer.text();
    if (mine !== turn) return;
    if (!answer.ok) {
      place.textContent = text;
      return;
    }
    const done = showWorlds(place, text);
    if (done) return;
    await new Promise((go) => setTimeout(go, BREATH));
    if (mine !== turn) return;
  }
}

// While worlds are being solved only the bar moves, so that whoever is on the button to stop stays on it.
function showWorlds(place, text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const bar = place.querySelector("progress");
  const next = fresh.querySelector("progress");
  if (bar && next) {
    bar.value = next.value;
    place.querySelector("label").textContent = fresh.querySelector("label").textContent;
  } else {
    place.replaceChildren(...[...fresh.body.childNodes].map((one) => document.adoptNode(one)));
  }
  return !next;
}

// What has become of the forecast, for those who do not see the page.
function announce() {
  const tiles = [...document.querySelectorAll(".tiles li")];
  const said = tiles.map((one) => `${one.querySelector(".label").textContent} ${one.querySelector("strong").textContent}`);
  document.getElementById("announce").textContent = `${document.getElementById("h-forecast").textContent}: ${said.join(", ")}`;
}

if (form) {
  for (const slider of form.querySelectorAll("[data-median]")) slider.setAttribute("aria-valuetext", short(slider.value));
  form.addEventListener("input", (event) => {
    if (event.target.dataset.median !== undefined) show(event.target);
    refresh(false);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    refresh(false);
  });
  document.getElementById("forecast").addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-node]");
    if (chosen && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      node = chosen.dataset.node;
      refresh(true);
    }
    if (event.target.closest("#more-worlds")) {
      event.preventDefault();
      solveWorlds();
    }
    if (event.target.closest("#stop-worlds")) {
      const done = document.getElementById("worlds-done");
      const place = document.getElementById("ranges");
      stopWorlds();
      place.textContent = `Stopped after ${done.value} of ${done.max} worlds.`;
      place.tabIndex = -1; // the button is gone: whoever was on it stays here
      place.focus();
    }
  });
  settled = setTimeout(solveWorlds, SETTLED);
  // What was moved before this file had come, or what the browser puts back after "back", is answered too.
  window.addEventListener("pageshow", () => {
    const moved = [...form.querySelectorAll("[data-median]")].filter((one) => short(one.value) !== short(one.defaultValue));
    const chosen = [...form.querySelectorAll("[type=radio]")].some((one) => one.checked !== one.defaultChecked);
    for (const one of moved) show(one);
    if (moved.length || chosen) refresh(false);
  });
}

// A scenario is being made ready: its page is fetched as soon as it is.
const waiting = document.getElementById("waiting");
const LOOK = 250; // milliseconds between two looks
async function wait() {
  try {
    const answer = await fetch(waiting.dataset.part, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(await answer.text());
    const told = await answer.json();
    if (told.step >= told.of) return location.reload();
    const bar = waiting.querySelector("progress");
    const words = `${told.words} …`;
    if (bar.value !== told.step) document.getElementById("announce").textContent = words;
    bar.value = told.step;
    waiting.querySelector("label").textContent = words;
  } catch (error) {
    say("The server did not answer", "Is it still running? This page looks again every few seconds.");
    setTimeout(wait, 12 * LOOK);
    return;
  }
  setTimeout(wait, LOOK);
}
if (waiting) wait();

// A link to what backs a parameter opens it.
const target = location.hash && document.getElementById(location.hash.slice(1));
if (target && target.tagName === "DETAILS") target.open = true;
