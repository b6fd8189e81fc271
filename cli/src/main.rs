//! The `walsync` program: the process around [`cli`].

use cli::commands::run;
use cli::config::Surroundings;
use cli::exit::install_panic_hook;
use cli::output::Streams;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::allocator::configure();
    let arguments: Vec<_> = std::env::args_os().collect();
    install_panic_hook(cli::args::wants_json(&arguments));
    ExitCode::from(run(&arguments, &Surroundings::of_process(), Streams::of_process()))
}
