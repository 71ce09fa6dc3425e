/** The JavaScript client of chatserver. The chat page is built on these same modules, `delivery.js` first of all. */

export { Client } from "./client.js";
export { Connection } from "./connection.js";
export { HttpError, doors } from "./doors.js";
export { Failure } from "./exchange.js";
export { textOf } from "./transcript.js";
