import { useChat } from "@ai-sdk/react";
import { WebSocketChatTransport } from "ai";
import { useState } from "react";

const RETRY_MS = 1_000;

const transport = new WebSocketChatTransport({ url: "/ws/ai-sdk" }); // the line that connects

export function Chat({ id, messages: earlier }) {
  const { messages, sendMessage, stop, status, error, resumeStream } = useChat({
    id,
    transport,
    messages: earlier,
    resume: true,
    // A lost connection stops no answer: it is taken up where the log is by now.
    onError: ({ message }) => message.includes("network") && setTimeout(resumeStream, RETRY_MS),
  });
  const busy = status === "submitted" || status === "streaming";
  return (
    <main data-status={status}>
      <ol>{messages.map((message) => <Message key={message.id} {...message} />)}</ol>
      {error && <p role="alert">{error.message}</p>}
      <Question onAsk={(text) => sendMessage({ text })} busy={busy} />
      {busy && <button onClick={stop}>Stop</button>}
    </main>
  );
}

function Message({ role, parts }) {
  const sources = parts.filter(({ type }) => type === "source-document");
  return (
    <li className={role}>
      {parts.map((part, n) => part.type === "text" && <p key={n}>{part.text}</p>)}
      {sources.length > 0 && (
        <footer>{sources.map(({ sourceId, title }, n) => <cite key={sourceId}>[{n + 1}] {title} </cite>)}</footer>
      )}
    </li>
  );
}

function Question({ onAsk, busy }) {
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    onAsk(text);
    setText("");
  };
  return (
    <form onSubmit={submit}>
      <input value={text} onChange={({ target }) => setText(target.value)} placeholder="Ask" autoFocus />
      <button disabled={busy || !text.trim()}>Ask</button>
    </form>
  );
}
