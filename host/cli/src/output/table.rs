//! Tables without lines: columns, a heading, numbers to the right.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table as Grid};

use super::printable;

/// A table that is being filled.
pub(crate) struct Table {
    grid: Grid,
    numbers: Vec<usize>,
}

impl Table {
    /// A table with this heading; a column whose heading starts with `>` holds numbers.
    pub(crate) fn new(heading: &[&str]) -> Self {
        let mut grid = Grid::new();
        grid.load_style(NOTHING).set_header(heading.iter().map(|name| name.trim_start_matches('>')));
        let numbers = heading.iter().enumerate().filter(|(_, name)| name.starts_with('>')).map(|(at, _)| at).collect();
        Self { grid, numbers }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.grid.add_row(cells.into_iter().map(|cell| printable(&cell)));
    }

    /// The table as lines without blanks at their ends; cells are broken where it would be wider than `width`.
    pub(crate) fn render(mut self, width: Option<u16>) -> String {
        let numbers = std::mem::take(&mut self.numbers);
        for (at, column) in self.grid.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if numbers.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        if let Some(width) = width {
            self.grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        } else {
            self.grid.set_content_arrangement(ContentArrangement::Disabled);
        }
        self.grid.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_lines_end_without_blanks() {
        let mut table = Table::new(&["NODE", ">RECORDS", "KIND"]);
        table.row(["lines".to_owned(), "7".to_owned(), String::new()]);
        table.row(["└─ count".to_owned(), "40,000".to_owned(), "keyed".to_owned()]);
        assert_eq!(table.render(None), "NODE      RECORDS  KIND\nlines           7\n└─ count   40,000  keyed\n");
    }

    #[test]
    fn a_narrow_screen_breaks_cells() {
        let mut table = Table::new(&["NAME", "VALUE"]);
        table.row(["codec".to_owned(), "postcard of a type with a name that is long".to_owned()]);
        let text = table.render(Some(30));
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.chars().count() <= 30), "{text}");
    }
}
