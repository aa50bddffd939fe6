// What every page has: the mark that script runs, and the switch of appearance without a reload.

document.documentElement.classList.add("scripted");

for (const form of document.querySelectorAll("form.theme-switch")) {
  form.addEventListener("submit", (event) => {
    const choice = event.submitter?.value;
    if (!choice) return;
    event.preventDefault();
    document.documentElement.dataset.theme = choice;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `domicile_theme=${choice}; path=/; max-age=31536000; samesite=lax${secure}`;
    for (const button of form.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.value === choice));
    }
  });
}
