"""The doors: WebSocket, HTTP and the page."""
