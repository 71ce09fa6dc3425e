/** The JavaScript client of chatserver: no dependencies, for browsers and for Node with a WebSocket. */

/** A UI message chunk of the Vercel AI SDK 7. */
export interface Chunk {
  type: string;
  [field: string]: unknown;
}

export interface Entry {
  seq: number;
  chunk: Chunk;
  /** The first entry of a new telling: what was shown before is void. */
  reset: boolean;
}

export interface Cursor {
  answer: string;
  epoch: string;
  seq: number;
}

export type AnswerState = "running" | "completed" | "stopped" | "failed";

/** Offsets count code points. */
export interface Citation {
  sourceId: string;
  start: number;
  end: number;
  quote: string;
}

export interface Source {
  n: number;
  sourceId: string;
  title: string;
}

export interface Content {
  parts: { id: string; text: string; citations: Citation[] }[];
  sources: Source[];
  decision: Record<string, unknown> | null;
  retrieval: Record<string, unknown> | null;
  records: Record<string, unknown>[];
  notices: Record<string, unknown>[];
  grounding: Record<string, unknown> | null;
  timing: Record<string, unknown> | null;
  error: { code: string; text: string } | null;
  finishReason: string | null;
}

export interface Transcript {
  answer: string | null;
  epoch: string | null;
  seq: number;
  state: AnswerState;
  content: Content;
}

/** Why an answer can't be had: `code` is the server's, or `refused`, `gone`, `closed`. */
export class Failure extends Error {
  readonly code: string;
}

export class HttpError extends Error {
  readonly status: number;
  readonly code: string;
}

/**
 * Iterate to get every entry once, in order, across connections; throws `Failure`. Taking the end acknowledges it: at
 * once, or over the next connection.
 */
export interface AnswerStream extends AsyncIterable<Entry> {
  /** Null until the question was accepted. */
  readonly id: string | null;
  readonly chat: string;
  readonly text: string;
  readonly state: AnswerState;
  readonly cursor: Cursor;
  readonly transcript: Transcript;
  /** The whole answer, once it is sealed. */
  result(): Promise<Transcript>;
  /** Ends the generation and keeps what it has said. */
  stop(): void;
}

export interface ConnectionState {
  name: "connecting" | "open" | "draining" | "waiting" | "refused" | "closed";
  waitMs?: number;
  message?: string;
  /** Of the close, when the server refused. */
  code?: number;
}

export interface Doors {
  /** A page of the chats, last used first; `after` is the `next` of the page before. */
  chats(after?: string | null): Promise<{
    chats: { chat: string; title: string; updated_at: number; answers: number }[];
    next: string | null;
  }>;
  answers(chat: string): Promise<Record<string, unknown>[]>;
  answer(id: string): Promise<Record<string, unknown>>;
  passage(id: string): Promise<Record<string, unknown>>;
  graph(about: { entity: string } | { answer: string }, namespace?: string): Promise<Record<string, unknown>>;
  job(id: string): Promise<Record<string, unknown>>;
  jobEvents(id: string): AsyncGenerator<Chunk, void>;
  answerEvents(id: string): AsyncGenerator<Chunk, void>;
}

export function doors(options?: { base?: string; token?: string | null; fetch?: typeof fetch }): Doors;

export interface ClientOptions {
  token?: string | null;
  /** For a Node that has none of its own. */
  WebSocket?: unknown;
  fetch?: typeof fetch;
  newId?: () => string;
  onState?: (state: ConnectionState) => void;
}

export interface AskOptions {
  chat?: string;
  /** The idempotency key: the same one again is the same question, on this client the stream that is under way. */
  id?: string;
  /** The answer that the question follows, empty for none: a branch of its own. By default the newest. */
  after?: string;
  namespace?: string;
  filter?: Record<string, unknown>;
  options?: Record<string, unknown>;
}

export class Client {
  /** `url` is by default the page's own server. */
  constructor(url?: string, options?: ClientOptions);
  readonly doors: Doors;
  ask(text: string, options?: AskOptions): AnswerStream;
  /**
   * The chat's answers that were not acknowledged, and those of the cursors, which go on after them. Rejects with
   * `Failure` when the client has ended.
   */
  resume(chat: string, cursors?: Cursor[]): Promise<AnswerStream[]>;
  /** The progress of an ingestion, event by event, across connections. */
  job(id: string): AsyncGenerator<Chunk, void>;
  close(): void;
}

export function textOf(content: Content): string;
