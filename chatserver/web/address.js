/** The chat that the page's address names, `#/CHAT`: a link, a reload and the back button all mean it. */

const PREFIX = "#/";

export const hashOf = (chat) => PREFIX + encodeURIComponent(chat);

/** The chat of `location.hash`, null when it names none. */
export function chatOf(hash) {
  if (!hash.startsWith(PREFIX) || hash === PREFIX) return null;
  try {
    return decodeURIComponent(hash.slice(PREFIX.length));
  } catch {
    return null; // a broken escape names no chat
  }
}
