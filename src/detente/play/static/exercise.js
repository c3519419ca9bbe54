// Everything works without this file: it only saves people from loading the page again by hand.
"use strict";

const drafts = () =>
  [...document.querySelectorAll("main textarea, main input[type=text], main input[type=number], main select")]
    .filter((field) => field.id)
    .map((field) => [field.id, field.value]);
const ticks = () => [...document.querySelectorAll("main input:checked")].filter((f) => f.id).map((f) => f.id);
const unfolded = () => [...document.querySelectorAll("main details[open]")].filter((d) => d.id).map((d) => d.id);

let clockOffset = 0; // server's clock minus ours, in milliseconds

async function refresh() {
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) {
    location.reload();
    return;
  }
  const date = Date.parse(answer.headers.get("date"));
  if (!Number.isNaN(date)) clockOffset = date - Date.now();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const kept = drafts();
  const ticked = ticks();
  const open = unfolded();
  const focused = document.activeElement && document.activeElement.id;
  document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
  document.title = fresh.title;
  for (const [id, value] of kept) {
    const field = document.getElementById(id);
    if (field) field.value = value;
  }
  for (const id of ticked) {
    const field = document.getElementById(id);
    if (field) field.checked = true;
  }
  for (const id of open) {
    const part = document.getElementById(id);
    if (part) part.open = true;
  }
  if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
  document.getElementById("announce").textContent = "The page has new content.";
  tick();
}

function tick() {
  for (const timer of document.querySelectorAll("[data-deadline]")) {
    const left = Math.round(Number(timer.dataset.deadline) - (Date.now() + clockOffset) / 1000);
    const minutes = Math.floor(Math.max(0, left) / 60);
    const seconds = String(Math.max(0, left) % 60).padStart(2, "0");
    timer.textContent = left > 0 ? `${minutes}:${seconds} left` : "time is up";
  }
}

function watch(address, wait = 1000) {
  const version = () => document.querySelector("main").dataset.version;
  const source = new EventSource(`${address}?seen=${version()}`);
  let busy = Promise.resolve();
  source.onopen = () => {
    wait = 1000;
  };
  source.addEventListener("changed", () => {
    // If the network is away, the stream will be opened again and say once more what was missed.
    busy = busy.then(refresh).catch(() => {});
  });
  source.onerror = () => {
    // The server was restarted, or the network was away: look again with the version that is shown now.
    source.close();
    setTimeout(() => watch(address, Math.min(2 * wait, 60000)), wait * (1 + Math.random()));
  };
}

// A second click on a form's button must not send the form again.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

const stream = document.body.dataset.stream;
if (stream) watch(stream);
setInterval(tick, 1000);
tick();
