//! Sizes for people.

/// Bytes with one decimal in the largest binary unit below them: `512 B`, `1.5 KiB`, `12.0 GiB`.
pub fn human_size(bytes: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, unit)| bytes >= *unit);
    match unit {
        None => format!("{bytes} B"),
        Some((name, unit)) => {
            let tenths = (u128::from(bytes) * 10 + u128::from(unit / 2)) / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
