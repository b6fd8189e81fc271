//! Which edges of a crate's control flow a run of the simulator took: `fuzz/coverage` builds, runs, and calls this.
//!
//! It joins what `edges.c` left behind (`table`) with the program's lines and instructions (`program`), sets aside
//! what nobody could take (`judge`), and prints the figure and what is missing. It knows nothing of the simulator.

mod judge;
mod program;
mod table;

use judge::{Function, Verdict};
use program::Code;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, tables, source] = arguments.as_slice() else {
        eprintln!("usage: edges PROGRAM FOLDER-OF-TABLES SOURCE-FOLDER");
        return ExitCode::from(2);
    };
    match functions(Path::new(program), Path::new(tables), source) {
        Ok(functions) => {
            print(&functions);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn functions(program: &Path, tables: &Path, source: &str) -> Result<Vec<Function>, Box<dyn Error>> {
    let edges = table::read(tables)?;
    let code = Code::of(program)?;
    let mut places = program::places(program, edges.iter().filter_map(|edge| edge.address), tables)?;
    // A block that the compiler made of a branch has no line: that of the branch is where it comes from.
    let lineless = places.iter().filter(|(_, place)| place.line.is_none() && place.file.contains(source));
    let branches = code.reached_from(&lineless.map(|(address, _)| *address).collect());
    let from = program::places(program, branches.values().copied(), tables)?;
    for (at, branch) in branches {
        if let (Some(place), Some(from)) = (places.get_mut(&at), from.get(&branch)) {
            place.line = from.line;
        }
    }
    let functions = judge::functions(&edges, &places, &|address| code.panics(address), source)?;
    if functions.is_empty() {
        return Err(format!("no function of {source} is in the program: was it built with lines?").into());
    }
    Ok(functions)
}

fn print(functions: &[Function]) {
    let all: Vec<&Verdict> = functions.iter().flat_map(|function| &function.edges).map(|(_, v)| v).collect();
    let count = |is: Verdict| all.iter().filter(|verdict| ***verdict == is).count();
    let (hit, missed) = (count(Verdict::Hit), count(Verdict::Missed));
    println!(
        "edges {}, hit {hit}, missed {missed}: {:.1} %",
        hit + missed,
        100.0 * hit as f64 / (hit + missed).max(1) as f64
    );
    println!(
        "set aside: {} derived, {} of mutants, {} that end in a panic, {} the compiler took out",
        count(Verdict::Derived),
        count(Verdict::Mutant),
        count(Verdict::Panic),
        count(Verdict::Gone)
    );
    let mut files: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in functions {
        files.entry(&function.file).or_default().push(function);
    }
    let mut files: Vec<(&str, Vec<&Function>)> = files.into_iter().collect();
    files
        .sort_by_key(|(_, functions)| std::cmp::Reverse(functions.iter().map(|f| f.missed()).sum::<usize>()));
    println!("\nmissed, of, where (lines)");
    for (file, mut functions) in files {
        let missed: usize = functions.iter().map(|f| f.missed()).sum();
        if missed == 0 {
            continue;
        }
        println!("{missed:4} {:4}  {file}", functions.iter().map(|f| f.counted()).sum::<usize>());
        functions.sort_by_key(|function| std::cmp::Reverse(function.missed()));
        for function in functions.into_iter().filter(|function| function.missed() > 0) {
            let lines = function.lines_missed();
            println!("{:4} {:4}      {} {lines}", function.missed(), function.counted(), function.name);
        }
    }
}
