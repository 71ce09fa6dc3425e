/** A question and its answer, in their place among the others of a chat. */

import { Exchange } from "./client/exchange.js";

export class Message extends Exchange {
  /**
   * @param {ConstructorParameters<typeof Exchange>[0] & {question: string, after: ?string}} parts `after` is the answer
   *   that it follows, empty for none; null: the message before it
   */
  constructor({ question, after, ...parts }) {
    super(parts);
    this.question = question;
    this.after = after;
  }
}
