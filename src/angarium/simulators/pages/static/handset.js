// Keeps a page true: asks for the part that changes, and puts in only what has changed.
"use strict";

const live = document.getElementById("live");
const gone = document.querySelector(".gone");
const EVERY_MS = 1000;
let tag = "";
let asked = 0;

// Replaces the children of `now` by those of `next`, and keeps every element that is the same.
function settle(now, next) {
  const kept = new Map();
  for (const old of now.querySelectorAll("[id]")) kept.set(old.id, old);
  for (const fresh of next.querySelectorAll("[id]")) {
    const old = kept.get(fresh.id);
    if (old && next.contains(fresh) && old.isEqualNode(fresh)) fresh.replaceWith(old);
  }
  now.replaceChildren(...next.childNodes);
}

function atTheEnd(talk) {
  return !talk || talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40;
}

function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html").body;
  const before = document.getElementById("talk");
  const follow = atTheEnd(before);
  const top = before ? before.scrollTop : 0;
  settle(live, next);
  const after = document.getElementById("talk");
  if (after) after.scrollTop = follow ? after.scrollHeight : top;
}

async function look() {
  const mine = ++asked;
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(live.dataset.live, { headers, cache: "no-store" });
    if (mine === asked && answer.status === 200) {
      tag = answer.headers.get("ETag");
      show(await answer.text());
    }
    gone.hidden = true;
  } catch {
    gone.hidden = false;
  }
}

// The gallery is searched while one types; without this script the form does it.
const search = document.querySelector(".search");
if (search) {
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const query = new URLSearchParams(new FormData(search));
      if (!query.get("q")) query.delete("q");
      history.replaceState(null, "", `/?${query}`);
      query.set("live", "1");
      live.dataset.live = `/?${query}`;
      tag = "";
      look();
    }, 150);
  });
}

const talk = document.getElementById("talk");
if (talk) talk.scrollTop = talk.scrollHeight;
setInterval(() => document.hidden || look(), EVERY_MS);
