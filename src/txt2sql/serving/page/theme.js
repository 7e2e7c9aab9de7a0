// The colours a person chose, set before anything is painted; without a choice the system's are used.
try {
  const chosen = localStorage.getItem("txt2sql-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing uses the system's colours.
}
