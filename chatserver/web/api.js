/** The server's HTTP doors that the page reads. Failures are errors with a stable `code`. */

export class HttpError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function get(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new HttpError(response.status, problem.code ?? "http_error", problem.detail ?? response.statusText);
}

const id = encodeURIComponent;

export const chats = async () => (await get("/v1/chats")).chats;
export const answers = async (chat) => (await get(`/v1/chats/${id(chat)}/answers`)).answers;
export const answer = (answerId) => get(`/v1/answers/${id(answerId)}`);
export const passage = (passageId) => get(`/v1/passages/${id(passageId)}`);

/** @param {{entity: string} | {answer: string}} about @param {string} [namespace] */
export const graph = (about, namespace = "") =>
  get(`/v1/graph?${new URLSearchParams(namespace ? { ...about, namespace } : about)}`);
