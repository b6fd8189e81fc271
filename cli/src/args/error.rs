//! clap's errors in our form: one line, and a hint.

use super::command_line::command;
use crate::exit::Failure;
use clap::error::ErrorKind;
use std::ffi::OsString;

/// What clap says in several paragraphs (message, tips, usage) as one failure.
pub(super) fn failure(error: &clap::Error, arguments: &[OsString]) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let message = match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".to_owned()
        }
        _ => joined(paragraphs.next().unwrap_or_default().trim_start_matches("error:")),
    };
    let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    let failure = Failure::usage(message);
    let failure = match tip {
        Some(tip) => failure.cause(tip),
        None => failure,
    };
    failure.hint(format!("walsync {}--help", subcommand_of(arguments)))
}

fn joined(paragraph: &str) -> String {
    let lines: Vec<&str> = paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// The command that was meant, with a space, as far as it can be told; empty if not.
fn subcommand_of(arguments: &[OsString]) -> String {
    let command = command();
    let words: Vec<&str> = arguments.iter().skip(1).filter_map(|argument| argument.to_str()).collect();
    let found = words.iter().enumerate().find_map(|(at, word)| Some((at, command.find_subcommand(word)?)));
    let Some((at, outer)) = found.filter(|(_, outer)| !outer.is_hide_set()) else { return String::new() };
    let inner = words.get(at + 1).and_then(|word| outer.find_subcommand(word));
    match inner.filter(|inner| !inner.is_hide_set()) {
        Some(inner) => format!("{} {} ", outer.get_name(), inner.get_name()),
        None => format!("{} ", outer.get_name()),
    }
}
