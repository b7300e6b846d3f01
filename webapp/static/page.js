// Fetches the page's parts as JSON and swaps in what has changed, unless somebody is using that very part.
"use strict";

const clocks = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    const day = today ? {} : { day: "numeric", month: "short" };
    const second = "exact" in time.dataset ? { second: "2-digit" } : {};
    time.textContent = at.toLocaleString(undefined, { ...day, hour: "numeric", minute: "2-digit", ...second });
    time.title = at.toLocaleString(undefined, { timeStyle: "long", dateStyle: "medium" });
  }
};

const inUse = (part) =>
  part.contains(document.activeElement) && part !== document.activeElement && document.activeElement.matches("input, textarea, select")
  || [...part.querySelectorAll("video")].some((video) => !video.paused && !video.ended)
  || part.querySelector("details[open] form, [data-typed]") !== null
  || [...part.querySelectorAll("input, textarea")].some((field) => field.type !== "hidden" && field.value !== field.defaultValue);

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
  }
};

// One sentence at a time for whoever listens, none for what was there when the page opened.
const SPOKEN_MS = 5000;
let heard, due, spokenAt = 0;
const say = (sentence) => {
  const known = heard;
  heard = sentence;
  if (known === undefined || known === sentence || due) return;
  due = setTimeout(() => {
    due = undefined;
    spokenAt = Date.now();
    document.getElementById("says").textContent = heard;
  }, Math.max(0, spokenAt + SPOKEN_MS - Date.now()));
};

const stale = document.getElementById("stale");
const tell = (text, link, href) => {
  stale.replaceChildren(text, Object.assign(document.createElement("a"), { textContent: link, href }));
  stale.hidden = false;
};

const marks = () => [...document.querySelectorAll("[data-mark]")].map((part) => part.dataset.mark).join(".");
let freshAt = new Date(), failed = 0, next;
const PAUSES = [2, 5, 10, 30], HIDDEN_S = 60;

// Whoever asked for it is told once, when the film stops moving: also while they look at something else.
const icon = document.querySelector('link[rel="icon"]');
const wished = document.querySelector("[data-notify]");
let told = true;
if (wished && "Notification" in window && isSecureContext) {
  wished.hidden = false;
  wished.querySelector("button").addEventListener("click", async () => {
    const granted = await Notification.requestPermission() === "granted";
    told = !granted;
    wished.textContent = granted ? "You will be told when it is done, as long as this tab is open." : "This browser does not let pages tell you anything. Its settings for this site can change that.";
  });
}
const mark = (body) => {
  const moved = icon.getAttribute("href").includes("mark-moving") && !body.icon.includes("mark-moving");
  if (icon.getAttribute("href") !== body.icon) icon.setAttribute("href", body.icon);
  if (!moved || !wished) return;
  if (!told) new Notification(body.title, { body: body.says });
  told = true;
  wished.remove();
};

const follow = async (url) => {
  let pause = 2;
  next = undefined;
  try {
    const asked = new URL(url, location.href);
    asked.searchParams.set("marks", marks());
    const answer = await fetch(asked, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if ([401, 403, 410].includes(answer.status)) return tell("You are signed out, so this page no longer follows. ", "Sign in again", location.href);
    if (!answer.ok) throw new Error(answer.status);
    const body = await answer.json();
    [freshAt, failed, stale.hidden] = [new Date(), 0, true];
    pause = body.every;
    if (body.title) document.title = body.title;
    if (body.icon) mark(body);
    if (body.says) say(body.says);
    show(body.parts);
  } catch {
    pause = PAUSES[Math.min(failed, 3)] * (1 + Math.random() / 4);
    failed += 1;
    if (failed >= 3) tell(`Not up to date since ${freshAt.toLocaleTimeString(undefined, { timeStyle: "short" })}. `, "Look again", location.href);
  }
  if (pause) next = setTimeout(follow, (document.hidden ? Math.max(pause, HIDDEN_S) : pause) * 1000, url);
};
document.addEventListener("visibilitychange", () => {
  if (document.hidden || next === undefined) return;
  clearTimeout(next);
  follow(document.body.dataset.live);
});

// A form that costs something shows the price of exactly what stands in it, and sends it along as the most it may cost.
const swap = (part, html) => {
  if (part.dataset.shown === html) return;
  part.dataset.shown = html;
  const name = part.contains(document.activeElement) ? document.activeElement.name : null;
  part.innerHTML = html;
  if (name) part.querySelector(`[name="${name}"]`)?.focus();
};
const QUOTE_MS = 400;
const quotes = new WeakMap();
const quote = (form) => {
  const state = quotes.get(form) ?? {};
  quotes.set(form, state);
  clearTimeout(state.timer);
  state.asked?.abort();
  state.timer = setTimeout(async () => {
    state.asked = new AbortController();
    const place = form.querySelector("[data-price]");
    const button = form.querySelector("[data-buys]") ?? form.querySelector("button");
    const sequence = state.sequence = (state.sequence ?? 0) + 1;
    try {
      const answer = await fetch(form.dataset.quote, { method: "POST", body: new FormData(form), signal: state.asked.signal, credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.status);
      const body = await answer.json();
      if (sequence !== state.sequence) return;
      place.innerHTML = body.html;
      for (const [id, html] of Object.entries(body.swap ?? {})) swap(document.getElementById(id), html);
      if (body.most !== null) {
        const most = form.querySelector('input[name="most"]') ?? form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name: "most" }));
        most.value = body.most;
      }
      button.disabled = body.most === null;
      if (body.label) button.textContent = body.label;
    } catch (error) {
      if (error.name !== "AbortError") place.textContent = "The price could not be looked up just now. It is checked again before anything is bought.";
    }
  }, QUOTE_MS);
};
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    const form = event.target.form;
    if (form?.matches("[data-quote]")) quote(form);
  });
}
document.addEventListener("toggle", (event) => {
  if (!event.target.open) return;
  for (const video of event.target.matches(".more") ? event.target.querySelectorAll("video:not([poster])") : []) video.preload = "metadata";
  const form = event.target.matches(".again") && event.target.querySelector("form[data-quote]");
  if (form) quote(form);
}, true);

document.addEventListener("submit", (event) => {
  for (const one of event.target.elements) if (one.matches("button")) setTimeout(() => { one.disabled = true; });
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button, button[form]")) button.disabled = false;
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-play]");
  if (link && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    const video = Object.assign(document.createElement("video"), { src: link.href, controls: true, autoplay: true, playsInline: true, tabIndex: 0 });
    video.setAttribute("aria-label", link.getAttribute("aria-label").replace("Play t", "T").replace("Play e", "E"));
    link.replaceWith(video);
    video.focus();
  }
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
});

// On a shared film a comment belongs to the second at which the player stands.
const player = document.querySelector("[data-player]");
if (player) {
  const at = document.querySelector("[data-at]");
  const place = () => { at.value = `${Math.floor(player.currentTime / 60)}:${String(Math.floor(player.currentTime % 60)).padStart(2, "0")}`; };
  player.addEventListener("pause", place);
  player.addEventListener("keydown", (event) => {
    if (event.key !== "c" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    player.pause();
    place();
    document.querySelector("[data-words]").focus();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-seek]");
    if (!link) return;
    event.preventDefault();
    player.currentTime = Number(link.dataset.seek);
    player.focus();
  });
}

// Two films side by side start at the same moment, the second one silent.
const both = document.querySelector("[data-both]");
if (both) {
  const films = [...document.querySelectorAll("[data-compare] video")];
  both.hidden = films.length < 2;
  both.addEventListener("click", () => {
    const start = films.every((film) => film.paused || film.ended);
    films.forEach((film, n) => {
      if (!start) return film.pause();
      film.currentTime = films[0].ended ? 0 : films[0].currentTime;
      film.muted = n > 0;
      film.play();
    });
    both.textContent = start ? "Pause both" : "Play both";
  });
  films.forEach((film) => film.addEventListener("ended", () => { both.textContent = "Play both"; }));
  // Where there is room for one, the other one goes on at the same second.
  for (const choice of document.querySelectorAll("[data-shown]")) {
    choice.addEventListener("change", () => {
      const film = films[choice.value], other = films[1 - choice.value];
      if (!film || !other) return;
      const plays = !other.paused && !other.ended;
      other.pause();
      film.currentTime = other.currentTime;
      film.muted = false;
      if (plays) film.play();
    });
  }
}

document.getElementById("wrong")?.focus();
clocks(document);
if (document.body.dataset.live) follow(document.body.dataset.live);
