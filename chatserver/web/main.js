/** Puts the page together: the only module that knows all the others. */

import * as api from "./api.js";
import { ChatList } from "./chat_list.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { h, icon } from "./dom.js";
import { Panel } from "./panel.js";
import { Session } from "./session.js";
import { Status } from "./status.js";
import { Storage } from "./storage.js";
import { SUGGESTIONS } from "./suggestions.js";

const NARROW = matchMedia("(max-width: 820px)");
const ICONS = { "#menu": "menu", "#theme": "theme", "#jump": "down", "#send": "send", "#stop": "stop" };
const UNTITLED = "New chat";

const find = (selector) => document.querySelector(selector);

/** 128 random bits; `crypto.randomUUID` is missing where the page is not served by HTTPS or from localhost. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const storage = new Storage();
const panel = new Panel(find("#panel"), api.passage, showPanel);
const status = new Status({ indicator: find("#connection"), banner: find("#banner") }, () => connection.start());
const chatList = new ChatList(find("#chats"), go);

const connection = new Connection({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
  onEvent: receive,
  onState: (state) => status.show(state),
});
const session = new Session({ connection, api, storage, newId, onChange: changed });

const conversation = new Conversation(
  { list: find("#messages"), scroller: find("#scroller"), jump: find("#jump") },
  { actions: { again, edit, openSource }, shown: (message) => session.shown(message), announce },
);
const composer = new Composer(find("#composer"), {
  ask,
  stop,
  draft: (text) => storage.setDraft(session.open, text),
});

let listed = [];

function receive(event) {
  session.receive(event);
  if (["welcome", "accepted", "end"].includes(event.type)) listChats();
}

function changed(chat, message) {
  if (chat !== session.open) return;
  if (message) conversation.changed(message);
  else conversation.show(session.messages(chat));
  find("#empty").hidden = session.messages(chat).length > 0;
  composer.busy = session.running(chat) !== null;
}

function ask(text) {
  storage.chat = session.open;
  session.ask(session.open, text);
  conversation.follow();
  showChats();
}

function stop() {
  const message = session.running(session.open);
  if (message) session.stop(message);
}

function again(message) {
  session.again(message);
  conversation.follow();
}

function edit(message) {
  composer.text = message.question;
  composer.focus();
}

function openSource(source, citation, from, message) {
  showMenu(false);
  panel.open(source, citation, from, message.transcript.content.records);
}

function announce(text) {
  find("#live").textContent = text;
}

async function listChats() {
  try {
    listed = await api.chats();
  } catch {
    return; // the connection's state tells
  }
  showChats();
}

/** The server's chats, with those in front that it does not know yet. */
function showChats() {
  const known = new Set(listed.map(({ chat }) => chat));
  const local = session.unaccepted().filter(([chat]) => !known.has(chat));
  const entries = [...local.map(([chat, [first]]) => ({ chat, title: first.question })), ...listed];
  chatList.show(
    entries.map((entry) => ({ ...entry, running: session.running(entry.chat) !== null })),
    session.open,
  );
  const title = entries.find(({ chat }) => chat === session.open)?.title ?? UNTITLED;
  find("#title").textContent = title;
  document.title = title === UNTITLED ? "chatserver" : `${title} · chatserver`;
}

/** Shows the chat that the address names: a link, a reload and the back button all mean this. */
function go(chat) {
  showMenu(false);
  if (location.hash === `#${chat}`) composer.focus();
  else location.hash = chat;
}

function begin() {
  const chat = newId();
  session.begin(chat);
  go(chat);
}

async function openAddressed() {
  const chat = location.hash.slice(1);
  if (!chat) return begin();
  panel.close();
  session.open = chat;
  changed(chat, null);
  conversation.follow();
  composer.text = storage.draft(chat);
  showChats();
  if (!NARROW.matches) composer.focus();
  await session.openChat(chat).catch(() => {}); // tried again with the next connection
  storage.chat = session.messages(chat).length ? chat : storage.chat;
}

/** Where there is room for one thing only, what lies behind it takes no focus. */
function showMenu(open) {
  document.body.classList.toggle("menu-open", open);
  find("#menu").setAttribute("aria-expanded", String(open));
  find("#sidebar").inert = NARROW.matches && !open;
  find("main").inert = NARROW.matches && open;
  if (open) find("#new").focus();
}

function closeMenu() {
  showMenu(false);
  find("#menu").focus();
}

function showPanel(open) {
  document.body.classList.toggle("panel-open", open);
  find("main").inert = NARROW.matches && open;
}

function onKey(event) {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  if (document.body.classList.contains("menu-open")) closeMenu();
  else if (panel.isOpen) panel.close();
  else stop();
}

for (const [selector, name] of Object.entries(ICONS)) find(selector).append(icon(name));
find("#suggestions").append(
  ...SUGGESTIONS.map(({ text, lang }) =>
    h("li", {}, h("button", { type: "button", class: "suggestion", lang, onclick: () => ask(text) }, text)),
  ),
);
find("#new").addEventListener("click", begin);
find("#menu").addEventListener("click", () => showMenu(!document.body.classList.contains("menu-open")));
find("#scrim").addEventListener("click", closeMenu);
NARROW.addEventListener("change", () => showMenu(false));
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && connection.probe());
addEventListener("online", () => connection.probe());
addEventListener("offline", () => connection.probe());
addEventListener("pagehide", () => session.save());
addEventListener("hashchange", openAddressed);

showMenu(false);
if (!location.hash && storage.chat) history.replaceState(null, "", `#${storage.chat}`);
if (!location.hash) {
  const chat = newId();
  session.begin(chat);
  history.replaceState(null, "", `#${chat}`);
}
openAddressed();
connection.start();
