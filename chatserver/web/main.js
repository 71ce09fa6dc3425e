/** Puts the page together: the only module that knows all the others. */

import { chatOf, hashOf } from "./address.js";
import * as api from "./api.js";
import { ChatList } from "./chat_list.js";
import { Chats } from "./chats.js";
import { Composer } from "./composer.js";
import { Connection } from "./client/connection.js";
import { Conversation } from "./conversation.js";
import { h, icon } from "./dom.js";
import { Drawers } from "./drawers.js";
import { GraphDialog } from "./graph_dialog.js";
import { Panel } from "./panel.js";
import { Session } from "./session.js";
import { SignIn } from "./sign_in.js";
import { Status } from "./status.js";
import { Storage } from "./storage.js";
import { SUGGESTIONS } from "./suggestions.js";
import { plainReasons } from "./why.js";

const ICONS = { "#menu": "menu", "#theme": "theme", "#jump": "down", "#send": "send", "#stop": "stop" };
const UNTITLED = "New chat";
const SIGN_IN = 4401; // the close code of a server that wants to know who we are

const find = (selector) => document.querySelector(selector);

/** 128 random bits; `crypto.randomUUID` is missing where the page is not served by HTTPS or from localhost. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const storage = new Storage();
const drawers = new Drawers({
  main: find("main"),
  sidebar: find("#sidebar"),
  menu: find("#menu"),
  scrim: find("#scrim"),
});
const graph = new GraphDialog(find("#graph"), { load: api.graph, read: readPassage });
const panel = new Panel(find("#panel"), {
  load: api.passage,
  onToggle: (open) => drawers.showPanel(open),
  showAround: (id, from) => graph.open({ entity: id }, from),
});
const status = new Status({ indicator: find("#connection"), banner: find("#banner") }, () => connection.start());
const connection = new Connection({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
  onEvent: receive,
  onState: (state) => connectionIs(state),
});
const signIn = new SignIn(find("#sign-in"), { signIn: api.signIn, done: signedIn });
const session = new Session({ connection, api, storage, newId, onChange: changed });
const chats = new Chats(api.chats);
const chatList = new ChatList({ list: find("#chats"), more: find("#older") }, go);
const conversation = new Conversation(
  { list: find("#messages"), scroller: find("#scroller"), jump: find("#jump") },
  { actions: { again, edit, openSource, showFound, versions, choose }, shown: (message) => session.shown(message), announce },
);
const composer = new Composer(find("#composer"), {
  ask,
  stop,
  leaveEditing: () => (editing = null),
  draft: (text) => storage.setDraft(session.open, text),
});

/** The message that the next question takes the place of. @type {?import("./message.js").Message} */
let editing = null;
/** Nothing is kept any more: the user has gone. */
let left = false;

function connectionIs(state) {
  status.show(state);
  if (state.name === "refused" && state.code === SIGN_IN) signIn.show();
  if (state.name === "open") {
    signIn.hide(); // another tab has signed in
    showUser();
  }
}

function signedIn(user) {
  if (storage.user !== null && storage.user !== user) return startAnew();
  connection.start();
}

async function showUser() {
  const { user, expires_at: ends } = await api.whoAmI().catch(() => ({}));
  if (user === undefined) return;
  if (storage.user !== null && storage.user !== user) return startAnew();
  storage.user = user;
  find("#user").textContent = user;
  find("#account").hidden = ends === null; // without logins there is nothing to leave
}

async function signOut() {
  try {
    await api.signOut();
  } catch {
    return announce("You are still signed in: the server could not be reached.");
  }
  startAnew();
}

/** As a page that nobody has used. */
function startAnew() {
  left = true;
  storage.clear();
  location.replace(location.pathname);
}

function receive(event) {
  session.receive(event);
  if (["welcome", "accepted", "end"].includes(event.type)) listChats();
}

function changed(chat, message) {
  if (chat !== session.open) return;
  if (message) conversation.changed(message);
  else conversation.show(session.branch(chat));
  find("#empty").hidden = session.messages(chat).length > 0;
  composer.busy = session.running(chat) !== null;
}

function ask(text) {
  storage.chat = session.open;
  const insteadOf = editing;
  stopEditing();
  session.ask(session.open, text, { insteadOf });
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
  editing = message;
  composer.edit(message.question);
}

function stopEditing() {
  editing = null;
  composer.editing = false;
}

function versions(message) {
  return session.versions(message);
}

function choose(message) {
  session.choose(message);
}

function openSource(source, citation, from, message) {
  const { records, retrieval } = message.transcript.content;
  const passage = retrieval?.passages.find(({ id }) => id === source.sourceId);
  panel.open(source, { citation, records, why: plainReasons(passage) }, from);
}

/** A passage that the graph led to. */
function readPassage(source) {
  panel.open(source, { citation: null, records: [], why: [] }, find("#question"));
}

function showFound(message, from) {
  graph.open({ answer: message.transcript.answer }, from);
}

function announce(text) {
  find("#live").textContent = text;
}

async function listChats() {
  try {
    await chats.refresh();
  } catch {
    return; // the connection's state tells
  }
  showChats();
}

async function listOlder() {
  try {
    await chats.more();
  } catch {
    return; // the button is still there
  }
  showChats();
}

/** The server's chats, with those in front that it does not know yet. */
function showChats() {
  const known = new Set(chats.listed.map(({ chat }) => chat));
  const local = session.unaccepted().filter(([chat]) => !known.has(chat));
  const entries = [...local.map(([chat, [first]]) => ({ chat, title: first.question })), ...chats.listed];
  chatList.show(
    entries.map((entry) => ({ ...entry, running: session.running(entry.chat) !== null })),
    session.open,
    chats.hasMore,
  );
  const title = entries.find(({ chat }) => chat === session.open)?.title ?? UNTITLED;
  find("#title").textContent = title;
  document.title = title === UNTITLED ? "chatserver" : `${title} · chatserver`;
}

function go(chat) {
  drawers.closeMenu();
  if (chat === session.open) composer.focus();
  else location.hash = hashOf(chat);
}

function begin() {
  const chat = newId();
  session.begin(chat);
  go(chat);
}

/** Shows the chat of the address. */
async function open(chat) {
  panel.close();
  stopEditing();
  session.open = chat;
  changed(chat, null);
  conversation.follow();
  composer.text = storage.draft(chat);
  if (!drawers.isNarrow) composer.focus(); // on a phone it would open the keyboard
  showChats();
  await session.openChat(chat).catch(() => {}); // tried again with the next connection
  if (session.messages(chat).length) storage.chat = chat;
}

/** The chat of the address, else the last one of this browser, else a new one. */
function start() {
  let chat = chatOf(location.hash) ?? storage.chat;
  if (chat === null) session.begin((chat = newId()));
  history.replaceState(null, "", hashOf(chat));
  open(chat);
  connection.start();
}

/** Esc leaves what is in front; with nothing there it stops the answer. */
function escape(event) {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  if (drawers.isMenuOpen) drawers.leaveMenu();
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
find("#older").addEventListener("click", listOlder);
find("#sign-out").addEventListener("click", signOut);
find("#skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the chat
  composer.focus();
});
document.addEventListener("keydown", escape);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && connection.probe());
for (const change of ["online", "offline"]) addEventListener(change, () => connection.probe());
addEventListener("pagehide", () => left || session.save());
addEventListener("hashchange", () => open(chatOf(location.hash) ?? session.open));

start();
