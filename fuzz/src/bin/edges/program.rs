//! What binutils know of a program: the source line of an address, and which ways only lead into a panic.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where an address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The function in the source, not what was inlined into it.
    pub(crate) function: String,
    pub(crate) file: String,
    /// `None`: code that the compiler made up, as that which drops values.
    pub(crate) line: Option<usize>,
}

/// The places of addresses. `scratch` is a folder for the list of them.
pub(crate) fn places(
    program: &Path,
    addresses: impl Iterator<Item = u64>,
    scratch: &Path,
) -> Result<BTreeMap<u64, Place>, Box<dyn Error>> {
    let mut list = String::new();
    for address in addresses {
        writeln!(list, "{address:x}")?;
    }
    let path = scratch.join("addresses");
    std::fs::write(&path, list)?;
    let output = Command::new("addr2line")
        .args(["--addresses", "--demangle", "--functions", "--inlines", "--exe"])
        .arg(program)
        .stdin(std::fs::File::open(&path)?)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("addr2line (of binutils): {error}"))?;
    if !output.status.success() {
        return Err(format!("addr2line ended with {}", output.status).into());
    }
    Ok(parse_places(&String::from_utf8_lossy(&output.stdout)))
}

/// An address, then a line with a function and one with `file:line` for each function that was inlined there,
/// the outermost last.
fn parse_places(text: &str) -> BTreeMap<u64, Place> {
    let mut places = BTreeMap::new();
    let mut address = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
            address = found;
            continue;
        }
        let Some((file, number)) = lines.next().and_then(|place| place.rsplit_once(':')) else { break };
        // `12 (discriminator 3)`
        let number = number.split(' ').next().and_then(|number| number.parse().ok());
        let place = Place { function: without_hash(line).to_owned(), file: file.to_owned(), line: number };
        places.insert(address, place);
    }
    places
}

fn without_hash(function: &str) -> &str {
    match function.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => name,
        _ => function,
    }
}

/// The instructions of a program, in the order of their addresses.
pub(crate) struct Code(Vec<(u64, Instruction)>);

/// What follows an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instruction {
    /// The next one.
    Next,
    /// Another one.
    Jump(u64),
    /// The next or another one.
    Branch(u64),
    /// Nothing: the call of a function that panics.
    Panic,
    /// It returns, or jumps by a table.
    End,
}

impl Code {
    pub(crate) fn of(program: &Path) -> Result<Code, Box<dyn Error>> {
        let mut child = Command::new("objdump")
            .args(["--disassemble", "--no-show-raw-insn", "--demangle"])
            .arg(program)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("objdump (of binutils): {error}"))?;
        let mut code = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            code.extend(parse_instruction(&line?));
        }
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("objdump ended with {status}").into());
        }
        code.sort_unstable_by_key(|(address, _)| *address);
        Ok(Code(code))
    }

    /// Whether no way leads from here but into a panic.
    pub(crate) fn panics(&self, mut address: u64) -> bool {
        for _ in 0..STEPS_MAX {
            let Ok(at) = self.0.binary_search_by_key(&address, |(address, _)| *address) else { return false };
            address = match self.0[at].1 {
                Instruction::Panic => return true,
                Instruction::Branch(_) | Instruction::End => return false,
                Instruction::Jump(target) => target,
                Instruction::Next => match self.0.get(at + 1) {
                    Some((next, _)) => *next,
                    None => return false,
                },
            };
        }
        false
    }

    /// From where each of these addresses is reached: an instruction that jumps to it, else the one before it.
    pub(crate) fn reached_from(&self, addresses: &BTreeSet<u64>) -> BTreeMap<u64, u64> {
        let mut from = BTreeMap::new();
        for pair in self.0.windows(2) {
            let [(before, _), (address, _)] = pair else { unreachable!("windows of two") };
            if addresses.contains(address) {
                from.insert(*address, *before);
            }
        }
        for (address, instruction) in &self.0 {
            if let Instruction::Jump(target) | Instruction::Branch(target) = instruction
                && addresses.contains(target)
            {
                from.insert(*target, *address);
            }
        }
        from
    }
}

/// `  401136:\tcall   401020 <core::panicking::panic>`
fn parse_instruction(line: &str) -> Option<(u64, Instruction)> {
    let (address, text) = line.split_once(":\t")?;
    let address = u64::from_str_radix(address.trim_start(), 16).ok()?;
    let target = text.split_whitespace().nth(1).and_then(|operand| u64::from_str_radix(operand, 16).ok());
    let is_panic = || NEVER_RETURN.iter().any(|function| text.contains(function));
    let instruction = match (text.split_whitespace().next().unwrap_or(""), target) {
        ("jmp", Some(target)) => Instruction::Jump(target),
        ("jmp" | "ret" | "ud2" | "hlt", _) => Instruction::End,
        (name, Some(target)) if name.starts_with('j') => Instruction::Branch(target),
        ("call", _) if is_panic() => Instruction::Panic,
        _ => Instruction::Next,
    };
    Some((address, instruction))
}

/// A way to a panic is short, and a loop has no end.
const STEPS_MAX: usize = 1000;

/// The functions of the standard library that assertions, `expect`, indexing and full memory end in.
const NEVER_RETURN: &[&str] = &[
    "<core::panicking::",
    "<core::option::unwrap_failed",
    "<core::option::expect_failed",
    "<core::result::unwrap_failed",
    "<core::slice::index::slice_",
    "<core::slice::copy_from_slice_impl::len_mismatch_fail",
    "<core::str::slice_error_fail",
    "<alloc::alloc::handle_alloc_error",
    "<alloc::raw_vec::handle_error",
    "<std::panicking::",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_that_of_the_outermost_function() {
        let text = "0x0000000000000010\ncore::iter::next\n/rustc/iter.rs:7\nengine::scan::h0123456789abcdef\n\
                    /x/scan.rs:12 (discriminator 3)\n0x0000000000000020\nengine::scan\n/x/scan.rs:?\n";
        let places = parse_places(text);
        let place = |line| Place { function: "engine::scan".to_owned(), file: "/x/scan.rs".to_owned(), line };
        assert_eq!(places, BTreeMap::from([(0x10, place(Some(12))), (0x20, place(None))]));
    }

    #[test]
    fn way_to_a_panic_may_jump_and_may_not_branch() {
        let code = [
            "  10:\tjmp    30 <f+0x20>",
            "  20:\tje     30 <f+0x20>",
            "  22:\tret",
            "  30:\tmov    %rax,%rdi",
            "  32:\tcall   401020 <core::panicking::panic_fmt>",
            "  40:\tcall   401020 <engine::panicking::harmless>",
            "  42:\tjmp    *%rax",
            "  50:\tjmp    50 <f+0x40>",
        ];
        let code =
            Code(code.into_iter().map(|line| parse_instruction(line).expect("an instruction")).collect());
        let panics: Vec<u64> = (0..=0x60).filter(|address| code.panics(*address)).collect();
        assert_eq!(panics, [0x10, 0x30, 0x32]);
        assert_eq!(
            code.reached_from(&BTreeSet::from([0x22, 0x30])),
            BTreeMap::from([(0x22, 0x20), (0x30, 0x20)])
        );
    }
}
