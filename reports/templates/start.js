if (View.start()) {
  for (const module of [Tables, Exports, Figures, Compare, Records]) module.start();
  View.changed();
}
