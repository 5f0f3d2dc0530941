// The events page: while "Live" is on, what happens is put on top of the table.
"use strict";

function watchEvents(button) {
  const rowsMax = 200, triesMax = 3, quiet = 1000;
  const words = button.dataset;
  const box = document.getElementById("events");
  const body = box.querySelector("tbody");
  const template = document.getElementById("event-row").content.firstElementChild;
  const older = document.getElementById("older");
  const [state, news] = document.getElementById("live-state").children;
  const patterns = JSON.parse(words.news), plural = new Intl.PluralRules(language), number = new Intl.NumberFormat(language);
  const [show, heldPatterns] = [document.getElementById("show-held"), JSON.parse(words.held)], title = document.title;
  const held = [];
  const known = new Set(Array.from(body.querySelectorAll("[data-id]"), (row) => row.dataset.id));
  let source = null, last = words.after, count = 0, tries = 0, retrying = 0, telling = 0;

  // How many there are is told once a second at most, and each of them is not: it would not come to an end.
  function tell() {
    telling ||= setTimeout(() => {
      telling = 0;
      news.textContent = said(patterns, count);
    }, quiet);
  }

  // That it is on is seen on the button.
  function tellState(text) {
    state.className = text === words.on ? "hidden" : "";
    state.textContent = text;
  }

  function said(texts, many) {
    return (texts[plural.select(many)] ?? texts.other).replace("%(count)s", number.format(many));
  }

  // Whoever points at a row, has the focus in one or reads further down finds it where it was.
  function isRead() {
    return box.matches(":hover") || show.matches(":hover") || box.contains(document.activeElement) || box.getBoundingClientRect().top < 0;
  }

  function settle() {
    if (!isRead()) for (const event of held.splice(0)) put(event);
    show.parentElement.hidden = held.length === 0;
    if (held.length) show.textContent = said(heldPatterns, held.length);
    document.title = held.length ? `(${number.format(held.length)}) ${title}` : title;
  }

  function link(cell, text, place) {
    if (!text) return;
    if (!place) { cell.textContent = text; return; }
    const anchor = document.createElement("a");
    anchor.href = place;
    anchor.textContent = text;
    cell.replaceChildren(anchor);
  }

  function rowOf(event) {
    const row = document.importNode(template, true);
    row.dataset.id = event.id;
    row.className = "arrived";
    const [time, what, who, by, address, device] = row.cells;
    time.firstElementChild.dateTime = event.at;
    const [summary, facts] = what.firstElementChild.children;
    const [icon, text] = summary.children;
    icon.setAttribute("class", `icon icon-${event.kind}`);
    icon.firstElementChild.setAttribute("href", `#kind-${event.kind}`);
    text.textContent = event.text;
    for (const [name, value] of event.facts) {
      const term = document.createElement("dt"), description = document.createElement("dd");
      term.textContent = name;
      description.textContent = value;
      facts.append(term, description);
    }
    link(who, event.who, event.who_url);
    link(by, event.by, event.by_url);
    link(address, event.address, event.address_url);
    link(device, event.device, null);
    showTimes(row);
    return row;
  }

  function add(message) {
    const event = JSON.parse(message.data);
    last = message.lastEventId;
    if (known.has(String(event.id))) return;
    known.add(String(event.id));
    held.push(event);
    if (held.length > rowsMax) known.delete(String(held.shift().id));
    settle();
    count += 1;
    tell();
  }

  function put(event) {
    body.prepend(rowOf(event));
    showDays(body);
    box.hidden = false;
    document.getElementById("no-events")?.remove();
    while (known.size > rowsMax) {
      known.delete(body.lastElementChild.dataset.id);
      body.lastElementChild.remove();
      // What is no longer here is on the next page.
      const next = new URL(older.href);
      next.searchParams.set("before", body.lastElementChild.dataset.id);
      older.href = next.href;
      older.hidden = false;
    }
  }

  function open() {
    const place = new URL(words.source, location.href);
    place.searchParams.set("after", last);
    source = new EventSource(place);
    source.onopen = () => { tries = 0; tellState(words.on); };
    source.onmessage = add;
    source.addEventListener("over", () => stop(words.over));
    source.onerror = () => {
      tellState(words.lost);
      // It comes again by itself, unless it was refused: by a server that just starts, or for good.
      if (source.readyState !== EventSource.CLOSED) return;
      tries += 1;
      if (tries > triesMax) stop(words.over);
      else retrying = setTimeout(open, 1000 * 3 ** tries);
    };
  }

  function stop(why) {
    clearTimeout(retrying);
    source?.close();
    source = null;
    tries = 0;
    button.setAttribute("aria-pressed", "false");
    tellState(why);
  }

  button.addEventListener("click", () => {
    if (button.getAttribute("aria-pressed") === "true") { stop(""); return; }
    button.setAttribute("aria-pressed", "true");
    open();
  });
  show.addEventListener("click", () => {
    for (const event of held.splice(0)) put(event);
    settle();
    button.focus();  // which stands above the table
  });
  for (const each of [box, show]) each.addEventListener("pointerleave", settle);
  box.addEventListener("focusout", () => setTimeout(settle));
  addEventListener("scroll", settle, { passive: true });
  // A page that is kept for the way back holds no connection.
  addEventListener("pagehide", () => stop(""));
  button.hidden = false;
}

const liveButton = document.getElementById("live");
if (liveButton) watchEvents(liveButton);
