"""The parent of server processes: starts them on one inherited socket, replaces them, drains them."""
