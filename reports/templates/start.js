if (View.start()) {
  for (const part of [Tables, Exports, Figures, Compare, Records]) part.start();
  View.changed();
}
