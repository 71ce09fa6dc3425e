// Before the first paint, hence a classic script: the chosen theme, or none to follow the system.
(() => {
  const KEY = "chatserver.theme";
  const root = document.documentElement;

  try {
    const chosen = localStorage.getItem(KEY);
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // No storage: the system's theme it is.
  }

  function isDark() {
    return (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  }

  document.addEventListener("DOMContentLoaded", () => {
    const toggle = document.querySelector("#theme");
    const label = () => toggle.setAttribute("aria-label", `Use the ${isDark() ? "light" : "dark"} theme`);
    toggle.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // It holds until the page is left.
      }
      label();
    });
    label();
  });
})();
