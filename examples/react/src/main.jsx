import { createRoot } from "react-dom/client";

import { Chat } from "./chat.jsx";
import "./style.css";

/** The chat of this address; a new one is written into it, so that a reload finds it again. */
function chatOfAddress() {
  const address = new URL(location.href);
  if (!address.searchParams.has("chat")) {
    address.searchParams.set("chat", crypto.randomUUID());
    history.replaceState(null, "", address);
  }
  return address.searchParams.get("chat");
}

const id = chatOfAddress();
const { messages } = await (await fetch(`/api/chat/${encodeURIComponent(id)}`)).json();
createRoot(document.getElementById("root")).render(<Chat id={id} messages={messages} />);
