// What scripts add to pages that work without them. Nothing here writes HTML: the pages' policy forbids it.
"use strict";

// With the digits that the server writes, whatever the language has besides.
const language = `${document.documentElement.lang || "en"}-u-nu-latn`;
const texts = document.body.dataset;

// Times in the reader's zone; "ago" where how long it has been matters more.
const formats = {
  time: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }),
  full: new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" }),
  clock: new Intl.DateTimeFormat(language, { timeStyle: "medium" }),
  day: new Intl.DateTimeFormat(language, { dateStyle: "full" }),
  short: new Intl.DateTimeFormat(language, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" }),
  hour: new Intl.DateTimeFormat(language, { hour: "numeric" }),
  ago: new Intl.RelativeTimeFormat(language, { numeric: "auto" }),
};
const units = [["hour", 3600], ["minute", 60]];

// "Yesterday" is a day of the calendar, not what is a day ago.
const midnight = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate());

function ago(at) {
  const now = new Date();
  const seconds = (at - now) / 1000;
  if (Math.abs(seconds) >= 86400) return formats.ago.format(Math.round((midnight(at) - midnight(now)) / 86400000), "day");
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return formats.ago.format(Math.round(seconds / length), unit);
  }
  return formats.ago.format(0, "second");
}

function showTimes(within) {
  for (const element of within.querySelectorAll("time[data-style]")) {
    const at = new Date(element.dateTime);
    element.title = formats.full.format(at);
    const style = element.dataset.style;
    // "9:41 PM" stays on one line.
    const since = element.dataset.since;
    const told = style === "ago" ? ago(at) : since ? formats[style].formatRange(new Date(since), at) : formats[style].format(at);
    element.textContent = told.replace(/(\d) (\D+)$/, "$1\u00a0$2");
  }
}

// One clock on the whole page: what without scripts is UTC, and says so, is in the reader's zone, and says so once.
function showZone() {
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts(new Date());
  const offset = parts.find((part) => part.type === "timeZoneName").value.replace("GMT", "UTC");
  for (const element of document.querySelectorAll("[data-zone]")) {
    element.textContent = element.dataset.zone.replace("%(zone)s", [offset, "UTC"].includes(zone) ? zone : `${zone} (${offset})`);
  }
  // Words and bars of charts.
  for (const element of document.querySelectorAll("[data-at]")) {
    const [at, style, count] = element.dataset.at.split(" ");
    element.textContent = formats[style].format(new Date(at)) + (count ? `: ${count}` : "");
  }
  for (const input of document.querySelectorAll("input[type=datetime-local]")) {
    const label = input.labels[0];
    label.textContent = label.dataset.local;
    if (input.value) {
      const at = new Date(`${input.value}Z`);
      input.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
    }
    input.form.addEventListener("formdata", (event) => {
      if (input.value) event.formData.set(input.name, new Date(input.value).toISOString());
    });
  }
}

// A heading above the events of each of the reader's days.
function showDays(body) {
  for (const head of body.querySelectorAll(".day")) head.remove();
  let last = "";
  for (const row of Array.from(body.rows)) {
    const day = formats.day.format(new Date(row.querySelector("time").dateTime));
    if (day !== last) {
      const head = document.createElement("tr"), cell = document.createElement("th");
      head.className = "day";
      cell.colSpan = row.cells.length;
      cell.scope = "rowgroup";
      cell.textContent = last = day;
      head.append(cell);
      row.before(head);
    }
  }
}

// A password can be looked at while it is typed, and Caps Lock is told of.
function addShowButtons() {
  for (const box of document.querySelectorAll(".secret")) {
    const input = box.querySelector("input");
    const button = document.createElement("button");
    button.type = "button";
    const label = document.querySelector(`label[for="${input.id}"]`)?.textContent ?? "";
    const name = (text) => { button.textContent = text; button.setAttribute("aria-label", `${text}: ${label}`); };
    name(texts.show);
    button.setAttribute("aria-controls", input.id);
    button.addEventListener("click", () => {
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      name(shown ? texts.show : texts.hide);
      input.focus();
    });
    box.append(button);
    box.classList.add("has-button");
    // What is sent is a password again, so that nothing keeps it as text.
    input.form?.addEventListener("submit", () => { input.type = "password"; });
    const hint = document.getElementById(`${input.id}-caps`);
    const tell = (event) => {
      if (hint && event.getModifierState) hint.textContent = event.getModifierState("CapsLock") ? texts.caps : "";
    };
    input.addEventListener("keydown", tell);
    input.addEventListener("keyup", tell);
    input.addEventListener("blur", () => { if (hint) hint.textContent = ""; });
  }
}

function addCopyButtons() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.textContent = texts.copied;
    });
  }
}

// A second click does not send a form a second time; one that is kept on its page can soon be sent again.
function sendOnce() {
  for (const form of document.forms) {
    let sent = false;
    form.addEventListener("submit", (event) => {
      if (sent) event.preventDefault();
      sent = true;
      setTimeout(() => { sent = false; }, 2000);
    });
  }
}

// A menu closes by Escape, or when one goes on elsewhere.
function closeMenus() {
  for (const menu of document.querySelectorAll("details[data-menu]")) {
    document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
}

// Navigation that scrolls sideways begins where one is.
function showPlace() {
  for (const here of document.querySelectorAll(".side [aria-current], .nav-places [aria-current], .tabs [aria-current]")) {
    const line = here.closest(".side ul, .nav-places, .tabs");
    const [own, whole] = [here.getBoundingClientRect(), line.getBoundingClientRect()];
    line.scrollLeft += own.left + own.width / 2 - whole.left - whole.width / 2;
  }
}

showTimes(document);
showZone();
for (const body of document.querySelectorAll("[data-days]")) showDays(body);
// What was a minute ago does not stay so.
setInterval(() => { if (!document.hidden) showTimes(document); }, 60000);
showPlace();
addShowButtons();
sendOnce();
addCopyButtons();
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.onclick = () => print();
}
closeMenus();
// Who was led to a row stays there; browsers take the focus away when they go to it.
const focusNotice = () => document.querySelector("[data-focus]")?.focus({ preventScroll: location.hash !== "" });
if (location.hash) addEventListener("load", () => requestAnimationFrame(focusNotice));
else focusNotice();
