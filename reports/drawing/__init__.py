"""How things look in files: style, canvas, SVG, formats of tables."""
