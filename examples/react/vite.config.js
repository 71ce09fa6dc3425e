import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The dev server hands the chat's doors on to a chatserver; the Host stays the page's own, and so does its origin.
const server = process.env.CHATSERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "./",
  plugins: [react()],
  server: { proxy: { "/api": server, "/v1": server, "/ws": { target: server, ws: true } } },
});
