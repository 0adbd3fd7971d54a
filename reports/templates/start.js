if (View.start()) {
  for (const part of [Tables, Exports, Figures, Records]) part.start();
  View.changed();
}
