/**
 * What outlives the page. Questions that the server has not accepted and drafts are kept for the browser (a killed
 * tab must not lose them); transcripts with their cursors for the tab only, so that a reload goes on in place.
 * A full or forbidden storage costs the convenience, never the page.
 */

const PREFIX = "chatserver.";

function read(area, key, fallback) {
  try {
    return JSON.parse(area.getItem(PREFIX + key)) ?? fallback;
  } catch {
    return fallback;
  }
}

function write(area, key, value) {
  try {
    if (value == null || value === "") area.removeItem(PREFIX + key);
    else area.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Quota or privacy mode: the server's log has every accepted answer anyway.
  }
}

/** @typedef {{id: string, chat: string, text: string, after: ?string}} Pending */
export class Storage {
  constructor(local = globalThis.localStorage, session = globalThis.sessionStorage) {
    this.local = local;
    this.session = session;
  }

  /** @returns {Pending[]} oldest first */
  pending() {
    return read(this.local, "pending", []);
  }

  addPending(question) {
    write(this.local, "pending", [...this.pending(), question]);
  }

  dropPending(id) {
    const left = this.pending().filter((question) => question.id !== id);
    write(this.local, "pending", left.length ? left : null);
  }

  /** Whose all this is, null before anybody signed in. */
  get user() {
    return read(this.local, "user", null);
  }

  set user(user) {
    write(this.local, "user", user);
  }

  /** Nothing of one user's is left for the next one at this browser. */
  clear() {
    for (const area of [this.local, this.session]) {
      for (const key of Object.keys(area)) if (key.startsWith(PREFIX)) area.removeItem(key);
    }
  }

  get chat() {
    return read(this.local, "chat", null);
  }

  set chat(chat) {
    write(this.local, "chat", chat);
  }

  draft(chat) {
    return read(this.local, `draft.${chat}`, "");
  }

  setDraft(chat, text) {
    write(this.local, `draft.${chat}`, text);
  }

  /** @param {import("./client/transcript.js").Transcript[]} transcripts of unfinished answers */
  saveTranscripts(transcripts) {
    write(this.session, "transcripts", transcripts.length ? transcripts : null);
  }

  /** Answer id to transcript. */
  transcripts() {
    return new Map(read(this.session, "transcripts", []).map((one) => [one.answer, one]));
  }
}
