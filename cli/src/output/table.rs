//! Tables for people.

/// Lines up columns under their heads, two spaces apart; those from `right_from` on are numbers and end at
/// the same place. No spaces at line ends, no line end after the last line.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    right_from: usize,
) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells =
            row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column < right_from {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            });
        cells.collect::<Vec<String>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<String>>().join("\n")
}
