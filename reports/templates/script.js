"use strict";
// Without this script both protocols are shown; with it, one at a time. Paper always gets both.
(() => {
  const switcher = document.getElementById("protocol");
  if (!switcher) return;
  const panels = document.querySelectorAll("[data-preset]");
  const show = (preset) => {
    for (const panel of panels) panel.classList.toggle("off", preset !== "all" && panel.dataset.preset !== preset);
  };
  switcher.hidden = false;
  switcher.addEventListener("change", (event) => show(event.target.value));
  const chosen = switcher.querySelector("input:checked");
  if (chosen) show(chosen.value);
})();
