// Light or dark: the system's wish, unless one was chosen by hand. public/theme.js reads the choice before the first paint.

export type Theme = "system" | "light" | "dark";

const KEY = "cloudly.theme";

export function chosenTheme(): Theme {
  const chosen = localStorage.getItem(KEY);
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function chooseTheme(theme: Theme): void {
  if (theme === "system") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }
}
