//! Which edges count: those of functions that somebody wrote, that a run could take.

use crate::program::Place;
use crate::table::Edge;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

/// What is said about an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Taken.
    Hit,
    /// It counts, and nobody took it.
    Missed,
    /// Of a function that a `derive` wrote.
    Derived,
    /// On a line that asks for a mutant, or of the mutants' own code.
    Mutant,
    /// All it leads to is a panic: an assertion that held.
    Panic,
    /// The compiler found that nothing leads here.
    Gone,
}

/// A function of the source with its edges, over all the copies that the compiler made.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) file: String,
    /// Line, where there is one, and verdict.
    pub(crate) edges: Vec<(Option<usize>, Verdict)>,
}

impl Function {
    pub(crate) fn missed(&self) -> usize {
        self.edges.iter().filter(|(_, verdict)| *verdict == Verdict::Missed).count()
    }

    pub(crate) fn counted(&self) -> usize {
        self.edges.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Hit | Verdict::Missed)).count()
    }

    pub(crate) fn lines_missed(&self) -> String {
        let missed = self.edges.iter().filter(|(_, verdict)| *verdict == Verdict::Missed);
        let lines: BTreeSet<usize> = missed.filter_map(|(line, _)| *line).collect();
        lines.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// The functions whose first line is below `source`, a folder with a `/` before and behind it.
pub(crate) fn functions(
    edges: &[Edge],
    places: &BTreeMap<u64, Place>,
    panics: &dyn Fn(u64) -> bool,
    source: &str,
) -> Result<Vec<Function>, Box<dyn Error>> {
    let mut sources = Sources::default();
    let mut functions: BTreeMap<(String, String, Option<usize>, usize), Function> = BTreeMap::new();
    for copy in edges.chunk_by(|_, next| !next.is_entry) {
        let entry = copy.first().and_then(|entry| entry.address).and_then(|address| places.get(&address));
        let Some(entry) = entry.filter(|entry| entry.file.contains(source)) else { continue };
        let is_derived = sources.line(&entry.file, entry.line)?.trim_start().starts_with("#[derive");
        let mut judged = Vec::new();
        for edge in copy {
            let place = edge.address.and_then(|address| places.get(&address));
            let line = place.filter(|place| place.file == entry.file).and_then(|place| place.line);
            let verdict = match edge.address {
                _ if is_derived => Verdict::Derived,
                _ if entry.file.contains("/mutants/") => Verdict::Mutant,
                _ if edge.is_hit => Verdict::Hit,
                None => Verdict::Gone,
                _ if sources.line(&entry.file, line)?.contains("mutated(") => Verdict::Mutant,
                Some(address) if panics(address) => Verdict::Panic,
                Some(_) => Verdict::Missed,
            };
            judged.push((line, verdict));
        }
        let key = (entry.function.clone(), entry.file.clone(), entry.line, judged.len());
        let file = entry.file[entry.file.find(source).expect("it contains it") + 1..].to_owned();
        let new = || Function { name: entry.function.clone(), file, edges: judged.clone() };
        let function = functions.entry(key).or_insert_with(new);
        for ((_, verdict), (_, other)) in function.edges.iter_mut().zip(&judged) {
            if *other == Verdict::Hit {
                *verdict = Verdict::Hit;
            }
        }
    }
    Ok(functions.into_values().collect())
}

/// The text of source files, each read once.
#[derive(Default)]
struct Sources(BTreeMap<String, Vec<String>>);

impl Sources {
    fn line(&mut self, file: &str, line: Option<usize>) -> Result<&str, Box<dyn Error>> {
        if !self.0.contains_key(file) {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            self.0.insert(file.to_owned(), text.lines().map(str::to_owned).collect());
        }
        let at = line.and_then(|line| line.checked_sub(1));
        Ok(at.and_then(|at| self.0[file].get(at)).map_or("", String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This file stands for a source: its lines are read.
    const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/edges/judge.rs");

    fn line_of(text: &str) -> usize {
        let source = include_str!("judge.rs").lines();
        source.zip(1..).find(|(line, _)| line.trim_start().starts_with(text)).expect("a line of this file").1
    }

    fn judged(edges: &[Edge], lines: &[usize], panics: &[u64]) -> Vec<Function> {
        let place =
            |line: &usize| Place { function: "f".to_owned(), file: HERE.to_owned(), line: Some(*line) };
        let places =
            edges.iter().zip(lines).map(|(edge, line)| (edge.address.expect("it is there"), place(line)));
        functions(edges, &places.collect(), &|address| panics.contains(&address), "/src/bin/")
            .expect("it can be read")
    }

    fn edge(address: u64, is_entry: bool, is_hit: bool) -> Edge {
        Edge { address: Some(address), is_entry, is_hit }
    }

    fn verdicts(function: &Function) -> Vec<Verdict> {
        function.edges.iter().map(|(_, verdict)| *verdict).collect()
    }

    #[test]
    fn copies_of_a_function_count_once() {
        let edges = [edge(1, true, true), edge(2, false, false), edge(3, true, false), edge(4, false, true)];
        let line = line_of("fn line_of");
        let functions = judged(&edges, &[line; 4], &[]);
        assert_eq!(functions.len(), 1);
        assert_eq!(verdicts(&functions[0]), [Verdict::Hit, Verdict::Hit]);
        assert_eq!(functions[0].file, "src/bin/edges/judge.rs");
    }

    #[test]
    fn what_nobody_can_take_does_not_count() {
        let derived = judged(&[edge(1, true, false)], &[line_of("#[derive")], &[]);
        assert_eq!(verdicts(&derived[0]), [Verdict::Derived]);
        let line = line_of("fn line_of");
        let edges =
            [edge(1, true, true), edge(2, false, false), edge(3, false, false), edge(4, false, false)];
        // mutated(a line that asks for a mutant)
        let functions = judged(&edges, &[line, line, line_of("// mutated("), line], &[4]);
        assert_eq!(verdicts(&functions[0]), [Verdict::Hit, Verdict::Missed, Verdict::Mutant, Verdict::Panic]);
        assert_eq!((functions[0].missed(), functions[0].counted()), (1, 2));
        assert_eq!(functions[0].lines_missed(), line.to_string());
    }
}
