//! Panics are results: where one came from tells whether the code under test failed, or the simulator itself.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{set_hook, take_hook};

thread_local! {
    /// Where the last one was.
    static AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on panics are results, not news: their places are remembered, and nothing is printed.
pub fn are_results() {
    set_hook(Box::new(remember));
}

/// From now on their places are remembered as well.
pub fn are_remembered() {
    let print = take_hook();
    set_hook(Box::new(move |info| {
        remember(info);
        print(info);
    }));
}

fn remember(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
    AT.with_borrow_mut(|last| *last = place);
}

/// What a panic that was caught said, and where, as the message of property 0.
pub(crate) fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    let place = AT.with_borrow_mut(Option::take).unwrap_or_else(|| "an unknown place".to_owned());
    format!("panic in {place}: {text}")
}

/// Whether the line of a failed seed tells of a panic of the code under test.
pub fn of_the_code(line: &str) -> bool {
    place(line).is_some_and(|place| CODE.iter().any(|folder| place.starts_with(folder)))
}

/// Whether it tells of any other panic, which is no verdict on the code under test.
pub fn of_the_simulator(line: &str) -> bool {
    place(line).is_some() && !of_the_code(line)
}

fn place(line: &str) -> Option<&str> {
    line.split_once("property 0: panic in ").map(|(_, place)| place)
}

const CODE: [&str; 2] = ["engine/", "io-real/"];

#[cfg(test)]
mod tests {
    use super::{are_remembered, describe, of_the_code, of_the_simulator};
    use std::panic::catch_unwind;

    #[test]
    fn panic_is_the_simulators_unless_it_is_in_the_code_under_test() {
        let line =
            |place: &str| format!("seed 1 FAILED property=0 trace=0: property 0: panic in {place}:7: gone");
        assert!(of_the_code(&line("engine/src/replicate/plan.rs")));
        assert!(of_the_code(&line("io-real/src/state/mod.rs")));
        assert!(of_the_simulator(&line("sim/src/world/run.rs")));
        assert!(of_the_simulator(&line("io-sim/src/disk/machine.rs")));
        let broken = "seed 1 FAILED property=1 trace=0: property 1: slot 2";
        assert!(!of_the_code(broken) && !of_the_simulator(broken));
    }

    #[test]
    fn panic_tells_its_place() {
        are_remembered();
        let said = describe(&*catch_unwind(|| panic!("number {}", 3)).unwrap_err());
        assert!(said.starts_with("panic in sim/src/panics.rs:") && said.ends_with(": number 3"), "{said}");
    }
}
