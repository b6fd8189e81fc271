//! What the counters of many processes of one program say: `edges.c` writes one file for each.

use std::error::Error;
use std::path::Path;

/// A block of a function that has a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Where its code begins, as the program's own tables count; `None` when the compiler took the block out after
    /// it had got its counter.
    pub(crate) address: Option<u64>,
    /// It is the first of its function; the others follow it.
    pub(crate) is_entry: bool,
    /// Some process ran it.
    pub(crate) is_hit: bool,
}

/// All `*.edges` of a folder, put together.
pub(crate) fn read(folder: &Path) -> Result<Vec<Edge>, Box<dyn Error>> {
    let mut all: Option<Vec<Edge>> = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "edges") {
            continue;
        }
        let edges = parse(&std::fs::read_to_string(&path)?)
            .ok_or_else(|| format!("{}: not a table", path.display()))?;
        match &mut all {
            None => all = Some(edges),
            Some(all) => add(all, &edges).map_err(|()| format!("{}: of another program", path.display()))?,
        }
    }
    all.ok_or_else(|| format!("{} holds no table: nothing ran", folder.display()).into())
}

fn parse(text: &str) -> Option<Vec<Edge>> {
    text.lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let address = u64::from_str_radix(fields.next()?, 16).ok()?;
            let [is_entry, is_hit] = [fields.next()?, fields.next()?].map(|field| field == "1");
            Some(Edge { address: (address > 0).then_some(address), is_entry, is_hit })
        })
        .collect()
}

fn add(all: &mut [Edge], more: &[Edge]) -> Result<(), ()> {
    if all.len() != more.len() {
        return Err(());
    }
    for (edge, other) in all.iter_mut().zip(more) {
        if edge.address != other.address {
            return Err(());
        }
        edge.is_hit |= other.is_hit;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_hit_when_one_process_hit_it() {
        let mut all = parse("1a0 1 0\n1b0 0 1\n0 0 0\n").expect("a table");
        assert_eq!(all[0], Edge { address: Some(0x1a0), is_entry: true, is_hit: false });
        assert_eq!(all[2].address, None, "taken out");
        let other = parse("1a0 1 1\n1b0 0 0\n0 0 0\n").expect("a table");
        assert_eq!(add(&mut all, &other), Ok(()));
        assert_eq!(all.iter().map(|edge| edge.is_hit).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn tables_of_two_programs_are_not_put_together() {
        let mut all = parse("1a0 1 0\n").expect("a table");
        assert_eq!(add(&mut all, &parse("1a1 1 1\n").expect("a table")), Err(()));
        assert_eq!(add(&mut all, &[]), Err(()));
        assert_eq!(parse("1a0 1\n"), None);
    }
}
