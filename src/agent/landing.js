// Finds names, meanings and collectors on the page: every word must be there.
"use strict";
const box = document.getElementById("seek");
const count = document.getElementById("count");
const none = document.getElementById("none");
const sections = [...document.querySelectorAll("section")].map((it) => ({
  it,
  about: it.firstElementChild.textContent.toLowerCase(),
  rows: [...it.querySelectorAll("tr")].map((row) => ({
    row,
    link: row.querySelector("a"),
    name: row.querySelector("a").textContent,
    text: row.textContent.toLowerCase(),
  })),
}));
const all = sections.reduce((sum, it) => sum + it.rows.length, 0);

// The name again, with what was found in it marked.
function mark(link, name, words) {
  link.replaceChildren();
  const low = name.toLowerCase();
  let from = 0;
  while (from < name.length) {
    let at = name.length, end = name.length;
    for (const word of words) {
      const found = low.indexOf(word, from);
      if (found >= 0 && (found < at || (found === at && found + word.length > end))) {
        at = found;
        end = found + word.length;
      }
    }
    link.append(name.slice(from, at));
    if (at < name.length) {
      const mark = document.createElement("mark");
      mark.textContent = name.slice(at, end);
      link.append(mark);
    }
    from = end;
  }
}

function seek() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const section of sections) {
    let first = true;
    for (const { row, link, name, text } of section.rows) {
      const fits = words.every((word) => text.includes(word) || section.about.includes(word));
      row.hidden = !fits;
      row.classList.toggle("first", fits && first);
      if (fits) {
        first = false;
        shown += 1;
        mark(link, name, words);
      }
    }
    const bare = section.rows.length === 0;
    section.it.hidden = bare
      ? !words.every((word) => section.about.includes(word))
      : first;
  }
  count.textContent = words.length === 0 ? `${all} metrics` : `${shown} of ${all} metrics`;
  none.hidden = shown > 0 || sections.some((it) => !it.it.hidden);
}

function keep() {
  history.replaceState(null, "", box.value ? "#q=" + encodeURIComponent(box.value) : location.pathname);
}

function recall() {
  const said = new URLSearchParams(location.hash.slice(1)).get("q");
  if (said !== null) {
    box.value = said;
  }
  seek();
}

box.addEventListener("input", () => { seek(); keep(); });
window.addEventListener("hashchange", recall);
document.addEventListener("keydown", (key) => {
  if (key.key === "/" && document.activeElement !== box && !key.ctrlKey && !key.metaKey) {
    key.preventDefault();
    box.focus();
    box.select();
  } else if (key.key === "Escape") {
    box.value = "";
    seek();
    keep();
    box.focus();
  } else if (key.key === "Enter" && document.activeElement === box) {
    const found = document.querySelector("tr:not([hidden]) a");
    if (found && box.value) {
      found.focus();
    }
  } else if ((key.key === "ArrowDown" || key.key === "ArrowUp") && document.activeElement !== null) {
    const links = [box, ...document.querySelectorAll("section:not([hidden]) tr:not([hidden]) a")];
    const at = links.indexOf(document.activeElement);
    const next = links[at + (key.key === "ArrowDown" ? 1 : -1)];
    if (at >= 0 && next) {
      key.preventDefault();
      next.focus();
    }
  }
});
document.documentElement.classList.add("live");
recall();
