/** The server's HTTP doors that the page reads, at its own server. */

import { HttpError, doors } from "./client/doors.js";

export { HttpError };
export const { chats, answers, answer, passage, graph } = doors();

const SESSION = "/v1/session";

/** Who is logged in. @returns {Promise<{user: string, expires_at: ?number}>} */
export const whoAmI = () => session("GET");

/** Turns a token into a cookie that no script can read. */
export const signIn = (token) => session("POST", { token });

/** Takes the cookie away. */
export const signOut = () => session("DELETE");

async function session(method, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const response = await fetch(SESSION, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new HttpError(response.status, "http_error", response.statusText);
  return response.status === 204 ? null : response.json();
}
