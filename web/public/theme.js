// Sets the theme chosen by hand before the first paint. A file of its own because the
// Content-Security-Policy allows no inline script. src/state/theme.ts writes the choice.
try {
  const chosen = localStorage.getItem("cloudly.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch (error) {
  console.warn("the chosen theme cannot be read; the system's is used", error);
}
