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

  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

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
    system.addEventListener("change", label);
    label();
  });
})();
