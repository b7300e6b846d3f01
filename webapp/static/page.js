// Fetches the page's parts as JSON and swaps in what has changed, unless somebody is using that very part.
"use strict";

const clocks = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    const day = today ? {} : { day: "numeric", month: "short" };
    const second = "exact" in time.dataset ? { second: "2-digit" } : {};
    time.textContent = at.toLocaleString(undefined, { ...day, hour: "2-digit", minute: "2-digit", ...second });
    time.title = at.toLocaleString();
  }
};

// A preview shows a picture from within the clip, and its controls only to whoever points at it.
const previews = (root) => {
  for (const video of root.querySelectorAll("video[data-preview]")) {
    const peek = () => { video.currentTime = Math.min(1.2, video.duration / 3); };
    if (video.readyState >= 1) peek(); else video.addEventListener("loadedmetadata", peek, { once: true });
    video.addEventListener("play", () => { video.currentTime = 0; }, { once: true });
    video.controls = false;
    video.tabIndex = 0;
    for (const kind of ["pointerenter", "focus", "touchstart"]) video.addEventListener(kind, () => { video.controls = true; }, { passive: true });
    video.addEventListener("pointerleave", () => { video.controls = !video.paused; });
  }
};

const inUse = (part) =>
  part.contains(document.activeElement) && part !== document.activeElement && document.activeElement.matches("input, textarea, select")
  || [...part.querySelectorAll("video")].some((video) => !video.paused && !video.ended)
  || part.querySelector("details[open] form") !== null;

const place = (name) => {
  const found = document.getElementById(`part-${name}`);
  if (found || !name.startsWith("scene-")) return found;
  const part = document.createElement("section");
  part.id = `part-${name}`;
  part.className = "scene";
  document.getElementById("no-scenes")?.remove();
  document.getElementById("scenes")?.append(part);
  return part;
};

// Whoever goes by keyboard stays where they were, if the same thing is still there.
const keepingFocus = (part, change) => {
  const all = () => [...part.querySelectorAll("a, button, summary, video")];
  const before = all().indexOf(document.activeElement);
  const words = document.activeElement.textContent;
  change();
  const after = all()[before];
  if (before >= 0 && after && after.textContent === words) after.focus({ preventScroll: true });
};

const show = (parts) => {
  for (const [name, { mark, html }] of Object.entries(parts)) {
    const part = place(name);
    if (!part || part.dataset.mark === mark || inUse(part)) continue;
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    keepingFocus(part, () => {
      part.innerHTML = html;
      part.querySelectorAll("details").forEach((details, n) => { details.open = open[n] ?? false; });
    });
    part.dataset.mark = mark;
    clocks(part);
    previews(part);
  }
};

const follow = async (url) => {
  let pause = 2;
  try {
    if (!document.hidden) {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (answer.status === 401 || answer.status === 403 || answer.status === 410) return;
      if (answer.ok) {
        const body = await answer.json();
        pause = body.every;
        if (body.title) document.title = body.title;
        show(body.parts);
      }
    }
  } catch { pause = 10; }
  if (pause) setTimeout(follow, pause * 1000, url);
};

document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button")) button.disabled = false;
});
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
});

clocks(document);
previews(document);
if (document.body.dataset.live) follow(document.body.dataset.live);
