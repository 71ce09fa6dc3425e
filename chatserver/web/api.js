/** The server's HTTP doors that the page reads, at its own server. */

import { doors } from "./client/doors.js";

export { HttpError } from "./client/doors.js";
export const { chats, answers, answer, passage, graph } = doors();
